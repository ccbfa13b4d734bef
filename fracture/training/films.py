"""Films as network input: cached squares, augmentation, batches."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np
from PIL import Image

from fracture.letterbox import Letterbox
from fracture.training.datasets import Example, source_labels
from fracture.training.labels import label_sets
from fracture.training.networks import Grid
from fracture.training.recipe import Augmentation


class FilmSequence(keras.utils.PyDataset):
    """Batches of films with their label sets and box grids.

    Augmented films are a function of (seed, epoch, position) alone, so a resumed run
    sees what an unbroken one would have seen.

    Args:
        films: uint8 `(height, width)` each.
        examples: their table rows.
        size: side of the square.
        grid: cells of the network's map.
        batch_size: films a batch; the last may be smaller.
        augmentation: None yields the films as served, in order.
        repeats: how often an epoch shows each film; None is once.
        labels_of: source -> labels that occur in it, over all splits.
        limit: most films an epoch shows, newly drawn each time; None is all.
        squares: `make_squares` of the films where it was made before.
    """

    def __init__(
        self,
        films: Sequence[np.ndarray],
        examples: Sequence[Example],
        size: int,
        grid: Grid,
        batch_size: int,
        augmentation: Augmentation | None = None,
        repeats: Sequence[int] | None = None,
        seed: int = 0,
        labels_of: dict[str, set[str]] | None = None,
        limit: int | None = None,
        squares: np.ndarray | None = None,
        workers: int = 2,
    ):
        super().__init__(workers=workers, max_queue_size=8)
        labels_of = labels_of or source_labels(examples)
        boxed = [Letterbox(*film.shape, size) for film in films]
        squares = make_squares(films, size) if squares is None else squares
        self.squares = squares[..., 0]
        self.boxes = [
            box.to_square(np.array(example.boxes, np.float32).reshape(-1, 4))
            for box, example in zip(boxed, examples, strict=True)
        ]
        self.sets = np.stack(
            [label_sets(e.label, labels_of[e.source]) for e in examples]
        )
        self.examples, self.grid, self.limit = list(examples), grid, limit
        self.size, self.batch_size, self.seed = size, batch_size, seed
        self.augmentation = augmentation
        self.repeats = [1] * len(films) if repeats is None else list(repeats)
        self.epoch = 0
        self.order = self._draw_order()

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, batch: int):
        positions = range(
            batch * self.batch_size,
            min((batch + 1) * self.batch_size, len(self.order)),
        )
        squares, grids = zip(*(self._film(p) for p in positions), strict=True)
        sets = self.sets[self.order[positions.start : positions.stop]]
        return np.stack(squares)[..., None], {
            "logits": sets,
            "evidence": np.stack(grids),
        }

    def start_epoch(self, epoch: int) -> None:
        """Draws the order and the augmentation of an epoch."""
        self.epoch = epoch
        self.order = self._draw_order()

    def _draw_order(self) -> np.ndarray:
        order = np.repeat(np.arange(len(self.squares)), self.repeats)
        if self.augmentation:
            np.random.default_rng((self.seed, self.epoch)).shuffle(order)
        return order[: self.limit]

    def _film(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        index = self.order[position]
        square, boxes = self.squares[index], self.boxes[index]
        if not self.augmentation:
            return square, box_grid(boxes, self.grid)
        rng = np.random.default_rng((self.seed, self.epoch, position))
        return augment(square, boxes, self.grid, self.augmentation, rng)


def make_squares(films: Sequence[np.ndarray], size: int) -> np.ndarray:
    """Letterboxes films (uint8 `(height, width)`) to `(n, size, size, 1)`."""
    squares = [Letterbox(*film.shape, size).apply(film) for film in films]
    return np.stack(squares)[..., None]


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
    size = len(square)
    for _ in range(20):
        matrix = _draw_affine(augmentation, size, rng)
        inside = box_grid(boxes, grid, matrix)
        if not len(boxes) or inside.any():
            break
    warped = Image.fromarray(square).transform(
        (size, size),
        Image.Transform.AFFINE,
        tuple(matrix.ravel()),
        Image.Resampling.BILINEAR,
    )
    grey = _draw_grey_curve(augmentation, rng)[np.asarray(warped)]
    if augmentation.noise:
        sigma = np.float32(rng.uniform(0, augmentation.noise))
        grey = grey + sigma * rng.standard_normal(grey.shape, np.float32)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8), inside


def _draw_affine(
    augmentation: Augmentation, size: int, rng: np.random.Generator
) -> np.ndarray:
    """2 x 3 matrix from output to input pixels, about the centre."""
    angle = np.deg2rad(rng.uniform(-1, 1) * augmentation.rotation)
    scale = 1 / (1 + rng.uniform(-1, 1) * augmentation.zoom)
    flips = rng.random(2) < 0.5
    flip_x = -1 if flips[0] and augmentation.horizontal_flip else 1
    flip_y = -1 if flips[1] and augmentation.vertical_flip else 1
    shift = rng.uniform(-1, 1, 2) * augmentation.shift * size
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cos * flip_x, sin * flip_y], [-sin * flip_x, cos * flip_y]])
    centre = np.full(2, size / 2)
    return np.column_stack([linear, centre - linear @ (centre + shift)])


def _draw_grey_curve(
    augmentation: Augmentation, rng: np.random.Generator
) -> np.ndarray:
    """float32 look-up table of 256 grey levels; black stays black without contrast."""
    grey = np.linspace(0, 1, 256, dtype=np.float32)
    gamma = (1 + augmentation.gamma) ** rng.uniform(-1, 1)
    contrast = 1 + rng.uniform(-1, 1) * augmentation.contrast
    brightness = 1 + rng.uniform(-1, 1) * augmentation.brightness
    return ((grey**gamma - 0.5) * contrast + 0.5) * brightness * 255
