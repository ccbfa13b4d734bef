"""`leak`: what copies on both sides of a split do to a figure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from fracture.commands.options import extra, fail


def leak(
    folder: Annotated[
        Path, typer.Argument(help="Films, normal and fractured; see train.py --data.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for figures and plot.")
    ] = Path("runs/leak"),
    recipe: Annotated[
        str, typer.Option(help="What is trained; see train.py --recipe.")
    ] = "mobilenetv3-hybrid",
    backbone_weights: Annotated[
        str, typer.Option(help="What it starts from; see train.py.")
    ] = "imagenet",
    films: Annotated[
        int, typer.Option(min=40, help="Films that are copied, half of them fractured.")
    ] = 240,
    copies: Annotated[
        int, typer.Option(min=2, help="Pictures of each film, turned by some degrees.")
    ] = 8,
    train_only: Annotated[
        list[str] | None, typer.Option(help="A source to leave out; may be repeated.")
    ] = None,
    seed: Annotated[int, typer.Option()] = 0,
) -> None:
    """Trains a recipe on rotated copies of some films, split by file and by film.

    Data sets of rotated copies are common. Split by file, copies of one film train and
    test the network, and its figure is high; split by film, it is what it is. Some
    twenty minutes on two cores. Stopped, the same command goes on.

    \b
    OUT receives leak.md, leak.png and leak.json.

    \b
    Exit codes:
      0  done
      2  a folder, recipe or weights that cannot be used
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    with extra("leak", "train"):
        from fracture.data.example import DatasetError
        from fracture.experiments.leak import leak as measure
        from fracture.model.network import BackboneError
        from fracture.model.recipes import RECIPES
    if recipe not in RECIPES:
        fail(f"no recipe is called {recipe!r}; there are {', '.join(RECIPES)}")
    try:
        measure(
            *(folder, out, RECIPES[recipe], backbone_weights),
            *(films, copies, seed, train_only or ()),
        )
    except (BackboneError, DatasetError) as error:
        fail(str(error))
    typer.echo((out / "leak.md").read_text(encoding="utf-8"))
