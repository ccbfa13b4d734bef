"""`audit`: what is wrong with a folder of films."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fracture.commands.options import extra, fail


def audit(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Class folders, a manifest, a published data set, or any films."
        ),
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder for what was found.")
    ] = Path("audit"),
    split_file: Annotated[
        Path | None,
        typer.Option(
            help="Which film is where, as train.py writes it. Default: FOLDER/split.csv"
            ", a column split of the manifest, or train, val and test folders."
        ),
    ] = None,
) -> None:
    """Finds copies of films, contradictory labels, leaks between splits, broken files.

    Copies are found when they were renamed, saved again, resized, brightened, cropped
    by some per cent, turned by any angle or mirrored. Films are only read, never
    changed. Some minutes for 3,000 films; the time grows with their square.

    \b
    OUT receives:
      pairs.csv       two files that show one film: kind, similarity, rotation,
                      labels, splits, whether they contradict or leak
      groups.csv      every readable film with its group, for train.py --data:
                      copies share a group, and no group is divided by a split;
                      its column root leads from OUT to the films
      unreadable.csv  files that cannot be read, and why

    \b
    Examples:
      fracture audit data/
      fracture audit data/ --split-file weights/split.csv -o audit/
      python train.py --data audit/groups.csv

    \b
    Exit codes:
      0  nothing found
      1  copies or unreadable files found
      2  a folder or a split file that cannot be used
    """
    with extra("audit", "train"):
        from fracture.data.audit import audit as look
        from fracture.data.audit import summarise
        from fracture.data.datasets import DatasetError
    try:
        found = look(folder, split_file)
    except DatasetError as error:
        fail(str(error))
    paths = found.write(out)
    typer.echo(summarise(found))
    typer.echo("wrote " + ", ".join(map(str, paths)))
    if not found.clean:
        raise typer.Exit(1)
