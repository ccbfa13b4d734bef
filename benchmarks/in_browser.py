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

from chromium import launch
from common import durations, films, middle, table
from static_files import ISOLATED, serve_files

from fracture import FractureClassifier

ROOT = Path(__file__).parents[1]
# Milliseconds until the classifier is ready, of the first film, and of each later one.
TIMES = """async ([films, threads]) => {
  const begun = performance.now();
  const { FractureClassifier } = await import("/lib/index.js");
  const classifier = await FractureClassifier.load("/weights", { threads });
  const ready = performance.now() - begun;
  const times = [];
  for (const text of films) {
    const file = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const start = performance.now();
    (await classifier.predict(file)).toDict();
    times.push(performance.now() - start);
  }
  return [ready, times];
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
    rows = []
    for threads in (1, 2):
        with serve_files(folders, headers=ISOLATED) as url, launch() as browser:
            page = browser.new_page()
            page.goto(url)
            coded = [base64.b64encode(film).decode() for film in made]
            ready, (first, *later) = page.evaluate(TIMES, [coded, threads])
        rows.append(
            (f"Chromium, {threads}", f"{ready:.0f}", f"{first:.0f}", middle(later))
        )
        classifier = FractureClassifier.from_pretrained(args.weights, threads)
        turns = iter(made * 2)
        times = durations(
            lambda: json.dumps(classifier.predict(next(turns)).to_dict()),  # noqa: B023
            len(made) - 1,
            1,
        )
        rows.append((f"Python, {threads}", "", "", middle(times)))
    table(
        ("where, threads", "ready, ms", "first, ms", "later, ms", "95 %"),
        [(*row[:3], *row[3].split(" | ")) for row in rows],
    )


if __name__ == "__main__":
    main()
