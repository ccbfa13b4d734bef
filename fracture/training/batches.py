"""Films as network input: cached squares, augmentation, batches."""

from __future__ import annotations

import math
from collections.abc import Sequence

import keras
import numpy as np

from fracture.data.datasets import Example, source_labels
from fracture.data.labels import label_sets
from fracture.model.network import Grid
from fracture.model.recipe import Augmentation
from fracture.radiograph.letterbox import Letterbox, make_squares
from fracture.training.augmentation import augment, box_grid


class FilmSequence(keras.utils.PyDataset):
    """Batches of films with their label sets and box grids.

    Augmented films are a function of (seed, epoch, position) alone, so a resumed run
    sees what an unbroken one would have seen.

    Args:
        films: uint8 `(height, width)` each.
        size: side of the square.
        grid: cells of the network's map.
        batch_size: the last may be smaller.
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
        squares = make_squares(films, size) if squares is None else squares
        self.squares = squares[..., 0]
        self.boxes = [
            Letterbox(*film.shape, size).to_square(
                np.array(example.boxes, np.float32).reshape(-1, 4)
            )
            for film, example in zip(films, examples, strict=True)
        ]
        sets = [label_sets(e.label, labels_of[e.source]) for e in examples]
        self.sets = np.stack(sets)
        self.examples, self.grid, self.limit = list(examples), grid, limit
        self.batch_size, self.seed = batch_size, seed
        self.augmentation = augmentation
        self.repeats = [1] * len(films) if repeats is None else list(repeats)
        self.start_epoch(0)

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, batch: int):
        start = batch * self.batch_size
        positions = range(len(self.order))[start : start + self.batch_size]
        squares, grids = zip(*map(self._film, positions), strict=True)
        truth = {
            "logits": self.sets[self.order[positions]],
            "evidence": np.stack(grids),
        }
        return np.stack(squares)[..., None], truth

    def start_epoch(self, epoch: int) -> None:
        """Draws the order and the augmentation of an epoch."""
        self.epoch = epoch
        order = np.repeat(np.arange(len(self.squares)), self.repeats)
        if self.augmentation:
            np.random.default_rng((self.seed, epoch)).shuffle(order)
        self.order = order[: self.limit]

    def _film(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        index = self.order[position]
        square, boxes = self.squares[index], self.boxes[index]
        if not self.augmentation:
            return square, box_grid(boxes, self.grid)
        rng = np.random.default_rng((self.seed, self.epoch, position))
        return augment(square, boxes, self.grid, self.augmentation, rng)
