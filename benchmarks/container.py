"""What the image costs, measured without a container engine.

    python benchmarks/container.py [--predictions 100]

Does what the Dockerfile does, in a clean folder: a virtual environment with its pinned
packages, the files it copies, its environment, its command, as a user who is nobody (if
run by root). Then measures the installed size (the base image comes on top), the time
from start to the first prediction, and resident memory after many predictions.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
PORT = 7963


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--predictions", type=int, default=100)
    parser.add_argument(
        "--python", default=sys.executable, help="one that nobody may run as well"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="fracture-image-") as folder:
        image = Path(folder)
        image.chmod(0o755)
        build(image, args.python)
        installed = sum(size(image / name) for name in ("venv", "app"))
        print(f"installed size     {installed / 1e6:8.0f} MB, base image not included")
        start = time.perf_counter()
        server = run(image)
        try:
            first = predict(timeout=120)
            print(
                f"first prediction   {time.perf_counter() - start:8.1f} s after start"
            )
            assert first["finding"], first
            durations = []
            for _ in range(args.predictions):
                begun = time.perf_counter()
                predict()
                durations.append(time.perf_counter() - begun)
            print(f"resident memory    {resident(server.pid):8.0f} MB after them")
            median = 1000 * statistics.median(durations)
            print(f"median prediction  {median:8.0f} ms")
            user = Path(f"/proc/{server.pid}").stat().st_uid
            print(f"run by user        {user:8d}")
        finally:
            server.terminate()
            server.wait(20)


def build(image: Path, python: str) -> None:
    """The two stages of the Dockerfile."""
    stages = re.split(r"^FROM .*$", DOCKERFILE, flags=re.M)[1:]
    source, app = image / "src", image / "app"
    for target, stage in zip((source, app), stages, strict=True):
        for names, _ in re.findall(r"^COPY (?!--from)(.+) (\S+)$", stage, re.M):
            for name in names.split():
                copy(ROOT / name, target / name)
    command = re.search(r"/venv/bin/pip install (.+?) \\?\n", stages[0])[1]
    subprocess.run([python, "-m", "venv", image / "venv"], check=True)
    pip = f"{image}/venv/bin/pip --quiet --disable-pip-version-check"
    steps = f"{pip} install {command} && {pip} uninstall --yes pip"
    subprocess.run(steps, shell=True, cwd=source, check=True)


def copy(source: Path, target: Path) -> None:
    """Copies what .dockerignore lets through."""
    target.parent.mkdir(exist_ok=True)
    left_out = ("__pycache__", "checkpoint", "model.weights.h5", "*.csv")
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(*left_out))
    else:
        shutil.copy(source, target)


def size(folder: Path) -> int:
    """Bytes of its files."""
    return sum(p.lstat().st_size for p in folder.rglob("*") if not p.is_dir())


def run(image: Path) -> subprocess.Popen:
    """Starts the app with the environment and the user of the image."""
    variables = re.search(r"^ENV ((?:.*\\\n)*.*)$", DOCKERFILE, re.M)[1]
    environment = dict(re.findall(r"(\w+)=(\S+)", variables)) | {
        "PATH": f"{image}/venv/bin:/usr/bin:/bin",
        "HOME": str(image / "home"),
        "TMPDIR": str(image / "home"),
        "GRADIO_SERVER_PORT": str(PORT),
    }
    home = image / "home"
    home.mkdir()
    nobody = {}
    if os.getuid() == 0:
        os.chown(home, 65534, 65534)
        nobody = {"user": 65534, "group": 65534, "extra_groups": []}
    command = [image / "venv/bin/python", "app.py"]
    return subprocess.Popen(
        command, cwd=image / "app", env=environment, stdout=subprocess.DEVNULL, **nobody
    )


def predict(timeout: float = 0) -> dict:
    """One film over HTTP, as any client sends it; waits for the server to listen."""
    api = f"http://127.0.0.1:{PORT}/gradio_api"
    film = (ROOT / "examples/displaced.png").read_bytes()
    boundary = uuid.uuid4().hex
    body = io.BytesIO()
    body.write(
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; '
        f'filename="film.png"\r\nContent-Type: image/png\r\n\r\n'.encode()
    )
    body.write(film + f"\r\n--{boundary}--\r\n".encode())
    deadline = time.monotonic() + timeout
    while True:
        try:
            form = f"multipart/form-data; boundary={boundary}"
            (path,) = json.loads(post(f"{api}/upload", body.getvalue(), form))
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
    data = {"film": {"path": path, "meta": {"_type": "gradio.FileData"}}}
    answer = post(
        f"{api}/call/v2/predict", json.dumps(data).encode(), "application/json"
    )
    event = json.loads(answer)["event_id"]
    with urllib.request.urlopen(f"{api}/call/predict/{event}", timeout=60) as stream:
        text = stream.read().decode()
    return json.loads(text.split("data: ", 1)[1])[0]


def post(url: str, body: bytes, kind: str) -> bytes:
    request = urllib.request.Request(url, body, {"Content-Type": kind})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def resident(pid: int) -> float:
    """Megabytes of a process and its children."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    own = int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024 / 1e6
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return own + sum(resident(int(child)) for child in children)


if __name__ == "__main__":
    main()
