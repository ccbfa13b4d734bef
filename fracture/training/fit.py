"""The phases of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import keras

from fracture.model.auxiliary_outputs import fit_cascade
from fracture.model.network import Grid, build_network, map_grid, set_trainable
from fracture.model.recipe import Phase, Recipe
from fracture.training.batch_norm_folding import fold_batch_norms
from fracture.training.batches import FilmSequence
from fracture.training.checkpoint import AfterEpoch, Checkpoint, Progress
from fracture.training.distillation import (
    STUDENT_METRICS,
    Teacher,
    map_matching_loss,
    matching_loss,
    taught,
)
from fracture.training.losses import (
    FractureAUROC,
    LabelSetAccuracy,
    label_set_loss,
    localisation_loss,
)
from fracture.training.weight_average import WeightAverage, take_statistics

# Image size and map cells -> training films, and validation films if there are any.
MakeSequences = Callable[[int, Grid], tuple[FilmSequence, FilmSequence | None]]


def fit(
    recipe: Recipe,
    make_sequences: MakeSequences,
    folder: str | Path,
    backbone_weights: str | None = None,
    seed: int = 0,
    parts: Sequence[str] = (),
    after_epoch: AfterEpoch | None = None,
    teachers: Sequence[Teacher] = (),
) -> keras.Model:
    """Trains a recipe, continuing from the checkpoint in `folder` if there is one.

    Args:
        folder: for checkpoints; made when missing. Its `progress.json` holds the
            history.
        backbone_weights: see `build_network`.
        seed: of initialisation, dropout, order and augmentation.
        parts: body parts that the network names.
        after_epoch: is given the history after each checkpoint; what it raises ends
            the training.
        teachers: whose answers it learns instead of labels and boxes, if there are any.

    Returns:
        The trained network at `recipe.image_size`.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    progress = Progress.load(folder)
    keras.utils.set_random_seed(seed)
    carried = folder / f"phase{progress.phase}-start.weights.h5"
    for index in range(progress.phase, len(recipe.phases)):
        phase = recipe.phases[index]
        initial = None if index else backbone_weights
        network = build_network(recipe, phase, initial, parts)
        if index:
            network.load_weights(carried)
        sequences = films, _ = phase_sequences(recipe, phase, network, make_sequences)
        if recipe.head == "cascade" and not progress.epoch:
            squares = films.squares[..., None]
            fit_cascade(network, squares, films.examples, parts, components=not index)
        model = compile_phase(recipe, phase, network, len(films), teachers)
        best = folder / f"phase{index}-best.weights.h5"
        callbacks = _callbacks(recipe, phase, best, network, films)
        _run_phase(phase, model, sequences, folder, progress, callbacks, after_epoch)
        if phase.ema:
            take_statistics(network, films)
        elif recipe.keep == "best":
            model.load_weights(best)
        carried = folder / f"phase{index + 1}-start.weights.h5"
        network.save_weights(carried)
        progress.phase, progress.epoch, progress.callbacks = index + 1, 0, {}
        progress.save(folder)
    model = build_network(recipe, parts=parts)
    model.load_weights(carried)
    return model


def phase_sequences(
    recipe: Recipe, phase: Phase, model: keras.Model, make_sequences: MakeSequences
) -> tuple[FilmSequence, FilmSequence | None]:
    """Training and validation films as a phase's network takes them."""
    cells = model.output["evidence"].shape[1]
    return make_sequences(model.input.shape[1], map_grid(recipe, cells, phase))


def compile_phase(
    recipe: Recipe,
    phase: Phase,
    model: keras.Model,
    steps: int,
    teachers: Sequence[Teacher] = (),
) -> keras.Model:
    """The same weights as a phase trains them, in epochs of `steps` batches.

    Only the two outputs that have a loss are left, and frozen batch norms are folded.
    """
    set_trainable(model, recipe, phase.unfreeze)
    if teachers:
        grid = map_grid(recipe, model.output["evidence"].shape[1], phase)
        model = taught(model, grid, teachers)
        losses, metrics = (matching_loss, map_matching_loss), STUDENT_METRICS
    else:
        outputs = {name: model.output[name] for name in ("logits", "evidence")}
        model = keras.Model(model.input, outputs)
        losses = label_set_loss, localisation_loss
        metrics = LabelSetAccuracy, FractureAUROC
    model = fold_batch_norms(model)
    model.compile(
        optimizer=_optimizer(recipe, phase, steps),
        loss=dict(zip(("logits", "evidence"), losses, strict=True)),
        loss_weights={"logits": 1.0, "evidence": recipe.localisation_weight},
        weighted_metrics={"logits": [metric() for metric in metrics]},
    )
    return model


def kept_epoch(recipe: Recipe, history: Sequence[dict]) -> dict:
    """The row of a finished run's history whose weights the run ends with."""
    rows = [row for row in history if row["phase"] == len(recipe.phases)]
    if recipe.keep == "best" and not recipe.phases[-1].ema:
        return max(rows, key=lambda row: row["val_logits_accuracy"])
    return rows[-1]


def _run_phase(
    phase: Phase,
    model: keras.Model,
    sequences: tuple[FilmSequence, FilmSequence | None],
    folder: Path,
    progress: Progress,
    callbacks: list[keras.callbacks.Callback],
    after_epoch: AfterEpoch | None,
) -> None:
    films, validation = sequences
    if progress.epoch:
        model.optimizer.build(model.trainable_variables)
        model.load_weights(folder / progress.weights)
    stopped = any(state.get("stopped") for state in progress.callbacks.values())
    if progress.epoch < phase.epochs and not stopped:
        checkpoint = Checkpoint(folder, progress, films, callbacks, after_epoch)
        model.fit(
            films,
            validation_data=validation,
            initial_epoch=progress.epoch,
            epochs=phase.epochs,
            callbacks=[*callbacks, checkpoint],
            shuffle=False,  # the sequence draws its own reproducible order
        )
    elif phase.ema:
        model.optimizer.finalize_variable_values(model.trainable_variables)


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
    undecayed = ["bias", "gamma", "beta", "log_sharpness"]
    optimizer.exclude_from_weight_decay(var_names=undecayed)
    return optimizer


def _callbacks(
    recipe: Recipe, phase: Phase, best: Path, network: keras.Model, films: FilmSequence
) -> list[keras.callbacks.Callback]:
    callbacks: list[keras.callbacks.Callback] = []
    if phase.ema:
        callbacks += [WeightAverage(network, films)]
    elif recipe.keep == "best":
        callbacks += [
            keras.callbacks.ModelCheckpoint(
                str(best),
                monitor="val_logits_accuracy",
                mode="max",
                save_best_only=True,
                save_weights_only=True,
            )
        ]
    if recipe.plateau:
        callbacks += [keras.callbacks.ReduceLROnPlateau("val_loss", *recipe.plateau)]
    if patience := recipe.early_stopping:
        callbacks += [keras.callbacks.EarlyStopping("val_loss", patience=patience)]
    return callbacks
