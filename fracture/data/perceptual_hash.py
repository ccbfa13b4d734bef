"""Which films look like which, at any angle, size and side: a cheap look at all pairs.

Unrolled around its centre, a film that is turned shifts along the angle, a film that is
mirrored runs backwards and a film that is scaled moves outward. So one perceptual hash
of the unrolled film (`imagehash.dhash`) serves for every pose, and the Fourier
transform along the angle compares all turns at once.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import itertools
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage
from tqdm import tqdm

_RAYS = _RINGS = 32  # of an unrolled film; imagehash wants as many of both
_STRIDE = 10 ** (1 / _RINGS)  # from ring to ring; the inmost is at a tenth
_ZOOMS = (0, -2, 2, -4, 4, -6, 6)  # rings; a turn by 45 degrees grows a canvas by 6
_SHIFT = 0.035  # of the shorter side: cropped on one side only
_CENTRES = ((0, 0), (_SHIFT, 0), (-_SHIFT, 0), (0, _SHIFT), (0, -_SHIFT))
_SIDE = 64  # shorter side of a film before it is unrolled, pixels
_ROWS = 32  # films compared with all at a time
_WAVES = np.arange(_RAYS // 2 + 1)  # along the angle
_TWICE = np.where(_WAVES % (_RAYS // 2), 2, 1)  # as often they are in a real series


@dataclasses.dataclass(frozen=True)
class Proposal:
    """Two films that look alike.

    Attributes:
        first: index of a film.
        second: index of the other.
        likeness: correlation of their hashes, to 1.
        mirrored: whether one shows the other's mirror image.
        angle: radians, counter-clockwise, that turn `first` into `second`; where
            mirrored, clockwise, after `first` was put upside down.
        scale: size in `second` of what has size 1 in `first`, in shorter sides.
    """

    first: int
    second: int
    likeness: float
    mirrored: bool
    angle: float
    scale: float


def propose(films: Sequence[np.ndarray], count: int) -> list[Proposal]:
    """Finds for each film the `count` films most like it; a pair is proposed once.

    The time grows with the square of the number of films.

    Args:
        films: uint8 `(height, width)` each, small.
        count: at most, for each film.
    """
    if len(films) < 2:
        return []
    hashes = [
        _hashes(films, centre)
        for centre in tqdm(_CENTRES, desc="hashing films", unit="pass")
    ]
    spectra = _Spectra(hashes[0])
    variants = [(0, zoom, spectra.of(hashes[0], _kept(-zoom))) for zoom in _ZOOMS]
    variants += [(centre, 0, variants[0][2]) for centre in range(1, len(_CENTRES))]

    def nearest(start: int) -> list[Proposal]:
        rows = np.arange(start, min(start + _ROWS, len(films)))
        likeness = np.full((len(rows), len(films)), -np.inf, np.float32)
        how = np.zeros(likeness.shape, np.int16)
        for number, (centre, zoom, others) in enumerate(variants):
            own = spectra.of(hashes[centre][rows], _kept(zoom))
            for mirrored in (0, 1):
                value, ray = _best_turn(own, others if mirrored else others.conj())
                better = value > likeness
                likeness[better] = value[better]
                how[better] = (2 * number + mirrored) * _RAYS + ray[better]
        likeness[np.arange(len(rows)), rows] = -np.inf
        order = np.argsort(-likeness, axis=1)[:, : min(count, len(films) - 1)]
        found = []
        for row, column in zip(*np.nonzero(order >= 0), strict=True):
            other = order[row, column]
            code, ray = divmod(int(how[row, other]), _RAYS)
            scale = _STRIDE ** -variants[code // 2][1]
            turn = bool(code % 2), 2 * np.pi * ray / _RAYS, scale
            ends = int(rows[row]), int(other)
            found.append(Proposal(*ends, float(likeness[row, other]), *turn))
        return found

    best: dict[tuple[int, int], Proposal] = {}
    starts = range(0, len(films), _ROWS)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        blocks = tqdm(pool.map(nearest, starts), "comparing films", len(starts))
        for proposal in itertools.chain.from_iterable(blocks):
            key = tuple(sorted((proposal.first, proposal.second)))
            if key not in best or proposal.likeness > best[key].likeness:
                best[key] = proposal
    return list(best.values())


def _hashes(films: Sequence[np.ndarray], centre: tuple[float, float]) -> np.ndarray:
    """Hashes of the unrolled films: float32 `(n, rays, rings)`, 0 or 1.

    Args:
        films: uint8 `(height, width)` each.
        centre: down and right of the middle, in shorter sides.
    """
    import imagehash

    angle = 2 * np.pi * np.arange(_RAYS)[:, None] / _RAYS
    radius = 0.1 * _STRIDE ** np.arange(_RINGS + 1)
    disc = np.stack([radius * np.sin(angle), radius * np.cos(angle)])
    disc *= _SIDE / 2 - 1
    hashes = np.empty((len(films), _RAYS, _RINGS), np.float32)
    for index, film in enumerate(films):
        scale = _SIDE / min(film.shape)
        height, width = (max(_SIDE, round(length * scale)) for length in film.shape)
        small = Image.fromarray(film).resize((width, height), Image.Resampling.BILINEAR)
        small = np.asarray(small.filter(ImageFilter.GaussianBlur(1)))
        middle = np.array([height - 1, width - 1]) / 2 + np.multiply(_SIDE, centre)
        places = disc + middle[:, None, None]
        unrolled = ndimage.map_coordinates(small, places, order=1, mode="nearest")
        hashes[index] = imagehash.dhash(Image.fromarray(unrolled), _RAYS).hash
    return hashes


class _Spectra:
    """Fourier transforms of hashes along the angle, told apart as well as may be."""

    def __init__(self, hashes: np.ndarray) -> None:
        self._mean = hashes.mean((0, 1))
        power = np.abs(np.fft.rfft(hashes - self._mean, axis=1)) ** 2
        # Slow changes along the angle, which all films share, would drown the rest.
        self._gain = (power.mean((0, 2)) + 1e-6)[:, None] ** -0.25

    def of(self, hashes: np.ndarray, rings: slice) -> np.ndarray:
        """Complex64 `(waves, n, rings)`; of unit norm for each film."""
        waves = np.fft.rfft(hashes - self._mean, axis=1) * self._gain
        waves = waves[:, :, rings]
        energy = (np.abs(waves) ** 2).sum(2) @ _TWICE / _RAYS
        waves = waves / np.sqrt(energy + 1e-12)[:, None, None]
        return np.ascontiguousarray(waves.transpose(1, 0, 2), np.complex64)


def _kept(zoom: int) -> slice:
    """The rings of a film that another, farther by so many rings, shows as well."""
    return slice(max(zoom, 0), _RINGS + min(zoom, 0))


def _best_turn(own: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlation at the best turn and that turn in rays, `(rows, n)` each."""
    product = own @ others.transpose(0, 2, 1)
    shape = product.shape[1:]
    product = product.reshape(len(_WAVES), -1)
    # The inverse transform as a matrix: faster on so many series so short.
    phase = 2 * np.pi * np.outer(np.arange(_RAYS), _WAVES) / _RAYS
    inverse = np.hstack([np.cos(phase) * _TWICE, -np.sin(phase) * _TWICE]) / _RAYS
    turned = inverse.astype(np.float32) @ np.concatenate([product.real, product.imag])
    ray = turned.argmax(0)
    value = np.take_along_axis(turned, ray[None], 0)
    return value.reshape(shape), ray.reshape(shape)
