"""Fractures of other films, pasted into normal ones where they fit.

A donor's annotated box goes where the film looks most like the donor's surroundings of
it: normalised cross-correlation of both, seen coarsely, over a few turns, flips and
sizes. The box and a soft rim around it are laid over the film; contrast, brightness and
their slope are those that fit best on the rim. Where nothing fits, nothing is pasted.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Sequence

import numpy as np
from PIL import Image

from fracture.data.example import Example

_COARSE = 96  # pixels of a side on which a place is looked for
_TRIES = 4  # of turn, flip and size
_TURN = 25.0  # degrees, +-
_SIZE = 0.2  # logarithm of the relative size, +-
_CONTEXT = 1.0  # of the box's shorter side, around it
_RIM = 0.4  # likewise, and at least 3 pixels
_FITS = 0.8  # correlation from which a place will do
_DONORS = 3  # tried one after the other
_CONTRAST = (0.6, 1.7)  # of the donor, relative, that may be made up for
_TELLTALE = {"hardware"}  # would be pasted along


@dataclasses.dataclass(frozen=True, eq=False)
class Place:
    """Where a donor's box goes.

    Attributes:
        turn: `(2, 2)`, pixels of the film to pixels of the donor, turned and scaled.
        box: centre and half sides `(4,)` in pixels of the donor.
        centre: `(2,)` in pixels of the film.
        correlation: of the surroundings there.
    """

    turn: np.ndarray
    box: np.ndarray
    centre: np.ndarray
    correlation: float

    def in_donor(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Pixels of the film, from the box's centre in pixels of the donor."""
        x, y = x - self.centre[0], y - self.centre[1]
        return self.turn @ np.stack([x.ravel(), y.ravel()])

    def new_box(self) -> np.ndarray:
        """The box on the film, `(4,)`."""
        reach = np.abs(np.linalg.inv(self.turn)) @ self.box[2:]
        return np.concatenate([self.centre - reach, self.centre + reach])


class Donors:
    """The annotated fractures that a set of films may lend each other.

    Args:
        squares: uint8 `(n, size, size)`.
        boxes: `(m, 4)` for each film, in pixels of its square.
        examples: of the films. A normal film gets fractures of its own source, from
            films with the same tags: the same body parts and views.
    """

    def __init__(
        self,
        squares: np.ndarray,
        boxes: Sequence[np.ndarray],
        examples: Sequence[Example],
    ):
        self.squares, self.boxes, self.examples = squares, boxes, examples
        self._of: dict[tuple, list[tuple[int, int]]] = collections.defaultdict(list)
        for film, example in enumerate(examples):
            plain = example.tags and not example.tags & _TELLTALE
            if plain and example.label != "normal":
                found = [(film, box) for box in range(len(boxes[film]))]
                self._of[example.source, example.tags] += found

    def lend(
        self, index: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, int] | None:
        """A normal film with a fracture, its boxes `(1, 4)`, and whose fracture it is.

        None where no film is like it, or nothing fits.
        """
        example, square = self.examples[index], self.squares[index]
        donors = self._of.get((example.source, example.tags))
        if not donors:
            return None
        for choice in rng.integers(len(donors), size=_DONORS):
            donor, box = donors[choice]
            place = find_place(square, self.squares[donor], self.boxes[donor][box], rng)
            if place.correlation >= _FITS:
                pasted = lay(square, self.squares[donor], place)
                if pasted is not None:
                    return pasted, place.new_box()[None], donor
        return None


