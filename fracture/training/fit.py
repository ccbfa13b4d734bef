"""The phases of training, and after every epoch a checkpoint that survives a kill."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np

from fracture.model.auxiliary_outputs import fit_cascade
from fracture.model.network import Grid, build_network, map_grid, set_trainable
from fracture.model.recipe import Phase, Recipe
from fracture.training.batches import FilmSequence
from fracture.training.losses import (
    FractureAUROC,
    LabelSetAccuracy,
    label_set_loss,
    localisation_loss,
)

# The parts of a callback's memory that decide when it acts.
_CALLBACK_STATE = ("wait", "best", "cooldown_counter", "best_epoch")

MakeSequences = Callable[[int, Grid], tuple[FilmSequence, FilmSequence]]
AfterEpoch = Callable[[Sequence[dict]], None]


@dataclasses.dataclass
class Progress:
    """Where a run stands; what `--resume` continues from.

    Attributes:
        phase: index of the phase the next epoch belongs to.
        epoch: epochs of that phase already done.
        weights: checkpoint file, in the run's folder.
        callbacks: class name -> remembered attributes.
        history: one row per finished epoch.
    """

    phase: int = 0
    epoch: int = 0
    weights: str = ""
    callbacks: dict[str, dict] = dataclasses.field(default_factory=dict)
    history: list[dict] = dataclasses.field(default_factory=list)

    def save(self, folder: Path, weights: keras.Model | None = None) -> None:
        """Writes the state so that a kill at any moment leaves the old or the new."""
        previous = self.weights
        if weights is not None:
            self.weights = f"phase{self.phase}-epoch{self.epoch}.weights.h5"
            weights.save_weights(folder / self.weights)
        temporary = folder / "progress.json.part"
        temporary.write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")
        os.replace(temporary, folder / "progress.json")
        if previous and previous != self.weights:
            (folder / previous).unlink(missing_ok=True)

    @classmethod
    def load(cls, folder: Path) -> Progress:
        """Reads the state, or starts a new one where there is none."""
        path = folder / "progress.json"
        return cls(**json.loads(path.read_text("utf-8"))) if path.is_file() else cls()


def train(
    recipe: Recipe,
    make_sequences: MakeSequences,
    folder: str | Path,
    backbone_weights: str | None = None,
    seed: int = 0,
    after_epoch: AfterEpoch | None = None,
) -> keras.Model:
    """Trains a recipe, continuing from the checkpoint in `folder` if there is one.

    Args:
        make_sequences: image size and map cells -> training and validation films.
        folder: for checkpoints; made when missing.
        backbone_weights: see `build_network`.
        seed: of initialisation, dropout, order and augmentation.
        after_epoch: is given the history after each checkpoint; what it raises ends
            the training.

    Returns:
        The trained network at `recipe.image_size`. `folder/progress.json` holds the
        history.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    progress = Progress.load(folder)
    keras.utils.set_random_seed(seed)
    carried = folder / f"phase{progress.phase}-start.weights.h5"
    for index in range(progress.phase, len(recipe.phases)):
        phase = recipe.phases[index]
        size = phase.image_size or recipe.image_size
        fresh = index == 0
        weights = backbone_weights if fresh else None
        model = build_network(recipe, size, weights, phase.output_stride)
        if not fresh:
            model.load_weights(carried)
        cells = model.output["evidence"].shape[1]
        grid = map_grid(recipe, cells, phase.output_stride)
        sequences = make_sequences(size, grid)
        if recipe.head == "cascade" and not progress.epoch:
            fit_cascade(model, sequences[0].squares[..., None], sequences[0].examples)
        _run_phase(recipe, phase, model, sequences, folder, progress, after_epoch)
        carried = folder / f"phase{index + 1}-start.weights.h5"
        _bare(model).save_weights(carried)
        progress.phase, progress.epoch, progress.callbacks = index + 1, 0, {}
        progress.save(folder)
    model = build_network(recipe)
    model.load_weights(carried)
    return model


def compile_phase(
    recipe: Recipe, phase: Phase, model: keras.Model, steps: int
) -> keras.Model:
    """The same layers as a phase trains them, with the two outputs that have a loss.

    Args:
        steps: batches of an epoch.
    """
    set_trainable(model, phase.unfreeze, recipe.train_batch_norm)
    model = keras.Model(
        model.input, {name: model.output[name] for name in ("logits", "evidence")}
    )
    model.compile(
        optimizer=_optimizer(recipe, phase, steps),
        loss={"logits": label_set_loss, "evidence": localisation_loss},
        loss_weights={"logits": 1.0, "evidence": recipe.localisation_weight},
        weighted_metrics={"logits": [LabelSetAccuracy(), FractureAUROC()]},
    )
    return model


def kept_epoch(recipe: Recipe, history: Sequence[dict]) -> dict:
    """The row of a finished run's history whose weights the run ends with."""
    rows = [row for row in history if row["phase"] == len(recipe.phases)]
    if recipe.keep == "best" and not recipe.phases[-1].ema:
        return max(rows, key=lambda row: row["val_logits_accuracy"])
    return rows[-1]


def write_history(path: str | Path, history: Sequence[dict]) -> None:
    """Writes one row per epoch as CSV."""
    columns = list(dict.fromkeys(key for row in history for key in row))
    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)


