"""Which films look like which, at any angle, size and side: a cheap look at all pairs.

Resampled to log-polar coordinates around its centre, a film that is turned shifts along
the angle, one that is mirrored runs backwards and one that is scaled moves outward. So
one perceptual hash of the log-polar film (`imagehash.dhash`) serves for every pose, and
the Fourier transform along the angle compares all rotations at once.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import joblib
import numpy as np
from PIL import Image, ImageFilter
from scipy import ndimage
from tqdm import tqdm

_ANGLES = _RADII = 32  # of a log-polar film; imagehash wants as many of both
_RATIO = 10 ** (1 / _RADII)  # from radius to radius; the least is a tenth
_SCALES = (0, -2, 2, -4, 4, -6, 6)  # in radii; a turn by 45 degrees grows a canvas by 6
_SHIFT = 0.035  # of the shorter side: cropped on one side only
_CENTRES = ((0, 0), (_SHIFT, 0), (-_SHIFT, 0), (0, _SHIFT), (0, -_SHIFT))
_SIDE = 64  # shorter side of a film before it is resampled, pixels
_BLOCK = 32  # films compared with all at a time
_WAVES = np.arange(_ANGLES // 2 + 1)  # along the angle
_WEIGHTS = np.where(_WAVES % (_ANGLES // 2), 2, 1)  # of each wave in a real series


@dataclasses.dataclass(frozen=True)
class Candidate:
    """Two films that look alike.

    Attributes:
        first: index of a film.
        second: index of the other.
        similarity: correlation of their hashes, to 1.
        mirrored: whether one shows the other's mirror image.
        angle: radians, counter-clockwise, that turn `first` into `second`; where
            mirrored, clockwise, after `first` was put upside down.
        scale: size in `second` of what has size 1 in `first`, in shorter sides.
    """

    first: int
    second: int
    similarity: float
    mirrored: bool
    angle: float
    scale: float


def find_candidates(films: Sequence[np.ndarray], count: int) -> list[Candidate]:
    """Finds for each film the `count` films most like it; a pair is listed once.

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
    variants = [
        (0, steps, spectra.of(hashes[0], _shared_radii(-steps))) for steps in _SCALES
    ]
    variants += [(centre, 0, variants[0][2]) for centre in range(1, len(_CENTRES))]

    def nearest(start: int) -> list[Candidate]:
        rows = np.arange(start, min(start + _BLOCK, len(films)))
        similarity = np.full((len(rows), len(films)), -np.inf, np.float32)
        poses = np.zeros(similarity.shape, np.int16)
        for number, (centre, steps, others) in enumerate(variants):
            own = spectra.of(hashes[centre][rows], _shared_radii(steps))
            for mirrored in (0, 1):
                value, shift = _best_shift(own, others if mirrored else others.conj())
                better = value > similarity
                similarity[better] = value[better]
                poses[better] = (2 * number + mirrored) * _ANGLES + shift[better]
        similarity[np.arange(len(rows)), rows] = -np.inf
        order = np.argsort(-similarity, axis=1)[:, : min(count, len(films) - 1)]
        found = []
        for row, column in zip(*np.nonzero(order >= 0), strict=True):
            other = order[row, column]
            code, shift = divmod(int(poses[row, other]), _ANGLES)
            scale = _RATIO ** -variants[code // 2][1]
            turn = bool(code % 2), 2 * np.pi * shift / _ANGLES, scale
            ends = int(rows[row]), int(other)
            found.append(Candidate(*ends, float(similarity[row, other]), *turn))
        return found

    best: dict[tuple[int, int], Candidate] = {}
    starts = range(0, len(films), _BLOCK)
    pool = joblib.Parallel(-1, backend="threading", return_as="generator")
    blocks = pool(joblib.delayed(nearest)(start) for start in starts)
    bar = tqdm(blocks, "comparing films", len(starts), unit="block")
    for candidate in itertools.chain.from_iterable(bar):
        key = tuple(sorted((candidate.first, candidate.second)))
        if key not in best or candidate.similarity > best[key].similarity:
            best[key] = candidate
    return list(best.values())


def _hashes(films: Sequence[np.ndarray], centre: tuple[float, float]) -> np.ndarray:
    """Hashes of the log-polar films: float32 `(n, angles, radii)`, 0 or 1.

    Args:
        films: uint8 `(height, width)` each.
        centre: down and right of the middle, in shorter sides.
    """
    import imagehash

    angle = 2 * np.pi * np.arange(_ANGLES)[:, None] / _ANGLES
    radius = 0.1 * _RATIO ** np.arange(_RADII + 1)
    disc = np.stack([radius * np.sin(angle), radius * np.cos(angle)])
    disc *= _SIDE / 2 - 1
    hashes = np.empty((len(films), _ANGLES, _RADII), np.float32)
    for index, film in enumerate(films):
        scale = _SIDE / min(film.shape)
        height, width = (max(_SIDE, round(length * scale)) for length in film.shape)
        small = Image.fromarray(film).resize((width, height), Image.Resampling.BILINEAR)
        small = np.asarray(small.filter(ImageFilter.GaussianBlur(1)))
        middle = np.array([height - 1, width - 1]) / 2 + np.multiply(_SIDE, centre)
        places = disc + middle[:, None, None]
        polar = ndimage.map_coordinates(small, places, order=1, mode="nearest")
        hashes[index] = imagehash.dhash(Image.fromarray(polar), _ANGLES).hash
    return hashes


class _Spectra:
    """Fourier transforms of hashes along the angle, waves of all lengths alike."""

    def __init__(self, hashes: np.ndarray) -> None:
        self._mean = hashes.mean((0, 1))
        power = np.abs(np.fft.rfft(hashes - self._mean, axis=1)) ** 2
        # Slow changes along the angle, which all films share, would drown the rest.
        self._gain = (power.mean((0, 2)) + 1e-6)[:, None] ** -0.25

    def of(self, hashes: np.ndarray, radii: slice) -> np.ndarray:
        """Complex64 `(waves, n, radii)`; of unit norm for each film."""
        waves = np.fft.rfft(hashes - self._mean, axis=1) * self._gain
        waves = waves[:, :, radii]
        energy = (np.abs(waves) ** 2).sum(2) @ _WEIGHTS / _ANGLES
        waves = waves / np.sqrt(energy + 1e-12)[:, None, None]
        return np.ascontiguousarray(waves.transpose(1, 0, 2), np.complex64)


def _shared_radii(steps: int) -> slice:
    """The radii of a film that another shows as well, scaled by so many steps."""
    return slice(max(steps, 0), _RADII + min(steps, 0))


def _best_shift(own: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The best correlation and its shift along the angle, `(rows, n)` each."""
    product = own @ others.transpose(0, 2, 1)
    shape = product.shape[1:]
    product = product.reshape(len(_WAVES), -1)
    # The inverse transform as a matrix: faster on so many series so short.
    phase = 2 * np.pi * np.outer(np.arange(_ANGLES), _WAVES) / _ANGLES
    inverse = np.hstack([np.cos(phase) * _WEIGHTS, -np.sin(phase) * _WEIGHTS]) / _ANGLES
    correlation = inverse.astype(np.float32) @ np.concatenate(
        [product.real, product.imag]
    )
    shift = correlation.argmax(0)
    value = np.take_along_axis(correlation, shift[None], 0)
    return value.reshape(shape), shift.reshape(shape)
