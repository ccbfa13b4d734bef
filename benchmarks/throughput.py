"""How many films a second, through each door, and what memory that takes.

    python benchmarks/throughput.py [--films 500] [--clients 1,8,40] [--seconds 180]

* engine: the engine alone, one thread for each core, letterboxed films
* folder: `fracture predict FOLDER -o rows.jsonl`, start included
* request: `POST /predict`, so many clients at a time, each with one film after another
* api: the same through Gradio's upload, call and answer

Every film is another one. Memory is that of the process and its children: the most of
a folder's run; of the app after a third of the time (at most a minute), and at the end.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
from common import ROOT, films, megabytes, table, write_films

from fracture import FractureClassifier, read_radiograph
from fracture.radiograph.letterbox import make_squares

_BUSY = 0.2  # seconds that a client waits before it asks again


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="weights")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--films", type=int, default=500)
    parser.add_argument("--side", type=int, default=1000, help="of a film, pixels")
    parser.add_argument("--clients", default="1,8,40", help="numbers of them")
    parser.add_argument("--seconds", type=float, default=180, help="for each number")
    parser.add_argument("--doors", default="engine,folder,request,api")
    args = parser.parse_args()
    doors, rows = args.doors.split(","), []
    if "engine" in doors:
        rows.append(engine_row(args))
    if "folder" in doors:
        rows.append(folder_row(args))
    for name, door in (("request", ask), ("api", ask_gradio)):
        for clients in map(int, args.clients.split(",")):
            if name in doors:
                rows.append(door_row(args, name, door, clients))
    columns = ("door", "clients", "films/s", "median, ms", "95 %, ms")
    memory = ("memory early, MiB", "at the end, MiB", "answers")
    table((*columns, *memory), rows)


def engine_row(args: argparse.Namespace) -> tuple:
    cores = len(os.sched_getaffinity(0))
    classifier = FractureClassifier.from_pretrained(args.weights, 1, args.engine, cores)
    pixels = read_radiograph(films(1, args.side)[0]).pixels
    square = make_squares([pixels], classifier.config.image_size)
    count = max(20, args.films)
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(classifier.run_squares, [square] * 4 * cores))
        start = time.perf_counter()
        list(pool.map(classifier.run_squares, [square] * count))
    rate = count / (time.perf_counter() - start)
    name = f"engine, {classifier.engine.name}"
    return name, cores, f"{rate:.1f}", *[""] * 5


def folder_row(args: argparse.Namespace) -> tuple:
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place) / "films", Path(place) / "rows.jsonl"
        write_films(folder, args.films, args.side)
        command = [sys.executable, "-m", "fracture", "predict", folder, "-o", out]
        command += ["--weights", args.weights, "--engine", args.engine]
        start, most = time.perf_counter(), 0.0
        with subprocess.Popen(command, cwd=ROOT) as process:
            while process.poll() is None:
                most = max(most, megabytes(process.pid))
                time.sleep(0.2)
        rate = args.films / (time.perf_counter() - start)
        codes = collections.Counter(
            json.loads(line).get("error_code", "ok") for line in out.open()
        )
    said = ", ".join(f"{count} {code}" for code, count in codes.items())
    return f"folder, {args.engine}", "", f"{rate:.1f}", "", "", "", f"{most:.0f}", said


def door_row(
    args: argparse.Namespace,
    name: str,
    door: Callable[[httpx.Client, bytes], str],
    clients: int,
) -> tuple:
    """What so many clients get of an app of their own."""
    with tempfile.TemporaryDirectory() as place, app(args, place) as (process, url):
        sent = itertools.cycle(films(200, args.side))
        lock, answers, times = threading.Lock(), collections.Counter(), []
        with httpx.Client(base_url=url, timeout=120) as first:
            door(first, next(sent))
        end = time.monotonic() + args.seconds

        def client() -> None:
            with httpx.Client(base_url=url, timeout=120) as site:
                while time.monotonic() < end:
                    with lock:
                        film = next(sent)
                    start = time.perf_counter()
                    answer = door(site, film)
                    with lock:
                        answers[answer] += 1
                        if answer == "ok":
                            times.append(1000 * (time.perf_counter() - start))
                    if answer == "busy":
                        time.sleep(_BUSY)

        threads = [threading.Thread(target=client) for _ in range(clients)]
        for thread in threads:
            thread.start()
        time.sleep(min(60, args.seconds / 3))
        early = megabytes(process.pid)
        for thread in threads:
            thread.join()
        late = megabytes(process.pid)
    said = ", ".join(f"{count} {code}" for code, count in answers.items())
    rate = answers["ok"] / args.seconds
    middle = (f"{np.median(times):.0f}", f"{np.percentile(times, 95):.0f}")
    door_name = f"{name}, {args.engine}"
    return (
        door_name,
        clients,
        f"{rate:.1f}",
        *middle,
        f"{early:.0f}",
        f"{late:.0f}",
        said,
    )


class app:
    """`python app.py` as a process of its own, and its address."""

    def __init__(self, args: argparse.Namespace, place: str):
        variables = {
            "GRADIO_TEMP_DIR": place,
            "FRACTURE_WEIGHTS": str(Path(args.weights).resolve()),
            "FRACTURE_ENGINE": args.engine,
            "GRADIO_ANALYTICS_ENABLED": "False",
            "PYTHONUNBUFFERED": "1",
        }
        self._process = subprocess.Popen(
            [sys.executable, "app.py"],
            cwd=ROOT,
            env={**os.environ, **variables},
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> tuple[subprocess.Popen, str]:
        for line in self._process.stdout:
            if found := re.search(r"http://127.0.0.1:\d+", line):
                return self._process, found[0]
        raise SystemExit("the app did not start")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(30)


def ask(site: httpx.Client, film: bytes) -> str:
    """One request; `ok` or the code of the error."""
    reply = site.post("/predict", files={"film": ("film.jpg", film)})
    if reply.status_code == 500:
        return "status 500"
    return reply.json().get("error_code", "ok")


def ask_gradio(site: httpx.Client, film: bytes) -> str:
    """Upload, call and answer, as Gradio's clients do it."""
    sent = site.post("/gradio_api/upload", files={"files": ("film.jpg", film)})
    file = {"path": sent.json()[0], "meta": {"_type": "gradio.FileData"}}
    call = site.post("/gradio_api/call/v2/predict", json={"film": file}).json()
    if "error_code" in call:
        return call["error_code"]
    said = site.get(f"/gradio_api/call/predict/{call['event_id']}").text
    return json.loads(said.rpartition("data: ")[2])[0].get("error_code", "ok")


if __name__ == "__main__":
    main()
