"""Pictures that are no limb radiograph, to measure what the classifier refuses.

Two kinds are cut from pictures that installed packages carry, the others are drawn, so
nothing is shipped or downloaded. No network is trained on them; what reads novelty out
of its features is fitted on some and measured on others.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import cache
from pathlib import Path

import joblib
import numpy as np
from numpy import ndarray
from numpy.random import Generator, default_rng
from PIL import Image, ImageDraw, ImageFont
from tqdm import tqdm

from fracture.data.chest_phantom import clouds, draw_chest
from fracture.radiograph import read_radiograph

# Files that packages carry: photographs; CT, MR, ultrasound.
_CARRIED = {
    "photograph": (
        "gradio/media_assets/images/*.jp*g",
        "matplotlib/mpl-data/sample_data/*.jpg",
        "pywt/data/[ac]*.npz",
        "sklearn/datasets/images/*.jpg",
    ),
    "scan": (
        "pydicom/data/test_files/*_small.dcm",
        "pydicom/data/test_files/693_J2KI.dcm",
        "pydicom/data/test_files/examples_[or][vg]*.dcm",
    ),
}
_FACES = ("DejaVuSans.ttf", "DejaVuSansMono.ttf", "STIXGeneral.ttf", "cmr10.ttf")
_TEXT = """the patient was seen on Monday with pain after fall Name Date return self
    None import for 12.5 0.97 1,048 file Edit View Hilfe über Grüße = ( ) { } # https://"""
_WORDS = np.array(_TEXT.split())


def non_radiographs(
    per_kind: int, seed: int, jobs: int = 1
) -> dict[str, list[ndarray]]:
    """Draws or cuts pictures of every kind that can be had here.

    The same arguments and packages always give the same pixels, and a larger
    `per_kind` goes on where a smaller one stops.

    Args:
        per_kind: pictures of each kind.
        seed: of the first of each kind; the next draw on from it.
        jobs: processes that draw, the same pixels however many; -1 for all cores.

    Returns:
        Kind -> `per_kind` uint8 `(height, width)` pictures: "chest", "blank", "noise",
        "screenshot", "chart", "photograph" and, where pydicom is installed, "scan".
    """
    kinds = [*_DRAWN, *(kind for kind in _CARRIED if _carried(kind))]
    tasks = [(kind, seed, index) for kind in kinds for index in range(per_kind)]
    # Processes that start afresh: a fork of one that trained could hang.
    pool = joblib.Parallel(jobs, return_as="generator")
    drawn = pool(joblib.delayed(_make)(*task) for task in tasks)
    bar = tqdm(drawn, "drawing non-radiographs", len(tasks), unit="picture")
    pictures: dict[str, list[ndarray]] = {kind: [] for kind in kinds}
    for (kind, *_), picture in zip(tasks, bar, strict=True):
        pictures[kind].append(picture)
    return pictures


def _make(kind: str, seed: int, index: int) -> ndarray:
    rng = default_rng([seed, index, *kind.encode()])
    return _DRAWN[kind](rng) if kind in _DRAWN else _crop(rng, _carried(kind))


@cache
def _carried(kind: str) -> tuple[ndarray, ...]:
    """Grey pictures that installed packages carry; () without the packages."""
    pictures = []
    for pattern in _CARRIED[kind]:
        package, _, inside = pattern.partition("/")
        spec = importlib.util.find_spec(package)
        for file in sorted(Path(spec.origin).parent.glob(inside)) if spec else ():
            if file.suffix == ".dcm":  # as exported: of a scan's DICOM no film is made
                source = importlib.import_module(package).dcmread(file).pixel_array
            else:
                source = np.load(file)["data"] if file.suffix == ".npz" else file
            pictures.append(read_radiograph(source).pixels)
    return tuple(pictures)


def _crop(rng: Generator, pictures: tuple[ndarray, ...]) -> ndarray:
    """A part of a picture, at least 200 pixels a side, turned, zoomed, reprinted."""
    whole = Image.fromarray(pictures[rng.integers(len(pictures))])
    grow = max(1, 400 / min(whole.size)) * rng.uniform(1, 2)
    whole = whole.resize([round(grow * n) for n in whole.size])
    whole = whole.rotate(90 * rng.integers(4), expand=True)
    whole = whole.rotate(rng.choice([0, rng.normal(0, 10)]), Image.Resampling.BICUBIC)
    shape = np.array(whole.size) * rng.uniform(0.51, 0.85, 2)  # clear of black corners
    corner = (whole.size - shape) * rng.uniform(0.4, 0.6, 2)
    grey = np.float32(whole.crop([*map(round, (*corner, *(corner + shape)))])) / 255
    return _levels(grey[:, :: rng.choice([-1, 1])] ** rng.uniform(0.7, 1.4))


def _levels(grey: ndarray) -> ndarray:
    return (255 * np.clip(grey, 0, 1) + 0.5).astype(np.uint8)


def _blank(rng: Generator) -> ndarray:
    """An even field, a slope, a vignette or a collimated nothing; grainy or clean."""
    size, way = rng.integers(320, 1100, 2), rng.integers(4)
    level = rng.choice([0, 1, *rng.random(4)])
    x, y = np.linspace(-1, 1, size[1]), np.linspace(-1, 1, size[0])[:, None]
    a, b, tilt = rng.uniform(-0.5, 0.5, 3)
    edge = np.maximum(
        abs(x - 0.2 * tilt * y) - abs(a), abs(y + 0.2 * tilt * x) - abs(b)
    )
    hole = np.where(edge < 0.4, rng.random(), rng.choice([0, 0.03, 1])) - level
    fields = (0 * x * y, a * x + b * y, a * ((x - b) ** 2 + (y - tilt) ** 2), hole)
    grain = rng.choice([0, 0, 0.005, 0.02])
    return _levels(level + fields[way] + grain * rng.standard_normal(size))


