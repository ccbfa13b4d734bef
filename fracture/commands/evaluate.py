"""`evaluate`: what the classifier does on labelled films."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from fracture.commands.options import Weights, fail, told, training_extra


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
) -> None:
    """Measures the classifier on labelled films, with 95 % intervals."""
    with training_extra("evaluate"):
        from fracture.card.console import print_evaluation
        from fracture.card.figures import plot_report
        from fracture.data.datasets import DatasetError
        from fracture.evaluation.report import evaluate_folder
    try:
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
