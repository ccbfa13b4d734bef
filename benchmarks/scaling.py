"""How the rate grows with Ray workers of one core each, and what a killed one costs.

    python benchmarks/scaling.py [--films 400] [--workers 1,2,4] [--side 1000]

Ray is told of as many cores as there are workers, whatever the machine has: beyond its
cores it can only stand still. The clock runs from the first answer to the last. In the
last row a worker is killed by SIGKILL after a third of the films.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from common import table, write_films

from fracture import FractureClassifier
from fracture.commands.bulk.cluster import Judging, judged


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="weights")
    parser.add_argument("--engine", default="onnxruntime")
    parser.add_argument("--films", type=int, default=400)
    parser.add_argument("--side", type=int, default=1000, help="of a film, pixels")
    parser.add_argument("--workers", default="1,2,4", help="numbers of them")
    args = parser.parse_args()
    classifier = FractureClassifier.from_pretrained(args.weights, 1, args.engine)
    judging = Judging.like(classifier, 10, 1024)
    counts = [int(count) for count in args.workers.split(",")]
    with tempfile.TemporaryDirectory() as folder:
        write_films(Path(folder), args.films, args.side)
        films = sorted(map(str, Path(folder).iterdir()))
        runs = [(count, *run(films, judging, count)) for count in counts]
        killed = run(films, judging, counts[-1], kill=True)
    base = runs[0][1]
    rows = [(n, f"{rate:.1f}", f"{rate / base:.2f}", once) for n, rate, once in runs]
    rate, once = killed
    rows.append(
        (f"{counts[-1]}, one killed", f"{rate:.1f}", f"{rate / base:.2f}", once)
    )
    table(("workers", "films/s", "times one worker", "every film once"), rows)


def run(
    films: Sequence[str], judging: Judging, workers: int, kill: bool = False
) -> tuple[float, str]:
    """Films a second, and whether every film has one answer."""
    names = []
    with judged(films, judging, "local", workers, least=workers) as answers:
        names.append(next(answers)["name"])
        start = time.perf_counter()
        for answer in answers:
            names.append(answer["name"])
            if kill and len(names) > len(films) / 3:
                os.kill(a_judge(), signal.SIGKILL)
                kill = False
        seconds = time.perf_counter() - start
    return (len(films) - 1) / seconds, "yes" if names == list(films) else "no"


def a_judge() -> int:
    """A worker of this machine's cluster."""
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            name = line.read_text()
        except OSError:
            continue
        if name.startswith("ray::") and "Judge" in name:
            return int(line.parent.name)
    raise SystemExit("no worker was found")


if __name__ == "__main__":
    main()
