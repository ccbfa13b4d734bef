"""What the timed benchmarks share: films, statistics, one way to print a table."""

from __future__ import annotations

import importlib.metadata
import io
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import threadpoolctl
from PIL import Image

from fracture.data.phantom import draw_phantom

threadpoolctl.threadpool_limits(1, "blas")  # as fracture/__main__.py has it
ROOT = Path(__file__).parents[1]
PACKAGES = ("numpy", "pillow", "onnxruntime", "openvino", "keras", "gradio", "ray")


def films(count: int, side: int) -> list[bytes]:
    """JPEG files of so many different phantoms, `side` pixels high and wide."""
    drawn = [
        draw_phantom(label, seed, (side, side)).pixels
        for label in ("normal", "hairline", "displaced")
        for seed in (1, 2)
    ]
    return [_jpeg(np.roll(drawn[i % len(drawn)], i, axis=0)) for i in range(count)]


def _jpeg(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=90)
    return stream.getvalue()


def write_films(folder: Path, count: int, side: int) -> None:
    """The same as files of a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, film in enumerate(films(count, side)):
        (folder / f"{number:05d}.jpg").write_bytes(film)


def durations(
    work: Callable[[], object], repeats: int, warm_up: int = 3
) -> list[float]:
    """How long it takes each time, milliseconds."""
    for _ in range(warm_up):
        work()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - start))
    return found


def middle(values: Sequence[float]) -> str:
    """Median and 95th percentile."""
    return f"{np.median(values):.1f} | {np.percentile(values, 95):.1f}"


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Prints a table in Markdown."""
    print("| " + " | ".join(columns) + " |")
    print("|" + "---|" * len(columns))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


def megabytes(process: int) -> float:
    """Memory that a process and its children hold, MiB (proportional set size)."""
    total = 0
    for pid in (process, *_children(process)):
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:  # it has just ended
            continue
        total += next(int(x.split()[1]) for x in text.splitlines() if x[:4] == "Pss:")
    return total / 1024


def _children(process: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{process}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            found += [child, *_children(child)]
    return found


def machine() -> str:
    """Processor, cores, load and versions, in a sentence."""
    name = platform.processor() or platform.machine()
    if (info := Path("/proc/cpuinfo")).is_file():
        lines = info.read_text().splitlines()
        name = next((x.partition(": ")[2] for x in lines if "model name" in x), name)
    versions = []
    for package in PACKAGES:
        try:
            versions.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    load = os.getloadavg()[0]
    python = platform.python_version()
    return (
        f"{name}, {len(os.sched_getaffinity(0))} cores, load {load:.1f} at the start; "
        f"Python {python}, {', '.join(versions)}"
    )
