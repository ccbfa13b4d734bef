"""What the commands share: options, exit codes, and how an error is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated, NoReturn

import typer

from fracture.weights import WeightsError

UNREADABLE, UNUSABLE, STOPPED = 1, 2, 130

Weights = Annotated[
    str,
    typer.Option(
        "--weights",
        "-w",
        metavar="FOLDER|USER/NAME[@REVISION]",
        envvar="FRACTURE_WEIGHTS",
        help="A weights folder, or a repository of the Hugging Face Hub.",
    ),
]


def fail(message: str) -> NoReturn:
    """Ends the command with its reason on stderr, exit code 2."""
    typer.echo(f"fracture: {message}", err=True)
    raise typer.Exit(UNUSABLE)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Weights that cannot be used end the command with the reason and its code."""
    try:
        yield
    except WeightsError as error:
        fail(f"{error.message} [{error.code}]")


@contextlib.contextmanager
def extra(command: str, name: str) -> Iterator[None]:
    """A module that only an extra brings, where it lacks, ends the command."""
    try:
        yield
    except ModuleNotFoundError as error:
        fail(f'{command} lacks {error.name}: pip install "fracture[{name}]"')
