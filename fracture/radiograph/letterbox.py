"""The one geometric transform between a film and the square the network sees."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np
from PIL import Image


@dataclasses.dataclass(frozen=True)
class Letterbox:
    """Aspect-keeping resize of a film into a black-padded square, and its inverse.

    Training, evaluation and serving all use this class, so the network never sees a
    film through two different resamplings.

    Attributes:
        height: film height in pixels.
        width: film width in pixels.
        size: side of the square in pixels.
    """

    height: int
    width: int
    size: int

    @property
    def inner(self) -> tuple[int, int, int, int]:
        """`(left, top, width, height)` of the film inside the square, in pixels."""
        scale = self.size / max(self.height, self.width)
        width = max(1, round(self.width * scale))
        height = max(1, round(self.height * scale))
        return (self.size - width) // 2, (self.size - height) // 2, width, height

    def apply(self, pixels: np.ndarray) -> np.ndarray:
        """Resamples a film (uint8, `(height, width)`) to uint8 `(size, size)`."""
        if pixels.shape != (self.height, self.width) or pixels.dtype != np.uint8:
            raise ValueError(
                f"expected uint8 pixels of shape {(self.height, self.width)}, "
                f"got {pixels.dtype} {pixels.shape}"
            )
        left, top, width, height = self.inner
        square = np.zeros((self.size, self.size), np.uint8)
        film = Image.fromarray(pixels).resize(
            (width, height), Image.Resampling.BILINEAR
        )
        square[top : top + height, left : left + width] = np.asarray(film)
        return square

    def to_square(self, boxes: np.ndarray) -> np.ndarray:
        """Maps boxes given as fractions of the film to pixels of the square.

        Args:
            boxes: float `(n, 4)`, `x0, y0, x1, y1` in [0, 1].
        """
        left, top, width, height = self.inner
        return boxes * (width, height, width, height) + (left, top, left, top)

    def to_film(self, grid: np.ndarray, first: float, step: float) -> np.ndarray:
        """Interpolates maps over the square back onto the film's own pixels.

        Quadratic B-splines: smooth, never above the strongest cell, and a maximum that
        two cells share lies between them, which a bilinear one never does.

        Args:
            grid: float `(maps, rows, columns)`.
            first: centre of the first cell, in pixels of the square, both directions.
            step: pixels from cell to cell.

        Returns:
            float32 `(maps, height, width)`.
        """
        left, top, width, height = self.inner

        place = (float(first), float(step))
        rows = _splines(self.height, top, height, grid.shape[1], *place)
        columns = _splines(self.width, left, width, grid.shape[2], *place)
        return np.matmul(rows @ grid.astype(np.float32), columns.T)


@functools.lru_cache(maxsize=8)  # the maps of a film share them
def _splines(
    pixels: int, offset: int, inner: int, cells: int, first: float, step: float
) -> np.ndarray:
    """What each cell weighs at each pixel of the film: float32 `(pixels, cells)`."""
    position = (np.arange(pixels) + 0.5) * inner / pixels + offset
    position = np.clip((position - first) / step, -0.5, cells - 0.5)
    distance = np.abs(position[:, None] - np.arange(cells))
    near, far = 0.75 - distance**2, np.clip(1.5 - distance, 0, 1) ** 2 / 2
    spline = np.where(distance < 0.5, near, far)
    weights = (spline / spline.sum(1, keepdims=True)).astype(np.float32)
    weights.setflags(write=False)
    return weights


def make_squares(films: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Letterboxes films (uint8 `(height, width)`) to `(n, size, size, 1)`."""
    squares = [
        Letterbox(height, width, size).apply(film)
        for film in films
        for height, width in [film.shape]
    ]
    return np.stack(squares)[..., None]
