"""Random changes of a training film, and of the boxes on it alike."""

from __future__ import annotations

import numpy as np
from PIL import Image

from fracture.model.network import Grid
from fracture.model.recipe import Augmentation


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
) -> tuple[np.ndarray, np.ndarray]:
    """Changes a film and the grid of its boxes by the same random transform.

    A draw that pushes every box out of the frame is drawn again, so a label never
    outlives what it names.

    Args:
        square: uint8 `(size, size)`.
        boxes: `(n, 4)` in its pixels.

    Returns:
        The changed square and its `box_grid`.
    """
    for _ in range(20):
        matrix = _draw_affine(augmentation, len(square), rng)
        inside = box_grid(boxes, grid, matrix)
        if not len(boxes) or inside.any():
            break
    film, affine = Image.fromarray(square), tuple(matrix.ravel())
    warped = film.transform(film.size, Image.AFFINE, affine, Image.BILINEAR)
    grey = _draw_grey_curve(augmentation, rng)[np.asarray(warped)]
    if augmentation.noise:
        sigma = np.float32(rng.uniform(0, augmentation.noise))
        grey = grey + sigma * rng.standard_normal(grey.shape, np.float32)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8), inside


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
