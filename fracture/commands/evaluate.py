"""`evaluate`: what the classifier does on labelled films."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from fracture.commands.options import Weights, extra, fail, told


def evaluate(
    data: Annotated[Path, typer.Argument(help="folder or manifest of labelled films")],
    weights: Weights = "weights",
    split: Annotated[
        str | None, typer.Option(help="only the films of this split, such as test")
    ] = None,
    split_file: Annotated[
        Path | None, typer.Option(help="which film is where; default: of the weights")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            dir_okay=False,
            help="JSON file for the report; figures go beside it",
        ),
    ] = None,
    write: Annotated[
        bool,
        typer.Option(
            "--write",
            help="measure every figure of the card anew, on all films of the training; "
            "writes metrics.json and figures into the weights folder",
        ),
    ] = False,
) -> None:
    """Measures the classifier on labelled films, with 95 % intervals."""
    if write and (split or split_file or out):
        raise typer.BadParameter("--write takes the weights' own split and folder")
    with extra("evaluate", "train"):
        from fracture.card.console import print_evaluation
        from fracture.card.figures import plot_report
        from fracture.data.datasets import DatasetError
        from fracture.evaluation.report import evaluate_folder
    try:
        if write:
            with told():
                _measure_anew(data, Path(weights))
            return
        if out:  # before the films are read: minutes of work must not be lost
            out.parent.mkdir(parents=True, exist_ok=True)
        with told():
            report = evaluate_folder(data, weights, split, split_file)
    except (DatasetError, OSError) as error:
        fail(str(error))
    print_evaluation(report)
    if out:
        out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
        figures = plot_report(report, out.parent / f"{out.stem}_figures")
        typer.echo(f"wrote {out} and {len(figures)} figures")


def _measure_anew(data: Path, weights: Path) -> None:
    """Writes metrics.json and figures of a folder that `train.py` wrote."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with extra("evaluate --write", "train"):
        from fracture.card.card import read_metrics
        from fracture.card.figures import plot_report
        from fracture.data.film_table import load_table
        from fracture.evaluation.measure import is_published, measure, write_metrics
    split_file = weights / "split.csv"
    try:
        before = read_metrics(weights)
        trained = before["command"], before["seed"]
    except (OSError, ValueError, KeyError):
        fail(f"{weights} has no metrics.json of a training, which names its command")
    if not split_file.is_file():
        fail(f"{weights} has no split.csv: which films were tested is not known")
    published = is_published(before["command"])
    table = load_table(data, split_file, seed=0, train_only=(), published=published)
    metrics = measure(weights, table, *trained)
    for name in {
        "out_of_fold",
        "taught",
    } & before.keys():  # these weights cannot say it
        metrics[name] = before[name]
    write_metrics(weights, metrics)
    figures = plot_report(metrics["test"], weights / "figures")
    typer.echo(
        f"wrote {weights / 'metrics.json'} and {len(figures)} figures; the card: "
        f"python -m fracture.card {weights} MODEL_CARD.md"
    )
