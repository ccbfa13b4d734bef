"""`evaluate`: what the classifier does on labelled films."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    data: Annotated[Path, typer.Argument(help="folder or manifest of labelled films")],
    weights: Annotated[Path, typer.Option(help="weights folder")] = Path("weights"),
    split: Annotated[
        str | None, typer.Option(help="only the films of this split, such as test")
    ] = None,
    split_file: Annotated[
        Path | None, typer.Option(help="which film is where; default: of the weights")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="JSON file for the report; figures go beside it")
    ] = None,
) -> None:
    """Measures the classifier on labelled films, with 95 % intervals."""
    from fracture.data.datasets import DatasetError
    from fracture.evaluation.report import evaluate_folder, print_report, write_report
    from fracture.weights import WeightsError

    try:
        report = evaluate_folder(data, weights, split, split_file)
    except (DatasetError, WeightsError) as error:
        typer.echo(f"evaluate: {error}", err=True)
        raise typer.Exit(2) from error
    print_report(report)
    if out:
        written = write_report(report, out)
        typer.echo(f"wrote {out} and {len(written) - 1} figures")
