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

import keras
import numpy as np

from fracture.classes import BODY_PARTS
from fracture.classifier import FractureClassifier
from fracture.data.datasets import DatasetError
from fracture.data.film_table import FilmTable
from fracture.data.splits import SPLIT_FILE, read_split
from fracture.evaluation.evaluate import evaluate, predict_films
from fracture.experiments.budget import machine, within
from fracture.experiments.comparison_report import plot_comparison, render_comparison
from fracture.experiments.papers import write_papers
from fracture.model.auxiliary_outputs import embed, fit_body_parts
from fracture.model.export import export_weights, load_keras_model, measure_parity
from fracture.model.gradcam import gradcam_difference
from fracture.model.network import (
    backbone_weights,
    build_network,
    load_network,
    multiply_accumulates,
    recipe_of,
)
from fracture.model.recipe import Recipe
from fracture.training.checkpoint import HISTORY_FILE, Progress, read_history
from fracture.training.run import Run
from fracture.weights import CONFIG_FILE, MODEL_FILE

_TIMED = 30  # predictions that the latency is the median of


class ComparisonError(RuntimeError):
    """A recipe could not be trained to its end; the message says what to do."""


def compare(
    runs: Sequence[Run], folder: Path, source: str, minutes: float | None = None
) -> list[dict]:
    """Trains and evaluates each recipe on the same films.

    A recipe that starts from ImageNet weights is not trained where there are none: its
    row has no figures of quality. What `train.py --recipe` left in the recipe's folder
    is measured as it is. Writes `comparison.json`, `comparison.md`,
    `comparison.png` and, see `fracture.experiments.papers`, `papers.md` after each
    recipe; what is finished there is kept.

    Args:
        runs: recipes over the same table.
        folder: also gets a folder for each recipe.
        source: of the backbones' weights, see `backbone_weights`.
        minutes: of training for each, a quick look; None trains to the recipe's end.

    Returns:
        One row for each recipe, plain JSON types: `recipe`, `plan` (as it was trained),
        `initialisation` (None without weights to start from), `parameters`,
        `multiply_accumulates`, `model_bytes`, `latency_ms`, `films_shown`,
        `export_difference`, `gradcam_difference`, `history` (a row for each epoch) and
        `test`: figures of the largest source that has both labels, or None.

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
            row = _in_own_process(_measure_recipe, run, place, source, minutes)
            finished.write_text(json.dumps(row, indent=2) + "\n", encoding="utf-8")
            shutil.rmtree(place / "checkpoint", ignore_errors=True)
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


def _write(folder: Path, minutes: float | None, rows: Sequence[dict]) -> None:
    summary = {"minutes": minutes, "machine": machine(), "rows": rows}
    text = json.dumps(summary, indent=2) + "\n"
    (folder / "comparison.json").write_text(text, encoding="utf-8")
    (folder / "comparison.md").write_text(render_comparison(summary), encoding="utf-8")
    plot_comparison(rows, folder / "comparison.png")
    write_papers(summary, folder / "papers.md")


def _measure_recipe(run: Run, folder: Path, source: str, minutes: float | None) -> dict:
    recipe, history, parts = run.recipe, [], run.parts
    start = "ImageNet" if recipe.pretrained else "from scratch"
    probe = run.table.of("validation").squares(recipe.image_size)[:16]
    if _is_trained(run, folder):
        print(f"\n=== {recipe.name}, {start}, trained before ===")
        network, history = load_network(folder)[1], read_history(folder / HISTORY_FILE)
        difference = measure_parity(folder, load_keras_model(folder), probe)
    else:
        initial = backbone_weights(recipe, source)
        if initial or not recipe.pretrained:
            print(f"\n=== {recipe.name}, {start} ===")
            recipe = _plan(run, folder / "recipe.json", minutes)
            run = dataclasses.replace(run, recipe=recipe)
            network = run.train(folder / "checkpoint", initial)
            history = Progress.load(folder / "checkpoint").history
        else:
            print(f"\n=== {recipe.name}, not trained: it has no ImageNet weights ===")
            start, network, parts = None, build_network(recipe), ()
        difference = _export(run, network, folder, probe, parts)
    return {
        "recipe": recipe.name,
        "plan": recipe.to_dict(),
        "initialisation": start,
        "parameters": network.count_params(),
        "multiply_accumulates": multiply_accumulates(network),
        "model_bytes": (folder / MODEL_FILE).stat().st_size,
        "latency_ms": _latency(folder),
        "films_shown": sum(row.get("films", 0) for row in history),
        "export_difference": difference,
        "gradcam_difference": gradcam_difference(network, probe[:8]),
        "history": history,
        "test": _test_figures(folder, run.table.of("test")) if history else None,
    }


def _is_trained(run: Run, folder: Path) -> bool:
    """Whether `train.py --recipe` left the weights of this recipe there.

    Raises:
        ComparisonError: it did, on another split.
    """
    needed = (CONFIG_FILE, HISTORY_FILE, SPLIT_FILE)
    if not all((folder / name).is_file() for name in needed):
        return False
    if recipe_of(folder) != run.recipe:
        return False
    names = [example.name for example in run.table.examples]
    if read_split(folder / SPLIT_FILE) != dict(
        zip(names, run.table.splits, strict=True)
    ):
        raise ComparisonError(f"{folder} was trained on another split: move it away")
    return True


def _export(
    run: Run,
    network: keras.Model,
    folder: Path,
    probe: np.ndarray,
    parts: Sequence[str],
) -> float:
    """The weights folder of a network; the largest difference from it."""
    films, recipe = run.table.of("train"), run.recipe
    if parts:
        embedding = embed(network, films.squares(recipe.image_size))
        fit_body_parts(network, embedding, films.examples, parts)
    serving, _ = run.calibrate(network)
    provenance = run.table.counts()
    return export_weights(folder, recipe, network, serving, parts, provenance, probe)


def _plan(run: Run, planned: Path, minutes: float | None) -> Recipe:
    """The recipe cut to the time; a resumed run must not measure another rate."""
    if minutes is None:
        return run.recipe
    if planned.is_file():
        return Recipe.from_dict(json.loads(planned.read_text(encoding="utf-8")))
    recipe = within(run.recipe, minutes, run.sequences)
    planned.write_text(json.dumps(recipe.to_dict()), encoding="utf-8")
    return recipe


def _test_figures(folder: Path, test: FilmTable) -> dict:
    """Of the largest source that has both labels; the likeliest part of all films."""
    classifier = FractureClassifier.from_pretrained(folder)
    predictions = predict_films(classifier, test.films, "test")
    report = evaluate(test.examples, test.groups, predictions)
    if not report["fracture"]:
        raise DatasetError("no source has normal and fractured test films")
    source, figures = max(report["fracture"].items(), key=lambda item: item[1]["films"])
    keys = ("films", "fractured", "auroc", "accuracy", "confusion")
    parts = {
        name: {key: row[key] for key in ("films", "fractured", "auroc")}
        for name, row in figures["subgroups"].items()
        if name in BODY_PARTS
    }
    return {
        "source": source,
        **{key: figures[key] for key in keys},
        "parts": parts,
        "likeliest_part": report["likeliest_part"],
    }


def _latency(folder: Path) -> float:
    """Median milliseconds of one film through the exported network."""
    classifier = FractureClassifier.from_pretrained(folder)
    side = classifier.config.image_size
    film = np.random.default_rng(0).integers(0, 256, (1, side, side, 1), np.uint8)
    times = timeit.repeat(lambda: classifier.run_squares(film), repeat=_TIMED, number=1)
    return round(1000 * statistics.median(times), 2)