def _bare(model: keras.Model) -> keras.Model:
    """The same layers without the optimizer: the next phase starts its own."""
    return keras.Model(model.input, model.output)


def _run_phase(
    recipe: Recipe,
    phase: Phase,
    model: keras.Model,
    sequences: tuple[FilmSequence, FilmSequence],
    folder: Path,
    progress: Progress,
    after_epoch: AfterEpoch | None,
) -> None:
    films, validation = sequences
    model = compile_phase(recipe, phase, model, len(films))
    if progress.epoch:
        model.optimizer.build(model.trainable_variables)
        model.load_weights(folder / progress.weights)
    best = folder / f"phase{progress.phase}-best.weights.h5"
    callbacks = _callbacks(recipe, phase, best)
    finished = progress.epoch >= phase.epochs or any(
        state.get("stopped") for state in progress.callbacks.values()
    )
    if not finished:
        callbacks.append(_Checkpoint(folder, progress, films, callbacks, after_epoch))
        model.fit(
            films,
            validation_data=validation,
            initial_epoch=progress.epoch,
            epochs=phase.epochs,
            callbacks=callbacks,
            shuffle=False,  # the sequence draws its own reproducible order
        )
    elif phase.ema:
        model.optimizer.finalize_variable_values(model.trainable_variables)
    if recipe.keep == "best" and not phase.ema:
        _bare(model).load_weights(best)


def _optimizer(recipe: Recipe, phase: Phase, steps: int) -> keras.optimizers.Optimizer:
    rate = phase.learning_rate
    if recipe.schedule == "cosine":
        total = steps * phase.epochs
        warm_up = total // 20
        rate = keras.optimizers.schedules.CosineDecay(
            rate / 20, total - warm_up, warmup_target=rate, warmup_steps=warm_up
        )
    average = {"use_ema": True, "ema_momentum": phase.ema} if phase.ema else {}
    if not recipe.weight_decay:
        return keras.optimizers.Adam(rate, **average)
    optimizer = keras.optimizers.AdamW(rate, recipe.weight_decay, **average)
    optimizer.exclude_from_weight_decay(
        var_names=["bias", "gamma", "beta", "log_sharpness"]
    )
    return optimizer


def _callbacks(
    recipe: Recipe, phase: Phase, best: Path
) -> list[keras.callbacks.Callback]:
    callbacks: list[keras.callbacks.Callback] = []
    if phase.ema:
        callbacks.append(keras.callbacks.SwapEMAWeights())
    elif recipe.keep == "best":
        callbacks.append(
            keras.callbacks.ModelCheckpoint(
                str(best),
                monitor="val_logits_accuracy",
                mode="max",
                save_best_only=True,
                save_weights_only=True,
            )
        )
    if recipe.plateau:
        factor, patience = recipe.plateau
        callbacks.append(
            keras.callbacks.ReduceLROnPlateau("val_loss", factor, patience)
        )
    if recipe.early_stopping:
        callbacks.append(
            keras.callbacks.EarlyStopping("val_loss", 0, recipe.early_stopping)
        )
    return callbacks


class _Checkpoint(keras.callbacks.Callback):
    """Saves everything the next epoch depends on; must be the last callback."""

    def __init__(
        self,
        folder: Path,
        progress: Progress,
        films: FilmSequence,
        others: Sequence[keras.callbacks.Callback],
        after_epoch: AfterEpoch | None,
    ):
        super().__init__()
        self.folder, self.progress, self.films = folder, progress, films
        self.others = {type(other).__name__: other for other in others}
        self.after_epoch = after_epoch

    def on_train_begin(self, logs=None):
        for name, state in self.progress.callbacks.items():
            for key in state.keys() - {"stopped"}:
                setattr(self.others[name], key, state[key])

    def on_epoch_begin(self, epoch, logs=None):
        # Films and dropout are drawn anew from the epoch's number alone, because weight
        # files do not hold the state of random generators.
        draw = 1000 * self.progress.phase + epoch
        self.films.start_epoch(draw)
        dropouts = self.model.get_layer("head").dropouts + [
            layer
            for layer in self.model.layers
            if isinstance(layer, keras.layers.Dropout)
        ]
        random = [layer for layer in dropouts if layer.rate > 0]
        for index, layer in enumerate(random):
            layer.seed_generator.state.assign([self.films.seed + index, draw])

    def on_epoch_end(self, epoch, logs=None):
        row = {"phase": self.progress.phase + 1, "epoch": epoch + 1}
        row["films"] = len(self.films.order)
        row["learning_rate"] = float(np.asarray(self.model.optimizer.learning_rate))
        row |= {name: round(float(value), 5) for name, value in (logs or {}).items()}
        self.progress.history.append(row)
        self.progress.epoch = epoch + 1
        self.progress.callbacks = {
            name: {
                key: float(value)
                for key in _CALLBACK_STATE
                if isinstance(value := getattr(other, key, None), (int, float))
            }
            | {"stopped": bool(self.model.stop_training)}
            for name, other in self.others.items()
        }
        self.progress.save(self.folder, self.model)
        if self.after_epoch:
            self.after_epoch(self.progress.history)
