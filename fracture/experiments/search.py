"""The published search for hyperparameters: Optuna over a grid, on validation films.

`search.db`, an SQLite file, holds every trial; what it holds is never trained again.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import shutil
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from fracture.data.datasets import source_labels
from fracture.experiments.budget import machine, within
from fracture.experiments.search_report import plot_search, render_search
from fracture.model.network import backbone_weights
from fracture.model.recipe import Recipe
from fracture.model.recipes import RECIPES
from fracture.training.checkpoint import Progress
from fracture.training.fit import kept_epoch
from fracture.training.run import Run

Grid = dict[str, tuple[float, ...]]

# Table III of 'Real-Time Bone Fracture Detection Using MobileNetV2 and Explainable AI
# for Clinical Integration' (2025); dropout is that before the dense layer.
GRID: Grid = {
    "learning rate": (0.1, 0.01, 0.001, 0.0001),
    "batch": (32, 64, 128),
    "dropout": (0.3, 0.5, 0.7),
    "L2": (0.1, 0.01, 0.001),
    "alpha": (0.35, 0.5, 0.75, 1.0),
}
PUBLISHED = "mobilenetv2-paper"  # the recipe of the point chosen there

# A trial is stopped when it is behind the median of the finished ones after as many
# epochs, but not for its first epoch, nor while the median is of fewer than five.
PRUNER = optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=2)
_REPEATS = 10  # proposals of known points in a row, then one is drawn from the others
_DONE = (TrialState.COMPLETE, TrialState.PRUNED)


def at_point(recipe: Recipe, point: dict[str, float]) -> Recipe:
    """A recipe with the values of a point; all its phases get the learning rate."""
    rate = point["learning rate"]
    return dataclasses.replace(
        recipe,
        phases=tuple(dataclasses.replace(p, learning_rate=rate) for p in recipe.phases),
        batch_size=point["batch"],
        dropout=(point["dropout"], recipe.dropout[1]),
        l2=point["L2"],
        alpha=point["alpha"],
    )


def point_of(recipe: Recipe) -> dict[str, float]:
    """The point a recipe is at; see `at_point`."""
    return {
        "learning rate": recipe.phases[0].learning_rate,
        "batch": recipe.batch_size,
        "dropout": recipe.dropout[0],
        "L2": recipe.l2,
        "alpha": recipe.alpha,
    }


def search(
    run: Run, folder: Path, minutes: float, source: str, trials: int
) -> list[dict]:
    """Trains points of the grid until there are `trials`, the published one first.

    Widths that `source` has no weights for are left out, unless it has none at all: a
    network from scratch loses to a pretrained one whatever its point. The published
    point then stands at the nearest width that is left.

    Goes on with the trials that `folder/search.db` lacks; one that was stopped in the
    middle begins again. Writes `search.json`, `search.md` and `search.png` after each.
    Test films are not looked at. The same seed, and the same figures found, lead to the
    same points; how much is trained in the time depends on the machine, though.

    Args:
        run: a recipe of MobileNetV2 and the films.
        minutes: of training for each trial that is not pruned.
        source: of the backbones' weights, see `backbone_weights`.

    Returns:
        One row for each trial, plain JSON types.
    """
    grid = _grid(run.recipe, source)
    left_out = [alpha for alpha in GRID["alpha"] if alpha not in grid["alpha"]]
    published = point_of(RECIPES[PUBLISHED])
    nearest = min(grid["alpha"], key=lambda alpha: abs(alpha - published["alpha"]))
    summary = {
        "recipe": run.recipe.name,
        "seed": run.seed,
        "minutes": minutes,
        "machine": machine(),
        "films": _validation_films(run),
        "grid": grid,
        "left_out": left_out,
        "paper_alpha": published["alpha"],
        "published": {**published, "alpha": nearest},
    }
    study = _open(folder, summary["published"], grid)
    trials = min(trials, math.prod(map(len, grid.values())))
    while True:
        done = study.get_trials(states=_DONE)
        rows = [_row(trial) for trial in done if "repeats" not in trial.user_attrs]
        if rows:
            _write(folder, {**summary, "rows": rows})
        if len(rows) >= trials:
            return rows
        trial = _ask(study, run.seed, grid)
        point = ", ".join(f"{name} {value:g}" for name, value in trial.params.items())
        print(f"\n=== trial {len(rows) + 1} of {trials}: {point} ===")
        try:
            value = _run_trial(run, trial, folder / "checkpoint", minutes, source)
        except optuna.TrialPruned as reason:
            print(f"pruned: {reason}")
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, value)


def _grid(recipe: Recipe, source: str) -> Grid:
    """The published grid, its widths those that there are weights for, if any."""
    widths = (dataclasses.replace(recipe, alpha=alpha) for alpha in GRID["alpha"])
    lent = tuple(wide.alpha for wide in widths if backbone_weights(wide, source))
    return {**GRID, "alpha": lent or GRID["alpha"]}


def _open(folder: Path, first: dict[str, float], grid: Grid) -> optuna.Study:
    """The study of a folder; a new one begins with the point `first`."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    folder.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        storage=f"sqlite:///{folder / 'search.db'}",
        study_name="search",
        direction="maximize",
        pruner=PRUNER,
        load_if_exists=True,
    )
    if not study.trials and all(value in grid[name] for name, value in first.items()):
        study.enqueue_trial(first)
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        # It was stopped in the middle: its process is gone.
        study.enqueue_trial(trial.params)
        study.tell(trial.number, state=TrialState.FAIL)
    return study


