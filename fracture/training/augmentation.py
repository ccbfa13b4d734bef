"""Random changes of a training film, and of the boxes on it alike."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fracture.model.network import Grid
from fracture.model.recipe import Augmentation
from fracture.training import degradation


def box_grid(
    boxes: np.ndarray, grid: Grid, matrix: np.ndarray | None = None
) -> np.ndarray:
    """Share of each map cell that lies in a box, the best cell scaled to 1.

    Args:
        boxes: `(n, 4)` in pixels of the square.
        matrix: 2 x 3 affine map from output to input pixels, as Pillow's.

    Returns:
        float32 `(cells, cells)`; zero without boxes.
    """
    first, stride, cells = grid
    if not len(boxes):
        return np.zeros((cells, cells), np.float32)
    fine = 8  # samples per cell and axis
    centres = first + ((np.arange(cells * fine) + 0.5) / fine - 0.5) * stride
    x, y = np.meshgrid(centres, centres)
    if matrix is not None:
        x, y = (row[0] * x + row[1] * y + row[2] for row in matrix)
    inside = np.zeros(x.shape, bool)
    for x0, y0, x1, y1 in boxes:
        # A box thinner than the sampling still marks its cell.
        pad = stride / fine / 2
        inside |= (x > x0 - pad) & (x < x1 + pad) & (y > y0 - pad) & (y < y1 + pad)
    share = inside.reshape(cells, fine, cells, fine).mean((1, 3), dtype=np.float32)
    return share / max(share.max(), 1e-9)


def augment(
    square: np.ndarray,
    boxes: np.ndarray,
    grid: Grid,
    augmentation: Augmentation,
    rng: np.random.Generator,
    kept: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Changes a film and the grid of its boxes by the same random transform.

    A draw that pushes every box out of the frame is drawn again, so a label never
    outlives what it names. Where `scale` is drawn, all that is kept fits into it.

    Args:
        square: uint8 `(size, size)`.
        boxes: `(n, 4)` in its pixels.
        kept: `(m, 4)`, what `scale` and `collimation` leave in view; None: the boxes.

    Returns:
        The changed square and its `box_grid`.
    """
    (own,) = rng.spawn(1)  # what came later must not move the draws of what was there
    kept, size = boxes if kept is None else kept, len(square)
    for _ in range(20):
        matrix = _draw_affine(augmentation, size, rng)
        if augmentation.scale:
            matrix = _draw_scale(augmentation.scale, matrix, kept, size, own)
        inside = box_grid(boxes, grid, matrix)
        if not len(boxes) or inside.any():
            break
    warped = _warp(Image.fromarray(square), matrix, smooth=bool(augmentation.scale))
    if augmentation.blur:
        warped = degradation.blur(warped, augmentation.blur, own)
    grey = _draw_grey_curve(augmentation, rng)[np.asarray(warped)]
    if augmentation.noise:
        sigma = np.float32(rng.uniform(0, augmentation.noise))
        grey = grey + sigma * rng.standard_normal(grey.shape, np.float32)
    if own.random() < augmentation.collimation:
        grey = degradation.collimate(grey, _corners(kept, matrix), own)
    film = np.clip(np.rint(grey), 0, 255).astype(np.uint8)
    if augmentation.jpeg:
        film = degradation.compress(film, augmentation.jpeg, own)
    return film, inside


def _draw_scale(
    limits: tuple[float, float],
    matrix: np.ndarray,
    kept: np.ndarray,
    size: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """A matrix that scales as well, about the film's centre, and keeps things in view.

    What is too large for the frame is scaled to fit, what sticks out is moved back.
    """
    centre = np.full(2, size / 2)
    shown = _invert(matrix, centre)  # where the centre of the film is seen
    scale = np.exp(rng.uniform(*np.log(limits)))

    def scaled(by: float) -> np.ndarray:
        linear = matrix[:, :2] / by
        return np.column_stack([linear, centre - linear @ shown])

    found = scaled(scale)
    if not len(kept):
        return found
    reach = float(np.ptp(_corners(kept, found), axis=0).max())
    if reach > size:
        found = scaled(scale * size / reach * (1 - 1e-6))
    corners = _corners(kept, found)
    move = np.maximum(-corners.min(0), 0) + np.minimum(size - corners.max(0), 0)
    found[:, 2] -= found[:, :2] @ move
    return found


def _invert(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Where points `(..., 2)` of the film are seen."""
    return np.linalg.solve(matrix[:, :2], (points - matrix[:, 2]).T).T


def _corners(boxes: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Where the corners of boxes `(n, 4)` are seen: `(4 n, 2)`."""
    boxes = np.asarray(boxes, float)
    return _invert(matrix, boxes[:, [0, 1, 2, 1, 0, 3, 2, 3]].reshape(-1, 2))


def _warp(film: Image.Image, matrix: np.ndarray, smooth: bool) -> Image.Image:
    """Resamples; `smooth` films are made smaller first where their pixels are."""
    size, shrink = film.size, np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    if smooth and shrink > 1:
        side = max(1, round(film.width / shrink))
        matrix = matrix * side / film.width
        film = film.resize((side, side), Image.Resampling.BILINEAR)
    affine = tuple(matrix.ravel())
    return film.transform(size, Image.AFFINE, affine, Image.BILINEAR)


def _draw_affine(by: Augmentation, size: int, rng: np.random.Generator) -> np.ndarray:
    """2 x 3 matrix from output to input pixels, about the centre."""
    angle = np.deg2rad(rng.uniform(-1, 1) * by.rotation)
    scale = 1 / (1 + rng.uniform(-1, 1) * by.zoom)
    allowed = by.horizontal_flip, by.vertical_flip
    flips = np.where((rng.random(2) < 0.5) & allowed, -1, 1)
    shift = rng.uniform(-1, 1, 2) * by.shift * size
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cos, sin], [-sin, cos]]) * flips
    centre = np.full(2, size / 2)
    return np.column_stack([linear, centre - linear @ (centre + shift)])


def _draw_grey_curve(by: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """float32 look-up table of 256 grey levels; black stays black without contrast."""
    grey = np.linspace(0, 1, 256, dtype=np.float32)
    gamma = (1 + by.gamma) ** rng.uniform(-1, 1)
    contrast = 1 + rng.uniform(-1, 1) * by.contrast
    brightness = 1 + rng.uniform(-1, 1) * by.brightness
    return ((grey**gamma - 0.5) * contrast + 0.5) * brightness * 255
