"""How long a film takes in the visitor's browser, beside Python.

    python benchmarks/in_browser.py [--weights weights] [--side 1000] [--films 20]

The same JPEGs go through `FractureClassifier.predict` of both, from their bytes to the
answer: here in Chromium, which runs the network in WebAssembly, and in Python. Threads
need a page that is cross-origin isolated, so each number of them has a page of its own.
`npm ci && npm run build` in `web/` comes first.
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

import numpy as np
from chromium import launch
from common import durations, films, middle, table
from static_host import ISOLATED, host

from fracture import FractureClassifier

ROOT = Path(__file__).parents[1]
# Milliseconds until the classifier is ready.
LOAD = """async (threads) => {
  const begun = performance.now();
  const { FractureClassifier } = await import("/lib/index.js");
  window.classifier = await FractureClassifier.load("/weights", { threads });
  return performance.now() - begun;
}"""
# Milliseconds of a film.
PREDICT = """async (text) => {
  const file = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const begun = performance.now();
  (await window.classifier.predict(file)).toDict();
  return performance.now() - begun;
}"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, default=ROOT / "weights")
    parser.add_argument("--side", type=int, default=1000, help="of a film, pixels")
    parser.add_argument("--films", type=int, default=20)
    args = parser.parse_args()
    made = films(args.films, args.side)
    folders = {"lib": ROOT / "web" / "lib", "weights": args.weights}
    rows, ratios = [], []
    for threads in (1, 2):
        classifier = FractureClassifier.from_pretrained(args.weights, threads)
        here, there = [], []
        with host(folders, headers=ISOLATED) as server, launch() as browser:
            page = browser.new_page()
            page.goto(server.url)
            ready = page.evaluate(LOAD, threads)
            for film in made:  # they take turns, so that both have the same machine
                coded = base64.b64encode(film).decode()
                there.append(page.evaluate(PREDICT, coded))
                here += durations(
                    lambda: json.dumps(classifier.predict(film).to_dict()),  # noqa: B023
                    1,
                    warm_up=0,
                )
        first, *later = there
        name = f"Chromium, {threads}"
        rows.append((name, f"{ready:.0f}", f"{first:.0f}", middle(later)))
        rows.append((f"Python, {threads}", "", "", middle(here[1:])))
        ratio = np.median(later) / np.median(here[1:])
        ratios.append(f"Chromium takes {ratio:.1f} times as long, {threads} thread(s)")
    table(
        ("where, threads", "ready, ms", "first, ms", "later, ms", "95 %"),
        [(*row[:3], *row[3].split(" | ")) for row in rows],
    )
    print("", *ratios, sep="\n")


if __name__ == "__main__":
    main()
