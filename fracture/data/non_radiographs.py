"""Pictures that are no limb radiograph, to measure what the classifier refuses.

Two kinds are cut from pictures that installed packages carry, the others are drawn, so
nothing is shipped or downloaded. No network is trained on them; what reads novelty out
of its features is fitted on some and measured on others.
"""

from __future__ import annotations

import importlib.util
from functools import cache, partial
from pathlib import Path

import numpy as np
from numpy import ndarray
from numpy.random import Generator, default_rng
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from fracture.data.phantom import _film
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


def non_radiographs(per_kind: int, seed: int) -> dict[str, list[ndarray]]:
    """Draws or cuts pictures of every kind that can be had here.

    The same arguments and packages always give the same pixels, and a larger
    `per_kind` goes on where a smaller one stops.

    Returns:
        Kind -> `per_kind` uint8 `(height, width)` pictures: "chest", "blank", "noise",
        "screenshot", "chart", "photograph" and, where pydicom is installed, "scan".
    """
    drawn = (_chest, _blank, _noise, _screenshot, _chart)
    kinds = {draw.__name__[1:]: draw for draw in drawn}
    for kind, patterns in _CARRIED.items():
        if pictures := [p for pattern in patterns for p in _carried(pattern)]:
            kinds[kind] = partial(_crop, pictures=pictures)
    return {
        kind: [make(default_rng([seed, i, *kind.encode()])) for i in range(per_kind)]
        for kind, make in kinds.items()
    }


@cache
def _carried(pattern: str) -> tuple[ndarray, ...]:
    """Grey pictures that an installed package carries; () without the package."""
    package, _, inside = pattern.partition("/")
    spec, pictures = importlib.util.find_spec(package), []
    for file in sorted(Path(spec.origin).parent.glob(inside)) if spec else ():
        if file.suffix == ".dcm":  # as exported: of a scan's DICOM no film is made
            source = importlib.import_module(package).dcmread(file).pixel_array
        else:
            source = np.load(file)["data"] if file.suffix == ".npz" else file
        pictures.append(read_radiograph(source).pixels)
    return tuple(pictures)


def _crop(rng: Generator, pictures: list[ndarray]) -> ndarray:
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


def _clouds(rng: Generator, size: list[int], octaves: int) -> ndarray:
    """Smooth noise about zero: grids, each twice as fine and half as strong."""
    total, cells = np.zeros(size, np.float32), rng.integers(2, 9)
    for octave in range(octaves):
        grid = rng.standard_normal([cells * 2**octave] * 2, np.float32)
        smooth = Image.fromarray(grid).resize(size[::-1], Image.Resampling.BICUBIC)
        total += np.asarray(smooth) / 2**octave
    return total


def _step(depth: ndarray, edge: float = 0.02) -> ndarray:
    """0 outside, 1 inside, with a soft edge."""
    return 0.5 + 0.5 * np.tanh(depth / edge / 2)