def find_place(
    square: np.ndarray, donor: np.ndarray, box: np.ndarray, rng: np.random.Generator
) -> Place:
    """The best of a few random turns, flips and sizes, each at its best place."""
    zoom = _COARSE / len(square)
    film, lender = (
        Image.fromarray(pixels).resize((_COARSE, _COARSE), Image.Resampling.BOX)
        for pixels in (square, donor)
    )
    middle, half = (box[:2] + box[2:]) / 2, np.maximum(box[2:] - box[:2], 1) / 2
    target = _Spectrum(np.asarray(film, np.float32))
    best = Place(np.eye(2), np.concatenate([middle, half]), np.zeros(2), -1.0)
    for _ in range(_TRIES):
        angle = np.deg2rad(rng.uniform(-_TURN, _TURN))
        size = np.exp(rng.uniform(-_SIZE, _SIZE))
        cos, sin = np.cos(angle) / size, np.sin(angle) / size
        turn = np.array([[cos, sin], [-sin, cos]]) * rng.choice((-1, 1), 2)
        around = half + _CONTEXT * half.min() * 2
        side = int(np.ceil(2 * zoom * (np.abs(np.linalg.inv(turn)) @ around).max()))
        side = min(max(side, 7), _COARSE // 2)
        offset = zoom * middle - turn.sum(1) * side / 2
        affine = tuple(np.column_stack([turn, offset]).ravel())
        patch = lender.transform((side, side), Image.AFFINE, affine, Image.BILINEAR)
        corner, correlation = target.best_place(np.asarray(patch, np.float32))
        if correlation > best.correlation:
            centre = (corner + side / 2) / zoom
            best = Place(turn, best.box, centre, correlation)
    return best


class _Spectrum:
    """A small film, prepared for its correlation with smaller ones."""

    def __init__(self, film: np.ndarray):
        self.film, self._padded = film - film.mean(), (128, 128)
        self._waves = np.fft.rfft2(self.film, self._padded)
        # Sums over windows of any size.
        self._sums = [
            np.pad(power.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
            for power in (self.film.astype(float), self.film.astype(float) ** 2)
        ]

    def best_place(self, patch: np.ndarray) -> tuple[np.ndarray, float]:
        """Left upper corner `(x, y)` of the likest window, and its correlation."""
        side, windows = len(patch), len(self.film) - len(patch) + 1
        patch = patch - patch.mean()
        waves = np.fft.rfft2(patch, self._padded).conj() * self._waves
        product = np.fft.irfft2(waves, self._padded)[:windows, :windows]
        total, square = (
            s[side:, side:] - s[:-side, side:] - s[side:, :-side] + s[:-side, :-side]
            for s in self._sums
        )
        spread = np.maximum(square - total**2 / side**2, 1.0)
        energy = max(float((patch**2).sum()), 1.0)
        found = product / np.sqrt(spread * energy)
        # A limb is brighter than its film on average; and flat greys match anything.
        contrast = np.sqrt(spread / energy)
        alike = (contrast > _CONTRAST[0]) & (contrast < _CONTRAST[1])
        found = np.where((total > 0) & alike, found, -1.0)
        y, x = np.unravel_index(found.argmax(), found.shape)
        return np.array([x, y], float), float(found[y, x])


def lay(square: np.ndarray, donor: np.ndarray, place: Place) -> np.ndarray | None:
    """The film with the donor's box; None where the greys cannot be made to agree."""
    rim = max(3.0, _RIM * 2 * place.box[2:].min())
    reach = np.abs(np.linalg.inv(place.turn)) @ (place.box[2:] + rim)
    start = np.maximum(np.floor(place.centre - reach), 0).astype(int)
    end = np.minimum(np.ceil(place.centre + reach), len(square)).astype(int)
    (left, top), (width, height) = start, end - start
    if min(width, height) < 2:
        return None
    offset = place.box[:2] + place.turn @ (start - place.centre)
    affine = tuple(np.column_stack([place.turn, offset]).ravel())
    patch = Image.fromarray(donor).transform(
        (int(width), int(height)), Image.AFFINE, affine, Image.BILINEAR
    )
    patch = np.asarray(patch, np.float32).ravel()
    y, x = np.mgrid[top : end[1], left : end[0]] + 0.5
    outside = np.abs(place.in_donor(x, y)) - place.box[2:, None]
    share = 1 - np.hypot(*np.maximum(outside, 0)) / rim
    share = np.clip(share, 0, 1) ** 2 * (3 - 2 * np.clip(share, 0, 1))
    film = square[top : end[1], left : end[0]].astype(np.float32)
    edge = (share > 0.02) & (share < 0.98)
    terms = np.stack([patch, np.ones_like(patch), x.ravel(), y.ravel()], axis=1)
    fit = np.linalg.lstsq(terms[edge], film.ravel()[edge], rcond=None)[0]
    if not _CONTRAST[0] <= fit[0] <= _CONTRAST[1]:
        return None
    mixed = film.ravel() + share * (terms @ fit - film.ravel())
    pasted = square.copy()
    pasted[top : end[1], left : end[0]] = (
        np.clip(np.rint(mixed), 0, 255).reshape(film.shape).astype(np.uint8)
    )
    return pasted
