"""What the DICOM node loses, how fast it is, and what memory it takes.

    python benchmarks/node.py faults [--films 500] [--stops 2] [--kills 3]
    python benchmarks/node.py speed [--films 200]
    python benchmarks/node.py memory [--films 1000]

`faults` sends films while the PACS is stopped and the node is killed with SIGKILL at
random moments, and counts what the PACS has in the end: each result once, or exit code
1. `speed` compares the rate of the node, from the first film sent to the last result
stored, with that of `FractureClassifier.predict` and of `fracture predict` on the same
files. `memory` samples the resident memory of the node and its readers. Modality and
PACS are pynetdicom's, in this process; films are the examples, or those of --pictures.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "deploy"))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from node_films import FakePacs, free_port, send
from pydicom import Dataset
from pydicom.uid import generate_uid
from send_sample import film

from fracture import FractureClassifier
from fracture.node.results.instance import result_uid

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.png"))
_AT_ONCE = 20  # films of one association


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("faults", "speed", "memory"))
    parser.add_argument("--films", type=int)
    parser.add_argument("--stops", type=int, default=2, help="of the PACS")
    parser.add_argument("--kills", type=int, default=3, help="of the node")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--weights", default=str(ROOT / "weights"))
    parser.add_argument("--pictures", type=Path, help="folder, for real films")
    args = parser.parse_args()
    defaults = {"faults": 500, "speed": 200, "memory": 1000}
    args.films = args.films or defaults[args.what]
    with tempfile.TemporaryDirectory() as folder, FakePacs() as pacs:
        bench = Bench(args, Path(folder), pacs)
        sys.exit({"faults": faults, "speed": speed, "memory": memory}[args.what](bench))


class Bench:
    """A node in a process of its own between a modality and a PACS."""

    def __init__(self, args: argparse.Namespace, folder: Path, pacs: FakePacs):
        self.args, self.folder, self.pacs = args, folder, pacs
        self.port, self.random = free_port(), random.Random(args.seed)
        self.pictures = EXAMPLES
        if args.pictures:
            names = ("*.png", "*.jpg", "*.jpeg")
            found = [path for name in names for path in args.pictures.rglob(name)]
            self.pictures = sorted(found)
        self.process: subprocess.Popen | None = None
        self.command = [sys.executable, "-m", "fracture", "node"]
        self.command += ["--port", str(self.port), "--metrics-port", "0"]
        self.command += ["--to", f"PACS@127.0.0.1:{pacs.port}", "-w", args.weights]
        self.command += ["--spool", str(folder / "spool")]

    def film(self, number: int) -> Dataset:
        """Each of a study of its own."""
        picture = self.pictures[number % len(self.pictures)]
        return film(picture, generate_uid(), 1)

    def start(self) -> None:
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                self.command, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT
            )
        self.wait(lambda: send(self.port) == [0], 120)

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(60)

    def wait(self, found, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while not found():
            if time.monotonic() > deadline:
                log = (self.folder / "log").read_text()
                sys.exit(f"waited {seconds:.0f} s in vain; the log ends\n{log[-2000:]}")
            time.sleep(0.05)

    def send(self, films: list[Dataset]) -> int:
        """Sends films as a modality does, again where it has to; returns how often."""
        retries = 0
        while films:
            statuses: list[int | None] = []
            with contextlib.suppress(RuntimeError):  # the node was killed meanwhile
                statuses = send(self.port, *films[:_AT_ONCE])
            sent = {id(f) for f, s in zip(films, statuses, strict=False) if s == 0}
            films = [made for made in films if id(made) not in sent]
            if not sent:
                retries += 1
                time.sleep(0.5)
        return retries

    def films_with_results(self) -> int:
        """Films whose report and picture the PACS has: those of a study come later."""
        kinds = [sent[0].Modality for sent in list(self.pacs.taken.values()) if sent]
        return min(kinds.count("SR"), kinds.count("OT"))


def faults(bench: Bench) -> int:
    """Everything arrives once, whatever dies meanwhile."""
    args, pacs = bench.args, bench.pacs
    films = [bench.film(number) for number in range(args.films)]
    version = FractureClassifier.from_pretrained(args.weights).config.model_version
    wanted = {
        result_uid(made.SOPInstanceUID, version, kind)
        for made in films
        for kind in ("sr", "sc")
    }
    bench.start()
    sender = threading.Thread(target=bench.send, args=(films,), daemon=True)
    sender.start()
    events = ["kill"] * args.kills + ["stop"] * args.stops
    bench.random.shuffle(events)
    for number, event in enumerate(events, 1):
        share = number / (len(events) + 1) * len(films)
        bench.wait(lambda share=share: bench.films_with_results() >= share, 3600)
        print(f"after {bench.films_with_results()} films: {event}", flush=True)
        if event == "kill":
            time.sleep(bench.random.random())
            bench.stop(signal.SIGKILL)
            bench.start()
        else:
            pacs.stop()
            time.sleep(5)
            pacs.start()
    bench.wait(lambda: pacs.taken.keys() >= wanted, 3600)
    sender.join()
    time.sleep(3)
    bench.stop()
    films_results = {uid: sent for uid, sent in pacs.taken.items() if uid in wanted}
    others = len(pacs.taken) - len(films_results)
    again = sum(len(sent) - 1 for sent in films_results.values())
    differ = sum(any(one != sent[0] for one in sent) for sent in films_results.values())
    lost = len(wanted) - len(films_results)
    print(f"{len(films)} films, {len(films_results)} results, {lost} lost")
    print(f"{others} reports of studies; {again} objects sent again under their UID")
    print(f"{differ} of them with another content")
    return int(bool(lost or differ))


def speed(bench: Bench) -> int:
    """The node's rate, and that of predicting alone, films a second."""
    args = bench.args
    films = [bench.film(number) for number in range(args.films)]
    folder = bench.folder / "films"
    folder.mkdir()
    paths = [folder / f"{number:05d}.dcm" for number in range(args.films)]
    for made, path in zip(films, paths, strict=True):
        made.save_as(path, enforce_file_format=True)
    classifier = FractureClassifier.from_pretrained(args.weights)
    classifier.predict(paths[0])
    start = time.perf_counter()
    for path in paths:
        classifier.predict(path).to_dict()
    alone = args.films / (time.perf_counter() - start)
    command = [sys.executable, "-m", "fracture", "predict", str(folder)]
    command += ["-o", str(bench.folder / "answers.csv"), "-w", args.weights]
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True)
    batch = args.films / (time.perf_counter() - start)
    bench.start()
    start = time.perf_counter()
    threading.Thread(target=bench.send, args=(films,), daemon=True).start()
    bench.wait(lambda: bench.films_with_results() >= args.films, 3600)
    node = args.films / (time.perf_counter() - start)
    bench.stop()
    print(f"FractureClassifier.predict, one after the other  {alone:6.2f} films/s")
    print(f"fracture predict, {os.cpu_count()} at once, start included   {batch:6.2f}")
    print(f"node, until the PACS has report and picture      {node:6.2f}")
    print(f"node / FractureClassifier.predict                {node / alone:6.2f}")
    return 0


