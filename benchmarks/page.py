"""How long a film takes on the page that needs no server, and what many leave behind.

    python benchmarks/page.py [--weights weights] [--films 100]

Serves what `fracture site` writes to a fresh Chromium and drops JPEGs of 1,000 pixels.
Takes the time from the first request until the first film's finding and pictures are
painted, that of a second visit, and of the films that follow; then the memory of
Chromium after the tenth film and after the last, with its caches and without.
`npm ci && npm run build` in `web/` comes first.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from browser import DROP
from chromium import launch
from common import films, megabytes, middle, table
from static_host import host

from fracture.publishing.site import write_site

ROOT = Path(__file__).parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", default="weights")
    parser.add_argument("--films", type=int, default=100)
    args = parser.parse_args()
    made = films(args.films, 1000)
    rows = []
    with (
        tempfile.TemporaryDirectory() as folder,
        host(Path(folder)) as server,
        launch() as browser,
    ):
        write_site(ROOT, args.weights, folder)
        context = browser.new_context()
        page = context.new_page()

        def drop(number: int) -> float:
            return page.evaluate(DROP, [f"film-{number}.jpg", list(made[number])])

        for visit in ("first visit", "second visit"):
            begun, before = time.perf_counter(), server.sent
            page.goto(server.url)
            page.wait_for_selector("html[data-ready]")
            drop(0)
            seconds = time.perf_counter() - begun
            rows.append((f"{visit} to first answer", f"{seconds:.1f} s"))
            rows.append((f"{visit}, files", f"{(server.sent - before) / 1e6:.1f} MB"))
        times = []
        for number in range(1, args.films):
            times.append(drop(number))
            if number in (9, args.films - 1):
                after = f"memory after {number + 1} films"
                rows.append((after, f"{megabytes(os.getpid()):.0f} MiB"))
                give_back(page)
                rows.append(
                    (f"{after}, without caches", f"{megabytes(os.getpid()):.0f} MiB")
                )
        median, slow = middle(times).split(" | ")
        threads = "isolated" if page.evaluate("crossOriginIsolated") else "one thread"
        rows.append((f"later films, median ({threads})", f"{median} ms"))
        rows.append(("later films, 95 %", f"{slow} ms"))
    table(("what", "measured"), rows)


def give_back(page) -> None:
    """Has the browser drop what it may: garbage, and pictures it keeps decoded."""
    devtools = page.context.new_cdp_session(page)
    devtools.send("HeapProfiler.collectGarbage")
    devtools.send("Memory.simulatePressureNotification", {"level": "critical"})
    page.wait_for_timeout(2000)


if __name__ == "__main__":
    main()
