"""Lays one film onto another and compares their texture there.

Inverse compositional alignment (Baker and Matthews, IJCV 2004): the gradients of the
goal are prepared once, so that a step costs one warp and one matrix product.

A pose is a 3 x 3 affine matrix from places in the goal to places in the moving film.
Both are squares; places are relative to the middle, the side is 1, y points down.
"""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image

_BLUR = 2  # pixels; texture is what is finer
_BLACK, _FAINT = 2, 6  # grey levels: of no film at all; of noise
_WINDOW = 0.35  # of the side; corners may be filled with anything
_TILE = 16  # pixels
# The six entries of a step that only scales, turns and moves, from its four parameters.
_SIMILAR = np.zeros((6, 4))
_SIMILAR[[0, 1, 2, 3, 4, 5], [0, 1, 2, 1, 0, 3]] = 1, -1, 1, 1, 1, 1


@functools.lru_cache
def _blur(side: int) -> np.ndarray:
    """A Gaussian filter as a matrix: on small squares faster than a convolution."""
    places = np.arange(side)
    kernel = np.exp(-(((places[:, None] - places) / _BLUR) ** 2) / 2)
    return (kernel / (_BLUR * np.sqrt(2 * np.pi))).astype(np.float32)


def texture(square: np.ndarray) -> np.ndarray:
    """Detail of a film (uint8) by its local contrast: float32, -3 to 3, 0 on black."""
    blur = _blur(len(square))
    film = square.astype(np.float32)
    lit = (film > _BLACK).astype(np.float32)
    share = blur @ lit @ blur + 1e-3
    detail = (film - blur @ (film * lit) @ blur / share) * lit
    contrast = np.sqrt(blur @ detail**2 @ blur / share)
    return np.clip(detail / (contrast + _FAINT), -3, 3)


def warp(moving: Image.Image, pose: np.ndarray) -> np.ndarray:
    """Resamples a square as the goal would show it; 0 outside."""
    side = moving.width
    linear = pose[:2, :2]
    offset = side * (pose[:2, 2] + 0.5 - linear.sum(1) / 2)
    (a, b), (c, d) = linear.tolist()
    x, y = offset.tolist()
    placed = moving.transform(
        (side, side),
        Image.Transform.AFFINE,
        (a, b, x, c, d, y),
        Image.Resampling.BILINEAR,
    )
    return np.asarray(placed)


class Goal:
    """A film that others are laid onto."""

    def __init__(self, square: np.ndarray, shear: bool) -> None:
        """Prepares the steps.

        Args:
            square: the film, uint8 `(side, side)`.
            shear: whether others may be sheared and stretched, beside turned, scaled
                and moved; on a thin limb, seen coarsely, that finds too much.
        """
        self.texture = texture(square)
        self._shows = self.texture != 0
        side = len(square)
        down, right = (side * slope.ravel() for slope in np.gradient(self.texture))
        y, x = (np.mgrid[:side, :side].reshape(2, -1) + 0.5) / side - 0.5
        slopes = np.stack([right * x, right * y, right, down * x, down * y, down])
        entries = np.eye(6) if shear else _SIMILAR
        slopes = entries.T @ slopes
        weighted = slopes * np.exp(-(x**2 + y**2) / (2 * _WINDOW**2))
        normal = weighted @ slopes.T
        count = len(normal)
        normal += (1e-3 * np.trace(normal) / count + 1e-6) * np.eye(count)
        solver = entries @ np.linalg.solve(normal, weighted)
        self._solver = solver.astype(np.float32)

    def shifted(self, moving: Image.Image, pose: np.ndarray) -> np.ndarray:
        """The pose, moved by up to a sixth of the side to where both correlate most."""
        side, reach = moving.width, moving.width // 6
        size = (2 * side, 2 * side)
        waves = np.fft.rfft2(texture(warp(moving, pose)), size)
        waves *= np.fft.rfft2(self.texture, size).conj()
        around = np.roll(np.fft.irfft2(waves, size), (reach, reach), (0, 1))
        around = around[: 2 * reach + 1, : 2 * reach + 1]
        row, column = np.unravel_index(around.argmax(), around.shape)
        move = np.eye(3)
        move[:2, 2] = (column - reach) / side, (row - reach) / side
        return pose @ move

    def align(
        self, moving: Image.Image, pose: np.ndarray, steps: int
    ) -> tuple[np.ndarray, float]:
        """Improves a pose; returns it with the correlation there, 0 where it was lost.

        Args:
            moving: the other film, a square of the same side.
            pose: where to begin.
            steps: most of them.
        """
        # Contrast is local: computed after the warp it is at the goal's scale.
        seen = Image.fromarray(texture(warp(moving, pose)))
        change = np.eye(3)
        for _ in range(steps):
            warped = warp(seen, change)
            error = (warped - self.texture) * ((warped != 0) & self._shows)
            step = (self._solver @ error.ravel()).reshape(2, 3)
            size = np.abs(step).max()
            if not size < 0.3:
                return pose, 0.0
            # To first order the inverse of the step.
            change = change - change[:, :2] @ step
            if size * seen.width < 0.05:
                break
        return pose @ change, self._correlation(warp(seen, change))

    def _correlation(self, warped: np.ndarray) -> float:
        both = (warped != 0) & self._shows
        if np.count_nonzero(both) < 0.1 * both.size:
            return 0.0
        goal, warped = self.texture[both], warped[both]
        return float(goal @ warped / np.sqrt(goal @ goal * (warped @ warped) + 1e-6))

    def similarity(self, moving: Image.Image, pose: np.ndarray) -> float:
        """The correlation that two thirds of the detail reach, tile by tile; -1 to 1.

        Not its mean: a burnt-in letter or a filled corner does not make another film,
        nor do the frame of a cassette and a straight bone make the same one.
        """
        count = moving.width // _TILE
        shape = (count, _TILE, count, _TILE)
        seen = texture(warp(moving, pose))
        both = (seen != 0) & self._shows
        goal, seen = (self.texture * both).reshape(shape), (seen * both).reshape(shape)
        energy = np.sqrt((goal**2).sum((1, 3)) * (seen**2).sum((1, 3))).ravel()
        # Tiles with next to no detail correlate by chance.
        value = (goal * seen).sum((1, 3)).ravel() / (energy + 0.02 * _TILE**2)
        order = np.argsort(value)
        total = np.cumsum(np.minimum(energy, 0.3 * _TILE**2)[order])
        return float(value[order][np.searchsorted(total, total[-1] / 3)])
