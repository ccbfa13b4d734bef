"""Renders the card and the plots of a weights folder anew.

python -m fracture.card weights MODEL_CARD.md
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fracture.card.card import read_metrics, write_card


def main(
    weights: Annotated[Path, typer.Argument(help="weights folder, with metrics.json")],
    card: Annotated[Path, typer.Argument(dir_okay=False, help="file to write")],
) -> None:
    """Renders the card of a weights folder and its plots from metrics.json."""
    try:
        write_card(weights, card)
    except (OSError, ValueError) as error:
        sys.exit(f"fracture.card: {error}")
    try:
        from fracture.card.figures import plot_report
    except ModuleNotFoundError as error:
        lacking = f'drawing lacks {error.name}: pip install "fracture[train]"'
        sys.exit(f"fracture.card: wrote {card}, but no plots; {lacking}")
    plot_report(read_metrics(weights).get("test", {}), weights / "figures")


if __name__ == "__main__":
    app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode=None)
    app.command()(main)
    app(prog_name="python -m fracture.card")
