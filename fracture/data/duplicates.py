"""Copies of one film: saved again, resized, brightened, cropped, turned or mirrored.

Two steps, since films of one body part look alike while their texture never repeats:

* `find_candidates` names the films that look most like a film, by perceptual hashes
* each is laid onto the film, coarse to fine, and their texture compared (`alignment`)
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import threadpoolctl
from PIL import Image
from tqdm import tqdm

from fracture.data import alignment
from fracture.data.example import Example
from fracture.data.perceptual_hash import Candidate, find_candidates
from fracture.radiograph.letterbox import Letterbox

SAME = 0.7  # least similarity of a copy; see benchmarks/audit.py
_SIDE = 160  # longer side of a thumbnail, pixels

_CANDIDATES = 20  # films looked at more closely, for each film
# Side of the square in pixels, steps twice over, least correlation after them.
_LEVELS = ((32, 6, 0.65), (64, 6, 0.6), (_SIDE, 6, 0.55))


@dataclasses.dataclass(frozen=True)
class Match:
    """Two films that are one.

    Attributes:
        first: index of a film.
        second: index of the other, greater than `first`.
        similarity: correlation of their texture once aligned, `SAME` to 1.
        rotation: degrees, -180 to 180, counter-clockwise, that turn `first` (mirrored
            left to right where `mirrored`) into `second`.
        mirrored: whether one shows the other's mirror image.
    """

    first: int
    second: int
    similarity: float
    rotation: float
    mirrored: bool


def thumbnail(pixels: np.ndarray) -> np.ndarray:
    """Shrinks a film (uint8, `(height, width)`) to what `find_duplicates` needs."""
    height, width = pixels.shape
    scale = _SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BILINEAR))


def find_duplicates(thumbnails: Sequence[np.ndarray]) -> list[Match]:
    """Finds the copies among films.

    Of many copies of one film not every pair is listed, but enough to connect them.
    Time grows with the square of the number of films: a few minutes for 3,000.

    Args:
        thumbnails: of the films, see `thumbnail`.

    Returns:
        Matches, by `first` and `second`.
    """
    matches, index_of = [], {}
    for index, pixels in enumerate(thumbnails):
        digest = hashlib.sha256(repr(pixels.shape).encode() + pixels.tobytes()).digest()
        if (first := index_of.setdefault(digest, index)) != index:
            matches.append(Match(first, index, 1.0, 0.0, False))
    indices = list(index_of.values())
    unique = [thumbnails[i] for i in indices]
    # Matrices this small are slower on several threads, far slower on busy cores.
    with threadpoolctl.threadpool_limits(1, "blas"):
        for match in _verify(unique, find_candidates(unique, _CANDIDATES)):
            ends = indices[match.first], indices[match.second]
            matches.append(dataclasses.replace(match, first=ends[0], second=ends[1]))
    return sorted(matches, key=lambda match: (match.first, match.second))


def _verify(
    thumbnails: Sequence[np.ndarray], candidates: Sequence[Candidate]
) -> Iterator[Match]:
    """Keeps the candidates whose texture is the same."""

    @functools.lru_cache(len(_LEVELS) * 4096)
    def square(index: int, side: int) -> Image.Image:
        film = thumbnails[index]
        return Image.fromarray(Letterbox(*film.shape, side).apply(film))

    @functools.lru_cache(len(_LEVELS))
    def goal(index: int, side: int) -> alignment.Goal:
        return alignment.Goal(np.asarray(square(index, side)), shear=side == _SIDE)

    def align(first: int, second: int, pose: np.ndarray, level: int):
        side, steps, least = _LEVELS[level]
        for hurdle in (least - 0.2, least):
            moving = square(second, side)
            pose, value = goal(first, side).align(moving, pose, steps)
            if value < hurdle:
                return pose, 0.0
        return pose, value

    tasks = []
    for candidate in candidates:
        ends = candidate.first, candidate.second
        starts = _starts(candidate, *(thumbnails[i].shape for i in ends))
        if abs(np.linalg.det(starts[0])) < 1:
            # The coarser film is the goal: the finer one can be shrunk onto it.
            ends, starts = ends[::-1], [np.linalg.inv(start) for start in starts]
        tasks.append((ends, starts))
    tasks.sort(key=lambda task: task[0])
    side = _LEVELS[0][0]
    for (first, second), starts in tqdm(tasks, desc="aligning films", unit="pair"):
        small = square(second, side)
        starts[0] = goal(first, side).shifted(small, starts[0])
        found = [align(first, second, start, 0) for start in starts]
        pose, value = max(found, key=lambda pair: pair[1])
        for level in range(1, len(_LEVELS)):
            if value:
                pose, value = align(first, second, pose, level)
        if value:
            value = goal(first, _SIDE).similarity(square(second, _SIDE), pose)
            if value >= SAME:
                yield _match(first, second, pose, value)


def _starts(
    candidate: Candidate, first: tuple[int, int], second: tuple[int, int]
) -> list[np.ndarray]:
    """Poses that the hashes suggest, of the first film in the second."""
    # Candidates are measured in shorter sides, poses in longer ones.
    scale = min(second) / max(second) / (min(first) / max(first)) * candidate.scale
    side = -1 if candidate.mirrored else 1
    cos, sin = np.cos(candidate.angle), np.sin(candidate.angle)
    turn = np.array([[cos, sin], [-side * sin, side * cos]])
    starts = [np.diag((scale, scale, 1.0)), np.eye(3)]
    starts[0][:2, :2] @= turn
    upright = np.rint(turn)
    shapes = np.array((first, second))[:, ::-1] / np.max((first, second), 1)[:, None]
    stretch = shapes[1] / (np.abs(upright) @ shapes[0])
    if np.abs(turn - upright).max() > 0.3 or 0.95 < stretch[0] / stretch[1] < 1.05:
        return starts[:1]
    # A film squeezed into another frame fills it.
    starts[1][:2, :2] = np.diag(stretch) @ upright
    return starts


def _match(first: int, second: int, pose: np.ndarray, similarity: float) -> Match:
    if first > second:
        first, second, pose = second, first, np.linalg.inv(pose)
    turn = pose[:2, :2]
    mirrored = bool(np.linalg.det(turn) < 0)
    if mirrored:
        turn = turn * (-1, 1)
    rotation = np.degrees(np.arctan2(turn[0, 1] - turn[1, 0], np.trace(turn)))
    return Match(first, second, min(similarity, 1.0), float(rotation), mirrored)


def near_duplicate_groups(
    examples: Sequence[Example], films: Sequence[np.ndarray]
) -> list[str]:
    """Joins copies of films with the groups that are already known.

    Args:
        examples: their `group`, where not empty, is kept together.
        films: uint8 `(height, width)` each, at any size.

    Returns:
        One group name per film.
    """
    return join_groups(examples, find_copies(films))


def find_copies(films: Sequence[np.ndarray]) -> list[tuple[int, int]]:
    """Pairs of indices of films that show the same."""
    matches = find_duplicates([thumbnail(film) for film in films])
    return [(match.first, match.second) for match in matches]


def join_groups(
    examples: Sequence[Example], pairs: Iterable[tuple[int, int]]
) -> list[str]:
    """One group name per film: the known groups, joined by pairs of indices."""
    parent = list(range(len(examples)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    first: dict[str, int] = {}
    for index, example in enumerate(examples):
        if example.group:
            parent[index] = root(first.setdefault(example.group, index))
    for pair in pairs:
        one, other = sorted(map(root, pair))
        parent[other] = one
    heads = [examples[root(index)] for index in range(len(examples))]
    return [head.group or f"{head.source}/{head.name}" for head in heads]