def _ask(study: optuna.Study, seed: int, grid: Grid) -> optuna.Trial:
    """A trial at a point that was not tried; a known one is told its value again."""
    categorical = optuna.distributions.CategoricalDistribution
    space = {name: categorical(values) for name, values in grid.items()}
    for _ in range(_REPEATS):
        known = study.get_trials(states=_DONE)
        # Drawn anew from their number alone: a resumed search draws as an unbroken one.
        draw = np.random.SeedSequence((seed, len(known)))
        study.sampler = optuna.samplers.TPESampler(seed=int(draw.generate_state(1)[0]))
        trial = study.ask(space)
        former = next((t for t in known if t.params == trial.params), None)
        if former is None:
            return trial
        trial.set_user_attr("repeats", former.number)
        if former.state == TrialState.COMPLETE:
            study.tell(trial, former.value)
        else:
            for step, value in former.intermediate_values.items():
                trial.report(value, step)
            study.tell(trial, state=TrialState.PRUNED)
    tried = [trial.params for trial in known]
    everywhere = itertools.product(*grid.values())
    points = [dict(zip(grid, values, strict=True)) for values in everywhere]
    points = [point for point in points if point not in tried]
    study.enqueue_trial(points[np.random.default_rng(draw).integers(len(points))])
    return study.ask(space)


def _run_trial(
    run: Run, trial: optuna.Trial, checkpoint: Path, minutes: float, source: str
) -> float:
    """Trains at a trial's point; the validation AUROC of the epoch that is kept.

    Raises:
        optuna.TrialPruned: it was stopped before its end; the message says why.
    """
    keras.utils.clear_session()  # or the networks of all trials stay in memory
    shutil.rmtree(checkpoint, ignore_errors=True)
    recipe = at_point(run.recipe, trial.params)
    initial = backbone_weights(recipe, source)
    if not initial:  # at the searched rate, not at that of a recipe from scratch
        recipe = at_point(recipe.from_scratch(), trial.params)
    sequences = dataclasses.replace(run, recipe=recipe).sequences
    run = dataclasses.replace(run, recipe=within(recipe, minutes, sequences))
    trial.set_user_attr("pretrained", bool(initial))
    trial.set_user_attr("recipe", run.recipe.to_dict())
    epochs = sum(phase.epochs for phase in run.recipe.phases)

    def report(history: Sequence[dict]) -> None:
        row, step = history[-1], len(history)
        if not math.isfinite(row["val_loss"]):
            trial.set_user_attr("diverged", True)
            raise optuna.TrialPruned("its loss is no longer finite")
        trial.report(row["val_logits_auroc"], step)
        if step < epochs and trial.should_prune():
            raise optuna.TrialPruned("behind the median of the trials before it")

    run.train(checkpoint, initial, report)
    history = Progress.load(checkpoint).history
    shutil.rmtree(checkpoint)
    return kept_epoch(run.recipe, history)["val_logits_auroc"]


def _row(trial: FrozenTrial) -> dict:
    noted = trial.user_attrs
    return {
        "trial": trial.number,
        "state": "diverged" if "diverged" in noted else trial.state.name.lower(),
        "value": trial.value,
        "epochs": len(trial.intermediate_values),
        "planned_epochs": sum(phase["epochs"] for phase in noted["recipe"]["phases"]),
        "seconds": round(trial.duration.total_seconds(), 1),
        "pretrained": noted["pretrained"],
        "point": {name: trial.params[name] for name in GRID},
    }


def _validation_films(run: Run) -> dict[str, int]:
    """Those that the AUROC is of: of sources that have normal films."""
    labels = source_labels(run.table.examples)
    validation = run.table.of("validation").examples
    films = [e.label for e in validation if "normal" in labels[e.source]]
    return {"films": len(films), "fractured": len(films) - films.count("normal")}


def _write(folder: Path, summary: dict) -> None:
    text = json.dumps(summary, indent=2) + "\n"
    (folder / "search.json").write_text(text, encoding="utf-8")
    (folder / "search.md").write_text(render_search(summary), encoding="utf-8")
    plot_search(summary, folder / "search.png")
