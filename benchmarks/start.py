"""How long until the first answer, whole processes, and what their imports take.

    python benchmarks/start.py [--weights weights] [--repeats 5]

* `fracture predict film.png` against `python -c "import onnxruntime, numpy, PIL"`
* `python app.py` to its first answer against `python -c "import gradio"`

The four take turns. The shares are those of `python -X importtime`, one run.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time

import httpx
import numpy as np
from common import ROOT, table

FILM = ROOT / "examples" / "normal.png"
LIBRARIES = "import onnxruntime, numpy, PIL"
_SHOWN = 6  # imports of each process


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="weights")
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    predict = ["-m", "fracture", "predict", str(FILM), "-w", args.weights]
    paths = {
        LIBRARIES: lambda: run(["-c", LIBRARIES]),
        "fracture predict film.png": lambda: run(predict),
        "import gradio": lambda: run(["-c", "import gradio"]),
        "app.py, first answer": lambda: first_answer(args.weights),
    }
    found: dict[str, list[float]] = {name: [] for name in paths}
    for turn in range(args.repeats + 1):
        for name, work in paths.items():
            start = time.perf_counter()
            work()
            if turn:  # the first one fills the system's cache of files
                found[name].append(time.perf_counter() - start)
    median = {name: float(np.median(times)) for name, times in found.items()}
    table(
        ("process", "median, s", "least, s", "most, s"),
        [
            (name, f"{median[name]:.2f}", f"{min(times):.2f}", f"{max(times):.2f}")
            for name, times in found.items()
        ],
    )
    base, predicted, gradio, app = median.values()
    print(f"\nfracture predict is {predicted / base:.2f} times its libraries")
    print(f"app.py is {app / gradio:.2f} times gradio\n")
    for name, command in (("fracture predict", predict), ("app", ["-c", "import app"])):
        print(f"{name}: {shares(command)}")


def run(arguments: list[str]) -> None:
    """A process that must end well."""
    done = subprocess.run(
        [sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(done.stderr)


def first_answer(weights: str) -> None:
    """Starts the app and asks until it has answered a film."""
    with tempfile.TemporaryDirectory() as place:
        variables = {
            "FRACTURE_WEIGHTS": str((ROOT / weights).resolve()),
            "GRADIO_TEMP_DIR": place,
            "GRADIO_ANALYTICS_ENABLED": "False",
            "PYTHONUNBUFFERED": "1",
        }
        with subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            text=True,
        ) as app:
            line = next(line for line in app.stdout if "http://" in line)
            url = re.search(r"http://[\w.]+:\d+", line)[0]
            film = {"film": FILM.read_bytes()}
            answer = httpx.post(f"{url}/predict", files=film, timeout=60)
            app.kill()
    if "finding" not in answer.json():
        raise SystemExit(answer.text)


def shares(command: list[str]) -> str:
    """The heaviest packages, with what each takes without the others."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    packages: dict[str, int] = {}
    lines = re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s+([\w.]+)", done.stderr)
    for alone, module in lines:
        name = module.partition(".")[0]
        packages[name] = packages.get(name, 0) + int(alone)
    total = sum(packages.values())
    heaviest = sorted(packages.items(), key=lambda item: -item[1])[:_SHOWN]
    parts = (f"{name} {micro / total:.0%}" for name, micro in heaviest)
    return f"imports {total / 1e6:.2f} s, of which {', '.join(parts)}"


if __name__ == "__main__":
    main()
