"""Films as network input: cached squares, augmentation, batches."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import keras
import numpy as np

from fracture.data.datasets import Example, source_labels
from fracture.data.labels import label_sets
from fracture.model.network import Grid
from fracture.model.recipe import Augmentation
from fracture.radiograph.letterbox import Letterbox, make_squares
from fracture.training.augmentation import augment, box_grid
from fracture.training.paste import Donors


def cores() -> int:
    """Cores that this process may use."""
    usable = getattr(os, "sched_getaffinity", None)
    return len(usable(0)) if usable else os.cpu_count() or 1


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
        workers: that make batches; None is one for each core.
        processes: whether they are processes, not threads; no film depends on either.
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
        workers: int | None = None,
        processes: bool = False,
    ):
        workers = workers or max(2, cores())
        super().__init__(workers, processes, max_queue_size=max(8, 2 * workers))
        labels_of = labels_of or source_labels(examples)
        squares = make_squares(films, size) if squares is None else squares
        self.squares = squares[..., 0]
        self.shapes = [film.shape for film in films]
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
        if augmentation and augmentation.paste:
            self.donors = Donors(self.squares, self.boxes, self.examples)
        self.start_epoch(0)

    def __len__(self) -> int:
        return math.ceil(len(self.order) / self.batch_size)

    def __getitem__(self, batch: int):
        start = batch * self.batch_size
        positions = range(len(self.order))[start : start + self.batch_size]
        squares, grids, sets = (
            np.stack(part) for part in zip(*map(self._film, positions), strict=True)
        )
        if self.augmentation and self.augmentation.mixup:
            # A stream that no film has.
            seeds = np.random.SeedSequence(
                (self.seed, self.epoch, batch), spawn_key=(9,)
            )
            rng = np.random.default_rng(seeds)
            squares, grids, sets = mix(
                squares, grids, sets, self.augmentation.mixup, rng
            )
        return squares[..., None], {"logits": sets, "evidence": grids}

    def start_epoch(self, epoch: int) -> None:
        """Draws the order and the augmentation of an epoch."""
        self.epoch = epoch
        order = np.repeat(np.arange(len(self.squares)), self.repeats)
        if self.augmentation:
            np.random.default_rng((self.seed, epoch)).shuffle(order)
        self.order = order[: self.limit]

    def _film(self, position: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A film, the grid of its boxes and its label sets."""
        index = self.order[position]
        square, boxes, sets = self.squares[index], self.boxes[index], self.sets[index]
        by = self.augmentation
        if not by:
            return square, box_grid(boxes, self.grid), sets
        rng = np.random.default_rng((self.seed, self.epoch, position))
        label = self.examples[index].label
        if by.paste and label == "normal":
            (own,) = rng.spawn(1)
            lent = self.donors.lend(index, own) if own.random() < by.paste else None
            if lent:
                square, boxes, donor = lent
                label, sets = self.examples[donor].label, self.sets[donor]
        # Where the fracture is not known, the whole film stays in view.
        kept = self._frame(index) if label != "normal" and not len(boxes) else boxes
        return *augment(square, boxes, self.grid, by, rng, kept), sets

    def _frame(self, index: int) -> np.ndarray:
        """The film inside its square, as a box `(1, 4)`."""
        letterbox = Letterbox(*self.shapes[index], len(self.squares[index]))
        return letterbox.to_square(np.array([[0.0, 0.0, 1.0, 1.0]]))


def mix(
    squares: np.ndarray,
    grids: np.ndarray,
    sets: np.ndarray,
    alpha: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mixes each film of a batch with another (mixup), and what is known of them.

    Two films may come of sources that can say different things, so their label sets are
    not mixed: each keeps its own, and `label_set_loss` weighs one loss by the share of
    each film.

    Args:
        squares: uint8 `(n, size, size)`.
        grids: `(n, cells, cells)`, see `box_grid`.
        sets: `(n, 2, 3)`.
        alpha: of the Beta distribution of the shares.

    Returns:
        uint8 squares, grids, and sets `(n, 2, 2, 3)`: those of the greater part first;
        their ones are the shares.
    """
    share = rng.beta(alpha, alpha, len(squares)).astype(np.float32)
    share = np.maximum(share, 1 - share)
    other = rng.permutation(len(squares))

    def mixed(of: np.ndarray) -> np.ndarray:
        by = share.reshape(-1, *[1] * (of.ndim - 1))
        return by * of + (1 - by) * of[other]

    weights = np.stack([share, 1 - share], axis=1)[..., None, None]
    both = np.stack([sets, sets[other]], axis=1) * weights
    return np.rint(mixed(squares)).astype(np.uint8), mixed(grids), both