def memory(bench: Bench) -> int:
    """Resident MiB of the node and its readers, while films pass through."""
    args = bench.args
    bench.start()
    films = (bench.film(number) for number in range(args.films))
    samples = []
    for number, batch in enumerate(_batches(films, _AT_ONCE), 1):
        bench.send(batch)
        # The PACS of this process would keep them all.
        done = min(number * _AT_ONCE, args.films)
        bench.wait(lambda done=done: bench.films_with_results() >= done, 600)
        for sent in list(bench.pacs.taken.values()):
            for result in sent:
                if "PixelData" in result:
                    del result.PixelData
        samples.append((done, _resident(bench.process.pid)))
        print(f"{samples[-1][0]:6} films  {samples[-1][1]:7.1f} MiB", flush=True)
    bench.stop()
    late = samples[len(samples) // 4 :]
    slope = np.polyfit(*zip(*late, strict=True), 1)[0] if len(late) > 1 else 0.0
    print(json.dumps({"mib_per_1000_films_after_a_quarter": round(1000 * slope, 2)}))
    return 0


def _batches(films: Iterator[Dataset], size: int) -> Iterator[list[Dataset]]:
    while batch := [made for _, made in zip(range(size), films, strict=False)]:
        yield batch


def _resident(process: int) -> float:
    """MiB of a process and its children (Linux)."""
    total = 0.0
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    for one in (process, *children):
        with contextlib.suppress(OSError):
            status = Path(f"/proc/{one}/status").read_text()
            kib = next(line for line in status.splitlines() if line[:6] == "VmRSS:")
            total += int(kib.split()[1]) / 1024
    return total


if __name__ == "__main__":
    main()