def _chest(rng: Generator) -> ndarray:
    """A chest film from the front; one unit is half the width of the rib cage."""
    draw, bedside = rng.uniform, rng.random() < 0.4  # AP: wide heart, high diaphragm
    size = [round(draw(360, 700) * stretch) for stretch in (1, draw(0.8, 1.25))]
    unit = draw(0.44, 0.56) * min(size[1], 1.1 * size[0])
    turn = unit * np.exp(1j * rng.normal(0, 0.05))
    middle = complex(size[1] * draw(0.45, 0.55), size[0] * draw(0.44, 0.54))
    row, column = np.ogrid[: size[0], : size[1]]
    z = ((column + 1j * row - middle) / turn).astype(np.complex64)
    x, y, aside = z.real, z.imag, abs(z.real)

    def lines(paths: list[ndarray], width: float, blur: float = 0.01) -> ndarray:
        sheet, width = Image.new("L", size[::-1]), max(1, round(width * unit))
        for path in (path * turn + middle for path in paths):
            points = [*zip(path.real, path.imag, strict=True)]
            ImageDraw.Draw(sheet).line(points, 255, width, "curve")
        blurred = sheet.filter(ImageFilter.GaussianBlur(blur * unit))
        return np.asarray(blurred, np.float32) / 255

    def tubes(path: ndarray, width: float) -> ndarray:  # hollow bones of both sides
        pair = [path, -path.conj()]
        return lines(pair, width) - 0.55 * lines(pair, 0.6 * width)

    neck, slope, girth = draw((0.28, 0.05, 0.95), (0.4, 0.12, 1.2))
    half = neck + (girth - neck + 0.2 * _step(-y - 0.4)) * _step(y + 0.82, slope)
    absorbed = draw(1.5, 2.1) * np.sqrt(np.maximum(1 - (x / half) ** 2, 0)) ** 0.7
    absorbed *= 1 + 0.1 * _clouds(rng, size, 4)
    base, dome, apex = draw((0.3, 0.12, -0.85), (0.75, 0.3, -0.7)) - 0.15 * bedside
    over = base + 0.05 * (x > 0) - dome * (1 - ((aside - 0.42) / 0.45) ** 2) - y
    wide = 0.37 * np.sqrt(np.clip((y - apex) / (base - apex) * 1.3, 0, 1))
    lungs = _step(np.minimum(wide - abs(aside - 0.44 - 0.06 * y), over), 0.025)
    lungs *= np.where(x > 0, *draw(0.8, 1.2, 2))
    grown = draw(0.75, 1.1) + 0.2 * bedside
    beat = (z - complex(0.14, base - 0.35)) * np.exp(-1j * draw(0.4, 0.8)) / grown
    shade = _step(1 - np.hypot(beat.real / 0.45, beat.imag / 0.4), 0.05)
    shade = np.maximum(shade, _step(0.16 * grown - abs(x - 0.03), 0.03))
    shade = np.maximum(shade, _step(0.13 - abs(z - complex(0.14, -0.33))))
    bends = draw(-1.6, 1.6, (90, 1)) + rng.normal(0, 0.2, (90, 8)).cumsum(1)
    vessels = 0.2 - 0.08j + draw(0.02, 0.07, (90, 1)) * np.exp(1j * bends).cumsum(1)
    vessels[::2] = -vessels[::2].conj()
    twigs = sum(lines(vessels[i::3], 0.008 * (3 - i)) for i in range(3))
    air = lungs * (1 - draw(0.7, 1) * shade) * (1 - draw(0.1, 0.35) * twigs)
    absorbed *= 1 - draw(0.55, 0.75) * air * (1 - 0.1 * _clouds(rng, size, 5))
    gas = np.hypot(x - 0.5, 1.6 * (y - base - 0.1))
    absorbed -= draw(-0.3, 0.7) * _step(0.17 - gas)

    bone, gap, t = draw(0.2, 0.5), draw(0.12, 0.16), np.linspace(0, 1, 40)
    around = np.linspace(0.08, draw(2.2, 2.8), 40)
    for i in range(10):
        fall = gap * (i - 0.3) + 0.3 - (draw(0.3, 0.4) + 0.02 * i) * np.cos(around)
        rib = min(0.92, 0.5 + 0.12 * i) * np.sin(around) + 1j * (apex + fall)
        absorbed += bone * tubes(rib, 0.065) * (1 - 0.4 * _step(y - rib.imag[20], 0.05))
    collar = 0.1 + 0.85 * t + 1j * (apex + 0.2 - 0.2 * t + 0.04 * np.sin(6 * t))
    absorbed += 1.3 * bone * tubes(collar, 0.07)
    absorbed += 0.8 * bone * _step(0.15 - abs(aside + 1j * y - 1.08 - 1j * apex - 0.1j))
    blade = _step(aside - draw(0.75, 0.95) + (0.1 + 0.2 * bedside) * (y + 0.3))
    absorbed += 0.3 * bone * blade * _step(0.4 - abs(y + 0.35)) * (half > aside)
    spine = _step(0.12 - aside) * (1 + 0.4 * np.cos(2 * np.pi * y / 0.17))
    absorbed += bone * spine * draw(0.3, 1.2)
    for wire in rng.normal(0, 0.02, (rng.integers(4) * bedside, 30, 2)):
        path = wire.cumsum(0).cumsum(0) @ (1, 1j) + complex(*draw(-0.7, 0.7, 2))
        absorbed += draw(0.3, 1.5) * lines([path], 0.015, 0.004)
    return _film(rng, np.maximum(absorbed, 0) * draw(0.8, 1.2), aside - y)[0]


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
    return _levels(level + depth * (waves + _clouds(rng, size, rng.integers(1, 7))))


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
    return " ".join(rng.choice(_TEXT.split(), 1 + int(count)))


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
