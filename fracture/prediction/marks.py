"""Marks: boxes where a fracture may be, read from the map that boxes taught.

A mark is a peak of the fracture map with a box of fixed size around it. The map's cells
are as large as many fractures, so it says where they are and not how far they reach.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from fracture.radiograph import Letterbox

MOST = 5  # marks of a film
_SIDE = 128  # pixels of the longer side that peaks are looked for on
_PEAKS = 50  # looked at, the strongest first
_SHARED = 0.1  # share of their area that two marks may have in common


@dataclasses.dataclass(frozen=True)
class Mark:
    """A box in the film's pixels, from its left upper corner, and how sure it is.

    Attributes:
        x0, y0, x1, y1: left, upper, right and lower edge.
        score: probability of a fracture, times the square of the peak's strength
            relative to the film's strongest; in [0, 1].
    """

    x0: int
    y0: int
    x1: int
    y1: int
    score: float


def find_marks(
    letterbox: Letterbox,
    grid: np.ndarray,
    place: tuple[float, float],
    probability: float,
    rules: Mapping[str, float],
) -> tuple[Mark, ...]:
    """Reads the marks from a map, the surest first, at most `MOST`.

    Args:
        letterbox: of the film.
        grid: fracture map `(rows, columns)` over the square, >= 0.
        place: centre of the map's first cell, and cell to cell; pixels of the square.
        probability: of a fracture.
        rules: `side` of a mark as a share of the square's, and the least strength of a
            peak relative to the strongest, see `WeightsConfig.marks`.
    """
    height, width = letterbox.height, letterbox.width
    longer = max(height, width)
    shrink = min(1.0, _SIDE / longer)
    rows, columns = (max(1, round(side * shrink)) for side in (height, width))
    small = Letterbox(rows, columns, letterbox.size)
    strength = small.to_film(grid[None], *place)[0]
    strongest = float(strength.max())
    if not strongest > 0:
        return ()
    y, x = _peaks(strength, rules["least"] * strongest)
    order = np.argsort(-strength[y, x], kind="stable")[:_PEAKS]
    y, x = y[order], x[order]
    relative = strength[y, x] / strongest
    centres = np.stack([(x + 0.5) * width / columns, (y + 0.5) * height / rows], 1)
    side = rules["side"] * longer
    chosen: list[int] = []
    for index, centre in enumerate(centres):
        apart = np.abs(centre - centres[chosen])
        shared = np.maximum(1 - apart / side, 0).prod(1)
        if (shared <= _SHARED).all():
            chosen.append(index)
    marks = []
    for index in chosen[:MOST]:
        start, end = (
            np.rint(centres[index] + reach).astype(int)
            for reach in (-side / 2, side / 2)
        )
        x0, y0 = np.clip(start, 0, (width - 1, height - 1)).tolist()
        x1, y1 = np.clip(end, (x0 + 1, y0 + 1), (width, height)).tolist()
        score = probability * float(relative[index]) ** 2
        marks.append(Mark(x0, y0, x1, y1, round(score, 6)))
    return tuple(marks)


def _peaks(strength: np.ndarray, least: float) -> tuple[np.ndarray, ...]:
    """Rows and columns of pixels that no neighbour is stronger than."""
    padded = np.pad(strength, 1, constant_values=-1)
    around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    highest = around.max((2, 3))
    return np.nonzero((strength >= highest) & (strength >= max(least, 1e-12)))
