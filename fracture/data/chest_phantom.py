"""A synthetic chest film: anatomy of another kind, exposed like the limbs' phantoms."""

from __future__ import annotations

import numpy as np
from numpy import ndarray
from numpy.random import Generator
from PIL import Image, ImageDraw, ImageFilter

from fracture.data.phantom import expose

Region = tuple[slice, slice]  # rows and columns of a film


def clouds(rng: Generator, size: list[int], octaves: int) -> ndarray:
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


def draw_chest(rng: Generator) -> ndarray:
    """A chest film from the front; one unit is half the width of the rib cage."""
    draw, bedside = rng.uniform, rng.random() < 0.4  # AP: wide heart, high diaphragm
    size = [round(draw(360, 700) * stretch) for stretch in (1, draw(0.8, 1.25))]
    unit = draw(0.44, 0.56) * min(size[1], 1.1 * size[0])
    turn = unit * np.exp(1j * rng.normal(0, 0.05))
    middle = complex(size[1] * draw(0.45, 0.55), size[0] * draw(0.44, 0.54))
    row, column = np.ogrid[: size[0], : size[1]]
    z = ((column + 1j * row - middle) / turn).astype(np.complex64)
    x, y, aside = z.real, z.imag, abs(z.real)

    def lines(
        paths: list[ndarray],
        width: float,
        blur: float = 0.01,
        where: Region | None = None,
    ) -> tuple[Region, ndarray]:
        """Soft lines: the part of the film that they reach, and how dense they are."""
        sheet, width = Image.new("L", size[::-1]), max(1, round(width * unit))
        for path in (path * turn + middle for path in paths):
            points = path.view(float).tolist()
            ImageDraw.Draw(sheet).line(points, 255, width, "curve")
        if where is None:
            reach = int(3 * blur * unit) + 4  # three passes of a box make the blur
            left, top, right, low = sheet.getbbox() or (0, 0, 0, 0)
            rows = np.clip((top - reach, low + reach), 0, size[0])
            columns = np.clip((left - reach, right + reach), 0, size[1])
            where = slice(*rows), slice(*columns)
        rows, columns = where
        sheet = sheet.crop((columns.start, rows.start, columns.stop, rows.stop))
        blurred = sheet.filter(ImageFilter.GaussianBlur(blur * unit))
        return where, np.asarray(blurred, np.float32) / 255

    def tubes(path: ndarray, width: float) -> tuple[Region, ndarray]:
        """Hollow bones of both sides."""
        pair = [path, -path.conj()]
        where, outer = lines(pair, width)
        return where, outer - 0.55 * lines(pair, 0.6 * width, where=where)[1]

    neck, slope, girth = draw((0.28, 0.05, 0.95), (0.4, 0.12, 1.2))
    half = neck + (girth - neck + 0.2 * _step(-y - 0.4)) * _step(y + 0.82, slope)
    absorbed = draw(1.5, 2.1) * np.sqrt(np.maximum(1 - (x / half) ** 2, 0)) ** 0.7
    absorbed *= 1 + 0.1 * clouds(rng, size, 4)
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
    twigs = np.zeros(size, np.float32)
    for i in range(3):
        where, twig = lines(vessels[i::3], 0.008 * (3 - i))
        twigs[where] += twig
    air = lungs * (1 - draw(0.7, 1) * shade) * (1 - draw(0.1, 0.35) * twigs)
    absorbed *= 1 - draw(0.55, 0.75) * air * (1 - 0.1 * clouds(rng, size, 5))
    gas = np.hypot(x - 0.5, 1.6 * (y - base - 0.1))
    absorbed -= draw(-0.3, 0.7) * _step(0.17 - gas)

    bone, gap, t = draw(0.2, 0.5), draw(0.12, 0.16), np.linspace(0, 1, 40)
    around = np.linspace(0.08, draw(2.2, 2.8), 40)
    for i in range(10):
        fall = gap * (i - 0.3) + 0.3 - (draw(0.3, 0.4) + 0.02 * i) * np.cos(around)
        rib = min(0.92, 0.5 + 0.12 * i) * np.sin(around) + 1j * (apex + fall)
        where, ribs = tubes(rib, 0.065)
        lower = _step(y[where] - rib.imag[20], 0.05)
        absorbed[where] += bone * ribs * (1 - 0.4 * lower)
    collar = 0.1 + 0.85 * t + 1j * (apex + 0.2 - 0.2 * t + 0.04 * np.sin(6 * t))
    where, collars = tubes(collar, 0.07)
    absorbed[where] += 1.3 * bone * collars
    absorbed += 0.8 * bone * _step(0.15 - abs(aside + 1j * y - 1.08 - 1j * apex - 0.1j))
    blade = _step(aside - draw(0.75, 0.95) + (0.1 + 0.2 * bedside) * (y + 0.3))
    absorbed += 0.3 * bone * blade * _step(0.4 - abs(y + 0.35)) * (half > aside)
    spine = _step(0.12 - aside) * (1 + 0.4 * np.cos(2 * np.pi * y / 0.17))
    absorbed += bone * spine * draw(0.3, 1.2)
    for bends in rng.normal(0, 0.02, (rng.integers(4) * bedside, 30, 2)):
        path = bends.cumsum(0).cumsum(0) @ (1, 1j) + complex(*draw(-0.7, 0.7, 2))
        depth = draw(0.3, 1.5)
        where, wire = lines([path], 0.015, 0.004)
        absorbed[where] += depth * wire
    return expose(rng, np.maximum(absorbed, 0) * draw(0.8, 1.2), aside - y)[0]
