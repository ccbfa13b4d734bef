"""How many films a second, through each door, and what memory that takes.

    python benchmarks/throughput.py [--films 500] [--clients 1,8,40] [--seconds 180]

* engine: the engine alone, one thread for each core, letterboxed films
* predict: `FractureClassifier.predict` and its JSON, one film after another
* folder: `fracture predict FOLDER -o rows.jsonl`, start included
* baseline: the same by another version's checkout with its weights, see --baseline
* request: `POST /predict`, so many clients at a time, each with one film after another
* api: the same through Gradio's upload, call and answer

Every film is another one. Memory is that of the process and its children: the most of
a folder's run; of the app after a third of the time (at most a minute), and at the end.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
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
from common import ROOT, durations, films, megabytes, table, write_films

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
    parser.add_argument("--doors", default="engine,predict,folder,request,api")
    parser.add_argument(
        "--baseline",
        type=Path,
        help="a checkout of another version, made by git worktree add PATH TAG",
    )
    args = parser.parse_args()
    doors, rows = args.doors.split(","), []
    if "engine" in doors:
        rows.append(engine_row(args))
    if "predict" in doors:
        rows.append(predict_row(args))
    if "folder" in doors:
        options = ["--engine", args.engine, "--weights", Path(args.weights).resolve()]
        rows.append(folder_row(args, "folder", ROOT, options))
    if args.baseline:
        rows.append(folder_row(args, "baseline", args.baseline, ["-w", "weights"]))
    for name, door in (("request", ask), ("api", ask_gradio)):
        for clients in map(int, args.clients.split(",")):
            if name in doors:
                rows.append(door_row(args, name, door, clients))
    columns = ("door", "clients", "films/s", "median, ms", "95 %, ms")
    memory = ("memory early, MiB", "at the end, MiB", "answers")
    print(f"{args.engine}, films of {args.side} x {args.side} pixels:\n")
    table((*columns, *memory), [row.cells() for row in rows])
    print()
    ratios({(row.door, row.clients): row for row in rows})


@dataclasses.dataclass
class Row:
    """What one door gave; None is not measured."""

    door: str
    clients: int
    rate: float
    times: list[float] | None = None  # ms
    early: float | None = None  # MiB
    late: float | None = None
    answers: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )

    def cells(self) -> tuple:
        """As the table shows it."""
        times = ("", "")
        if self.times:
            times = (
                f"{np.median(self.times):.0f}",
                f"{np.percentile(self.times, 95):.0f}",
            )
        sizes = (
            "" if size is None else f"{size:.0f}" for size in (self.early, self.late)
        )
        said = ", ".join(f"{count} {code}" for code, count in self.answers.items())
        return self.door, self.clients, f"{self.rate:.1f}", *times, *sizes, said


def ratios(rows: dict[tuple[str, int], Row]) -> None:
    """Prints what the doors are to each other, as far as they were measured."""
    cores = len(os.sched_getaffinity(0))
    rates = (
        ("folder", cores, "engine", cores),
        ("folder", cores, "baseline", cores),
        ("request", 40, "folder", cores),
    )
    for door, clients, other, others in rates:
        if {(door, clients), (other, others)} <= rows.keys():
            ratio = rows[door, clients].rate / rows[other, others].rate
            print(f"{door}, {clients}: {ratio:.2f} times the rate of {other}")
    if {("request", 1), ("predict", 1)} <= rows.keys():
        one, direct = (np.median(rows[d, 1].times) for d in ("request", "predict"))
        print(f"request, 1: {one / direct:.2f} times the time of predict")
    for row in rows.values():
        if row.early:
            growth = row.late / row.early - 1
            print(
                f"{row.door}, {row.clients}: memory {growth:+.1%} from early to the end"
            )


def engine_row(args: argparse.Namespace) -> Row:
    cores = len(os.sched_getaffinity(0))
    classifier = FractureClassifier.from_pretrained(args.weights, 1, args.engine, cores)
    pixels = read_radiograph(films(1, args.side)[0]).pixels
    square = make_squares([pixels], classifier.config.image_size)
    count = max(20, args.films)
    with ThreadPoolExecutor(cores) as pool:
        list(pool.map(classifier.run_squares, [square] * 4 * cores))
        start = time.perf_counter()
        list(pool.map(classifier.run_squares, [square] * count))
    return Row("engine", cores, count / (time.perf_counter() - start))


def predict_row(args: argparse.Namespace) -> Row:
    classifier = FractureClassifier.from_pretrained(args.weights, engine=args.engine)
    sent = itertools.cycle(films(20, args.side))
    times = durations(lambda: classifier.predict(next(sent)).to_dict(), 40)
    return Row("predict", 1, 1000 / np.mean(times), times)


def folder_row(
    args: argparse.Namespace, door: str, root: Path, options: list[str | Path]
) -> Row:
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place) / "films", Path(place) / "rows.jsonl"
        write_films(folder, args.films, args.side)
        command = [sys.executable, "-m", "fracture", "predict", folder, "-o", out]
        command += options
        start, most = time.perf_counter(), 0.0
        with subprocess.Popen(command, cwd=root) as process:
            while process.poll() is None:
                most = max(most, megabytes(process.pid))
                time.sleep(0.5)
        rate = args.films / (time.perf_counter() - start)
        codes = collections.Counter(
            json.loads(line).get("error_code", "ok") for line in out.open()
        )
    cores = len(os.sched_getaffinity(0))
    return Row(door, cores, rate, late=most, answers=codes)


def door_row(
    args: argparse.Namespace,
    name: str,
    door: Callable[[httpx.Client, bytes], str],
    clients: int,
) -> Row:
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
    rate = answers["ok"] / args.seconds
    return Row(name, clients, rate, times, early, late, answers)


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
