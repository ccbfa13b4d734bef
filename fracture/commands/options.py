"""What the commands share: options, exit codes, and how an error is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Annotated, NoReturn

import typer

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

EngineName = Annotated[
    str,
    typer.Option(
        "--engine",
        metavar="NAME|auto",
        envvar="FRACTURE_ENGINE",
        help="What runs the network, see `fracture engines`; auto is the fastest that "
        "the weights prove.",
    ),
]


def fail(message: str) -> NoReturn:
    """Ends the command with its reason on stderr, exit code 2."""
    typer.echo(f"fracture: {message}", err=True)
    raise typer.Exit(UNUSABLE)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Weights or an engine that cannot be used end the command with reason and code."""
    from fracture.engine import EngineError
    from fracture.weights import WeightsError

    try:
        yield
    except (EngineError, WeightsError) as error:
        fail(f"{error.message} [{error.code}]")


@contextlib.contextmanager
def extra(command: str, name: str) -> Iterator[None]:
    """A module that only an extra brings, where it lacks, ends the command."""
    try:
        yield
    except ModuleNotFoundError as error:
        fail(f'{command} lacks {error.name}: pip install "fracture[{name}]"')


def tell_unreadable(unreadable: int, films: int) -> None:
    """Ends the command with exit code 1 if there were films that nobody could read."""
    if unreadable:
        message = f"{unreadable} of {films} films could not be read"
        typer.echo(f"fracture: {message}", err=True)
        raise typer.Exit(UNREADABLE)
