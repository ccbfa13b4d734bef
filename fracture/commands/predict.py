"""`predict`: many films, one row each."""

from __future__ import annotations

import contextlib
import enum
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from tqdm import tqdm

from fracture.commands.options import STOPPED, UNREADABLE, Weights, fail, told
from fracture.commands.rows import Csv, JsonLines, ResumeError, finished_rows, held

if TYPE_CHECKING:
    from rich.table import Table


class Format(str, enum.Enum):
    """How answers are written."""

    table = "table"
    csv = "csv"
    jsonl = "jsonl"


def predict(
    context: typer.Context,
    films: Annotated[
        list[str],
        typer.Argument(
            metavar="FILMS...",
            help="Files, folders, patterns; - reads a list of them from stdin.",
            show_default=False,
        ),
    ],
    weights: Weights = "weights",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File for the rows; else stdout.")
    ] = None,
    kind: Annotated[
        Format | None,
        typer.Option("--format", "-f", help="Default: as OUT ends, else a table."),
    ] = None,
    overlays: Annotated[
        Path | None,
        typer.Option(help="Folder for the films with their evidence in colour (JPEG)."),
    ] = None,
    heatmaps: Annotated[
        Path | None,
        typer.Option(help="Folder for the heatmaps, 0..255 (PNG); 255 is clear."),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the OUT of a stopped run.")
    ] = False,
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=1, help="Films judged at once.")
    ] = os.cpu_count() or 1,
    seconds: Annotated[
        int,
        typer.Option(
            "--reader-seconds",
            envvar="FRACTURE_READER_SECONDS",
            min=1,
            help="Most time to read one film.",
        ),
    ] = 10,
    megabytes: Annotated[
        int,
        typer.Option(
            "--reader-mb",
            envvar="FRACTURE_READER_MB",
            min=256,
            help="Most MiB of address space to read one film.",
        ),
    ] = 1024,
) -> None:
    """Says of each film: normal, hairline or displaced, how probable, and where.

    A film that cannot be read is a row with the reason, never the end. Rows are in the
    order of the films and written one by one: Ctrl-C loses none, --resume goes on.

    \b
    Examples:
      fracture predict film.png
      fracture predict studies/ -o answers.csv --overlays overlays/
      find . -name '*.dcm' | fracture predict - -f jsonl > answers.jsonl

    \b
    Exit codes:
      0  every film has an answer
      1  some films could not be read
      2  wrong usage, no film, or weights that cannot be used
      130  stopped
    """
    from fracture.classifier import FractureClassifier
    from fracture.commands import films as many
    from fracture.radiograph.pool import ReaderPool

    kind = kind or _guess(out)
    if kind is Format.table and (out or resume):
        raise typer.BadParameter("a table is for reading: use csv or jsonl with --out")
    if resume and not out:
        raise typer.BadParameter("--resume needs the --out of the stopped run")
    if out:
        try:
            context.with_resource(held(out))
        except (ResumeError, OSError) as error:
            fail(f"{error}; nothing was changed")
    if out and out.exists() and not resume:
        raise typer.BadParameter(f"{out} exists: add --resume, or delete it")
    with told():
        classifier = FractureClassifier.from_pretrained(weights, threads=1)
    names = list(many.find_films(films, sys.stdin))
    if not names:
        fail("no film found")
    writer = Csv() if kind is Format.csv else JsonLines()
    written = []
    if resume:
        try:
            version = classifier.config.model_version
            written = finished_rows(out, writer, names, version)
        except ResumeError as error:
            fail(f"{error}; nothing was changed")
    drawings = many.open_folders(overlays, heatmaps)

    def work(number: int) -> dict:
        # Films of several folders share names, hence the number.
        stem = f"{number + 1:05d}-{Path(names[number]).stem}"
        pictures = {draw: folder / (stem + end) for draw, folder, end in drawings}
        return many.answer(classifier, names[number], pictures, readers.read)

    unreadable = sum(bool(row.get("error_code")) for row in written)
    answers = many.in_order(work, range(len(written), len(names)), jobs)
    # On a terminal only, and not among rows that go to the same terminal.
    hidden = kind is not Format.table and not out and sys.stdout.isatty()
    bar = {"initial": len(written), "total": len(names), "unit": "film", "leave": False}
    with (
        ReaderPool(min(jobs, len(names)), seconds, megabytes) as readers,
        contextlib.closing(answers),
    ):
        try:
            counted = tqdm(answers, disable=hidden or None, **bar)
            unreadable += _write(counted, kind, writer, out)
        except KeyboardInterrupt:
            typer.echo("fracture: stopped; with --out, --resume goes on", err=True)
            raise typer.Exit(STOPPED) from None
        except BrokenPipeError:
            raise  # whoever read the rows has enough of them
        except OSError as error:
            fail(f"cannot write: {error}; --resume goes on")
    if unreadable:
        message = f"{unreadable} of {len(names)} films could not be read"
        typer.echo(f"fracture: {message}", err=True)
        raise typer.Exit(UNREADABLE)


def _guess(out: Path | None) -> Format:
    if out is None:
        return Format.table
    try:
        return Format(out.suffix[1:].lower())
    except ValueError:
        raise typer.BadParameter("name --out .csv or .jsonl, or say --format") from None


def _write(
    answers: Iterable[dict], kind: Format, writer: Csv | JsonLines, out: Path | None
) -> int:
    """Writes the rows as they come; returns how many films could not be read."""
    sys.stdout.reconfigure(errors="surrogateescape")  # names of files are any bytes
    unreadable = 0
    if kind is Format.table:
        table = _table()
        for answer in answers:
            unreadable += "error_code" in answer
            _add(table, answer)
        from rich.console import Console

        Console().print(table)
        return unreadable
    with contextlib.ExitStack() as stack:
        file = sys.stdout
        if out:
            out.parent.mkdir(parents=True, exist_ok=True)
            text = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
            file = stack.enter_context(out.open("a", **text))
        if not (out and out.stat().st_size):
            file.write(writer.head)
        for answer in answers:
            unreadable += "error_code" in answer
            file.write(writer.line(answer))
            file.flush()  # so that a kill costs one row at most
    return unreadable


def _table() -> Table:
    from rich.table import Table

    table = Table("film", "finding", "fracture", "why", box=None, pad_edge=False)
    table.columns[0].overflow = "fold"
    table.columns[2].justify = "right"
    return table


def _add(table: Table, answer: dict) -> None:
    from rich.text import Text

    name = Text(answer["name"])  # brackets in names are no markup
    if "error_code" in answer:
        code, message = answer["error_code"], answer["error_message"]
        table.add_row(name, Text(f"not read: {code}", style="red"), "", Text(message))
        return
    probability = f"{answer['fracture_probability']:.1%}"
    table.add_row(name, answer["summary"], probability, Text(answer["location"]))
