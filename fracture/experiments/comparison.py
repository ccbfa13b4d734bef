"""Several recipes trained alike, in one table and one plot."""

from __future__ import annotations

import dataclasses
import json
import multiprocessing
import shutil
import statistics
import timeit
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np

from fracture.classifier import FractureClassifier
from fracture.data.datasets import DatasetError
from fracture.evaluation.evaluate import evaluate, predict_films
from fracture.experiments.budget import machine, within
from fracture.experiments.comparison_report import plot_comparison, render_comparison
from fracture.model.export import export_weights
from fracture.model.gradcam import gradcam_difference
from fracture.model.network import backbone_weights, multiply_accumulates
from fracture.model.recipe import Recipe
from fracture.training.checkpoint import Progress
from fracture.training.run import Run
from fracture.weights import MODEL_FILE

_TIMED = 30  # predictions that the latency is the median of


class ComparisonError(RuntimeError):
    """A recipe could not be trained to its end; the message says what to do."""


def compare(
    runs: Sequence[Run], folder: Path, minutes: float, source: str
) -> list[dict]:
    """Trains and evaluates each recipe on the same films in about the same time.

    Writes `comparison.json`, `comparison.md` and `comparison.png` after each recipe;
    what is finished there is kept.

    Args:
        runs: recipes over the same table.
        folder: also gets a folder for each recipe.
        minutes: of training for each.
        source: of the backbones' weights, see `backbone_weights`.

    Returns:
        One row for each recipe, plain JSON types.

    Raises:
        DatasetError: the test films cannot tell fractured from normal.
        ComparisonError: the process of a recipe was killed.
    """
    rows = []
    for run in runs:
        place = folder / run.recipe.name
        finished = place / "row.json"
        place.mkdir(parents=True, exist_ok=True)
        if not finished.is_file():
            row = _in_own_process(_measure_recipe, run, place, minutes, source)
            finished.write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")
            shutil.rmtree(place / "checkpoint")
        rows.append(json.loads(finished.read_text(encoding="utf-8")))
        _write(folder, minutes, rows)
    # Once more and all in a row: only so they are comparable.
    for row in rows:
        row["latency_ms"] = _latency(folder / row["recipe"])
    _write(folder, minutes, rows)
    return rows


def _in_own_process(function: Callable, run: Run, *arguments) -> dict:
    """Memory that training took is given back; a recipe too large ends itself alone."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawn) as pool:
        try:
            return pool.submit(function, run, *arguments).result()
        except BrokenProcessPool:
            message = (
                f"training {run.recipe.name} was killed, perhaps for want of memory; "
                "the same command with --resume goes on"
            )
            raise ComparisonError(message) from None


def _write(folder: Path, minutes: float, rows: Sequence[dict]) -> None:
    summary = {"minutes": minutes, "machine": machine(), "rows": rows}
    text = json.dumps(summary, indent=2) + "\n"
    (folder / "comparison.json").write_text(text, encoding="utf-8")
    (folder / "comparison.md").write_text(render_comparison(summary), encoding="utf-8")
    plot_comparison(rows, folder / "comparison.png")


def _measure_recipe(run: Run, folder: Path, minutes: float, source: str) -> dict:
    recipe, planned = run.recipe, folder / "recipe.json"
    initial = backbone_weights(recipe, source)
    print(f"\n=== {recipe.name}, {'pretrained' if initial else 'from scratch'} ===")
    # What was planned once is kept: a resumed run must not measure another rate.
    if planned.is_file():
        recipe = Recipe.from_dict(json.loads(planned.read_text(encoding="utf-8")))
    else:
        recipe = recipe if initial else recipe.from_scratch()
        recipe = within(recipe, minutes, run.sequences)
        planned.write_text(json.dumps(recipe.to_dict()), encoding="utf-8")
    run = dataclasses.replace(run, recipe=recipe)
    network = run.train(folder / "checkpoint", initial)
    history = Progress.load(folder / "checkpoint").history
    serving, probe = run.calibrate(network)
    difference = export_weights(
        folder, recipe, network, serving, (), run.table.counts(), probe[:16]
    )
    classifier = FractureClassifier.from_pretrained(folder)
    test = run.table.of("test")
    predictions = predict_films(classifier, test.films, "test")
    report = evaluate(test.examples, test.groups, predictions)
    if not report["fracture"]:
        raise DatasetError("no source has normal and fractured test films")
    # Figures of the largest source that has both.
    name, figures = max(report["fracture"].items(), key=lambda item: item[1]["films"])
    keys = ("films", "fractured", "accuracy", "precision", "recall", "f1", "auroc")
    return {
        "recipe": recipe.name,
        "initialisation": "ImageNet" if initial else "from scratch",
        "parameters": network.count_params(),
        "multiply_accumulates": multiply_accumulates(network),
        "model_bytes": (folder / MODEL_FILE).stat().st_size,
        "latency_ms": _latency(folder),
        "epochs": [phase.epochs for phase in recipe.phases],
        "films_shown": sum(row["films"] for row in history),
        "source": name,
        **{key: figures[key] for key in keys},
        "export_difference": difference,
        "gradcam_difference": gradcam_difference(network, probe[:8]),
    }


def _latency(folder: Path) -> float:
    """Median milliseconds of one film through the exported network."""
    classifier = FractureClassifier.from_pretrained(folder)
    side = classifier.config.image_size
    film = np.random.default_rng(0).integers(0, 256, (1, side, side, 1), np.uint8)
    times = timeit.repeat(lambda: classifier.run_squares(film), repeat=_TIMED, number=1)
    return round(1000 * statistics.median(times), 2)
