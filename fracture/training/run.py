"""One recipe on one table of films: its batches, its training, its calibration."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence
from pathlib import Path

import keras
import numpy as np

from fracture.classes import MAPS
from fracture.data.datasets import source_labels
from fracture.data.film_table import FilmTable
from fracture.model.auxiliary_outputs import named_parts
from fracture.model.calibration import Serving, evidence_of
from fracture.model.network import Grid, map_grid
from fracture.model.recipe import Recipe
from fracture.training.batches import FilmSequence
from fracture.training.checkpoint import AfterEpoch
from fracture.training.distillation import Teacher
from fracture.training.fit import fit


@dataclasses.dataclass(frozen=True)
class Run:
    """A recipe and the films it learns from.

    Attributes:
        train_only: sources whose labels are too noisy to evaluate on.
        workers: that make batches; None is one for each core.
        processes: whether they are processes, not threads.
    """

    recipe: Recipe
    table: FilmTable
    seed: int = 0
    train_only: Collection[str] = ()
    workers: int | None = None
    processes: bool = False

    @property
    def parts(self) -> tuple[str, ...]:
        """Body parts that its network names."""
        return named_parts(self.table.of("train").examples)

    def films(self, split: str, size: int, grid: Grid) -> FilmSequence:
        """The films of a split as batches: augmented and repeated if it is `train`."""
        part, recipe, shown = self.table.of(split), self.recipe, {}
        if split == "train":
            repeated = [
                example.label != "normal" and example.source not in self.train_only
                for example in part.examples
            ]
            shown = {
                "augmentation": recipe.augmentation,
                "limit": recipe.epoch_films,
                "repeats": np.where(repeated, recipe.fracture_repeats, 1),
            }
        return FilmSequence(
            part.films,
            part.examples,
            size,
            grid,
            recipe.batch_size,
            seed=self.seed,
            labels_of=source_labels(self.table.examples),
            squares=part.squares(size),
            workers=self.workers,
            processes=self.processes,
            **shown,
        )

    def sequences(
        self, size: int, grid: Grid
    ) -> tuple[FilmSequence, FilmSequence | None]:
        """Training films, and validation films where there are any."""
        splits = ("train", "validation")
        films, validation = (
            self.films(split, size, grid) if split in self.table.splits else None
            for split in splits
        )
        return films, validation

    def served(self, split: str, network: keras.Model) -> FilmSequence:
        """The films of a split as the finished network sees them."""
        grid = map_grid(self.recipe, network.output["evidence"].shape[1])
        return self.films(split, self.recipe.image_size, grid)

    def train(
        self,
        checkpoints: Path,
        backbone_weights: str | None,
        after_epoch: AfterEpoch | None = None,
        teachers: Sequence[Teacher] = (),
    ) -> keras.Model:
        """Trains, or goes on where `checkpoints` stand; see `fit`."""
        films = self.recipe, self.sequences
        how = backbone_weights, self.seed, self.parts, after_epoch, teachers
        return fit(*films, checkpoints, *how)

    def calibrate(self, network: keras.Model) -> tuple[Serving, np.ndarray]:
        """What validation films say, and 64 of them, `(64, size, size, 1)`."""
        films = self.served("validation", network)
        outputs = network.predict(films)
        maps = outputs["heatmaps"][..., MAPS.index("fracture")]
        said = outputs["logits"], evidence_of(maps)
        serving = Serving.fit(*said, films.sets, outputs["novelty"])
        return serving, films.squares[:64, ..., None]
