"""How long a film takes in the browser, and what two batches leave in memory.

    python benchmarks/browser.py [--films 200]

Drops a 1,000 px JPEG on the page in Chromium, and takes the time from the drop until
the finding and both pictures are painted. Then sends the same batch of films through
the Batch tab twice, and reads the server's resident memory before and after each.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import statistics
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from chromium import launch, visit
from PIL import Image

from fracture.data.phantom import draw_phantom

ROOT = Path(__file__).parents[1]
PORT = 7964
# From the drop until the frame after the pictures of this film are decoded.
DROP = """([name, bytes]) => new Promise((resolve) => {
  const data = new DataTransfer();
  data.items.add(new File([Uint8Array.from(bytes)], name, { type: "image/jpeg" }));
  const begun = performance.now();
  const painted = () => resolve(performance.now() - begun);
  const watch = new MutationObserver(async () => {
    const result = document.querySelector(".block.result");
    const caption = result.querySelector(".caption")?.textContent;
    if (!caption?.includes(name)) return;
    watch.disconnect();
    const pictures = [...result.querySelectorAll(".stage img:not([hidden])")];
    await Promise.all(pictures.map((picture) => picture.decode()));
    requestAnimationFrame(() => requestAnimationFrame(painted));
  });
  watch.observe(document.body, { childList: true, subtree: true });
  document.querySelector("h1").dispatchEvent(
    new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: data }));
})"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--films", type=int, default=200)
    parser.add_argument("--repeats", type=int, default=15)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        films = draw_films(folder, args.films)
        with (
            serve(folder / "uploads") as (url, pid),
            launch() as browser,
            visit(browser, url) as page,
        ):
            times = []
            for number in range(args.repeats + 1):
                sent = list(films[number % len(films)].read_bytes())
                times.append(page.evaluate(DROP, [f"dropped-{number}.jpg", sent]))
            print(f"first dropped film        {times[0]:8.0f} ms")
            print(f"further ones, median      {statistics.median(times[1:]):8.0f} ms")
            print(f"further ones, slowest     {max(times[1:]):8.0f} ms")
            page.get_by_role("tab", name="Batch").click()
            print(f"server before the batches {resident(pid):8.0f} MB")
            for number in (1, 2):
                run_batch(page, films)
                print(
                    f"after batch {number}, {len(films)} films {resident(pid):8.0f} MB"
                )


@contextlib.contextmanager
def serve(uploads: Path) -> Iterator[tuple[str, int]]:
    """The app in a process of its own: its address and its id."""
    variables = {"GRADIO_SERVER_PORT": str(PORT), "GRADIO_TEMP_DIR": str(uploads)}
    environment = {**os.environ, **variables}
    command = [sys.executable, "app.py"]
    server = subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{PORT}/"
    try:
        while server.poll() is None:
            with contextlib.suppress(OSError), urllib.request.urlopen(url):
                break
        yield url, server.pid
    finally:
        server.terminate()
        server.wait()


def draw_films(folder: Path, count: int) -> list[Path]:
    """Phantoms of 1,000 pixels as JPEG."""
    films = []
    for number in range(count):
        label = ("normal", "hairline", "displaced")[number % 3]
        # A few drawings, each in several qualities: as many different files.
        pixels = draw_phantom(label, number % 12, (1000, 800)).pixels
        films.append(folder / f"film-{number:03}.jpg")
        Image.fromarray(pixels).save(films[-1], quality=80 + number // 12)
    return films


def run_batch(page, films: list[Path]) -> None:
    page.locator("[role=tabpanel]:visible .drop input").set_input_files(films)
    done = page.get_by_text(f"0 of {len(films)} films", exact=True)
    done.wait_for(timeout=120_000)
    done = page.get_by_text(f"{len(films)} of {len(films)} films", exact=True)
    done.wait_for(timeout=600_000)


def resident(pid: int) -> float:
    """Megabytes of a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