def _noise(rng: Generator) -> ndarray:
    """White, Gaussian, salt and pepper, coarse grains, clouds or interference."""
    size, way = rng.integers(320, 1100, 2), rng.integers(6)
    dice, level, depth = rng.random(size), *rng.uniform((0.1, 0.05), (0.9, 0.5))
    if way == 2:
        return _levels(np.where(dice < depth, dice < depth / 2, level))
    if way == 3:
        few = rng.random([round(n / rng.uniform(2, 24)) for n in size])
        grains = Image.fromarray(_levels(level + depth * (2 * few - 1)))
        return np.array(grains.resize(size[::-1], rng.choice([0, 2, 3])))
    if way < 2:
        return _levels(dice if way else level + depth * rng.standard_normal(size))
    y, x = np.ogrid[: size[0], : size[1]]
    waves = 2 * np.sin(rng.uniform(0.02, 1) * y + rng.uniform(-1, 1) * x) * (way == 5)
    return _levels(level + depth * (waves + clouds(rng, size, rng.integers(1, 7))))


def _page(rng: Generator) -> tuple[Image.Image, ImageDraw.ImageDraw, int, int]:
    """An empty light or dark page, its pen, the ink and a shade of the paper."""
    paper, ink = rng.uniform((200, 0), (255, 90)).astype(int).tolist()
    paper, ink = (255 - paper, 255 - ink) if rng.random() < 0.4 else (paper, ink)
    page = Image.new("L", (*rng.integers(320, 1100, 2),), paper)
    return page, ImageDraw.Draw(page), ink, (3 * paper + ink) // 4


def _font(rng: Generator, size: float) -> ImageFont.FreeTypeFont:
    folder = Path(importlib.util.find_spec("matplotlib").origin).parent
    return ImageFont.truetype(folder / f"mpl-data/fonts/ttf/{rng.choice(_FACES)}", size)


def _words(rng: Generator, count: float) -> str:
    return " ".join(rng.choice(_WORDS, 1 + int(count)))


def _write(rng: Generator, page: Image.Image, box: tuple, ink: int) -> None:
    """Fills a box of the page with prose, code or a table."""
    part, size, way = page.crop(box), int(rng.integers(9, 26)), rng.integers(3)
    pen, font, columns = ImageDraw.Draw(part), _font(rng, size), rng.integers(2, 7)
    for y in np.arange(4, part.height - size, size * rng.uniform(1.15, 1.8)):
        for x in np.linspace(0, part.width, columns, endpoint=False) * (way == 2):
            pen.text((x + 6, y), _words(rng, 0), ink, font)
            pen.line([(x, part.height), (x, y), (part.width, y)], ink)
        if way < 2 and rng.random() < 0.9:
            indent = 6 + way * 2 * size * rng.integers(5)
            room = part.width / size / 2.5 * (rng.random() if way else 1)
            pen.text((indent, y), _words(rng, room), ink, font)
    page.paste(part, box)


def _screenshot(rng: Generator) -> ndarray:
    """A page of text with a heading, or a window with bars, fields and buttons."""
    page, pen, ink, shade = _page(rng)
    (width, height), edge = page.size, int(rng.integers(18, 60))
    left, right = edge, width - edge
    if rng.random() < 0.6:
        left, right = int(rng.choice([0, width // 5])), width
        pen.rectangle((0, 0, width, 1.5 * edge), shade)
        pen.rectangle((0, 0, left, height), shade)
        _write(rng, page, (0, 2 * edge, left, height), ink)
    pen.text((edge, edge / 4), _words(rng, 3), ink, _font(rng, edge / 2))
    split = int(rng.choice([right, (left + right) // 2]))
    _write(rng, page, (left, 2 * edge, split, height), ink)
    _write(rng, page, (split, 2 * edge, right, height), ink)
    for x, y in rng.uniform(0.1, 0.8, (rng.choice([0, 5]), 2)) * page.size:
        pen.rounded_rectangle((x, y, x + 120, y + 30), 6, shade, ink)
        pen.text((x + 8, y + 6), _words(rng, 0), ink, _font(rng, 15))
    return np.array(page)


def _chart(rng: Generator) -> ndarray:
    """Curves, bars or dots upon a ruled sheet with numbers."""
    page, pen, ink, shade = _page(rng)
    way, font, x = rng.integers(3), _font(rng, 15), np.linspace(50, page.width - 20, 40)
    for k, y in enumerate(np.linspace(30, page.height - 30, 6)):
        pen.line([(50, y), (page.width, y)], shade)
        pen.text((10, y - 8), f"{10 - k:.1f}", ink, font)
    for tone in rng.integers(256, size=rng.integers(1, 5)).tolist():
        walk = rng.standard_normal(len(x)).cumsum()
        y = 30 + (page.height - 60) * (walk - walk.min()) / np.ptp(walk)
        if way == 0:
            pen.line([*zip(x, y, strict=True)], tone, int(rng.integers(1, 6)))
        for a, b in zip(x, y, strict=True) if way else ():
            end = (a + 9, max(b, page.height - 30) if way == 1 else b + 9)
            (pen.rectangle if way == 1 else pen.ellipse)(((a, b), end), tone)
    return np.array(page)


_DRAWN: dict[str, Callable[[Generator], ndarray]] = {
    "chest": draw_chest,
    "blank": _blank,
    "noise": _noise,
    "screenshot": _screenshot,
    "chart": _chart,
}
