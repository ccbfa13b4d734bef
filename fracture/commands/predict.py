"""`predict`: many films, one row each."""

from __future__ import annotations

import contextlib
import enum
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fracture.commands.options import (
    STOPPED,
    EngineName,
    Weights,
    fail,
    tell_unreadable,
    told,
)

if TYPE_CHECKING:
    from fracture.radiograph import Radiograph


class Format(str, enum.Enum):
    """How answers are written."""

    table = "table"
    csv = "csv"
    jsonl = "jsonl"
    parquet = "parquet"


def predict(
    context: typer.Context,
    films: Annotated[
        list[str],
        typer.Argument(
            metavar="FILMS...",
            help="Files, folders, patterns, also at s3://, gs:// or hf://; - reads a "
            "list of them from stdin.",
            show_default=False,
        ),
    ],
    weights: Weights = "weights",
    engine: EngineName = "onnxruntime",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="File for the rows, with --ray a folder; else stdout."
        ),
    ] = None,
    kind: Annotated[
        Format | None,
        typer.Option(
            "--format",
            "-f",
            help="Default: as OUT ends, else a table; with --ray parquet.",
        ),
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
        int | None,
        typer.Option(
            "--jobs", "-j", min=1, help="Films judged at once; default: one per core."
        ),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            help="Judge on a Ray cluster: its address, auto, or local to start one "
            "here; needs --out.",
        ),
    ] = None,
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
      fracture predict s3://bucket/films --ray auto -o answers/

    \b
    Exit codes:
      0  every film has an answer
      1  some films could not be read
      2  wrong usage, no film, or weights that cannot be used
      130  stopped
    """
    from fracture.commands.bulk.find import find_films
    from fracture.radiograph import RadiographError, ReaderPool

    kind = kind or (Format.parquet if ray else _guess(out))
    if kind is Format.table and (out or resume):
        raise typer.BadParameter("a table is for reading: use csv or jsonl with --out")
    if ray and (not out or overlays or heatmaps):
        raise typer.BadParameter("--ray needs a folder for --out, and draws nothing")
    if kind is Format.parquet and not ray:
        raise typer.BadParameter("parquet is for --ray")
    if resume and not out:
        raise typer.BadParameter("--resume needs the --out of the stopped run")
    try:
        names = list(find_films(films, sys.stdin))
    except RadiographError as error:
        fail(f"{error} [{error.code}]")
    if not names:
        fail("no film found")
    limits, cores = (seconds, megabytes), os.cpu_count() or 1
    at_once = min(jobs or cores, len(names))
    threads = max(1, cores // at_once)  # for each film; they change no bit of it
    if not ray:  # they load while all else does
        readers = context.with_resource(ReaderPool(at_once, *limits))

    from fracture.classifier import FractureClassifier
    from fracture.commands import films as many
    from fracture.commands.bulk.remote import reading
    from fracture.commands.rows import (
        Csv,
        JsonLines,
        People,
        ResumeError,
        finished_rows,
        held,
        write,
    )
    from fracture.engine import AUTO

    if ray:
        from fracture.commands.bulk.cluster import run_far
        from fracture.commands.bulk.partitions import MANIFEST, Lines, Parquet
    if out:
        try:
            context.with_resource(held(out))
        except (ResumeError, OSError) as error:
            fail(f"{error}; nothing was changed")
    if out and (out / MANIFEST if ray else out).exists() and not resume:
        raise typer.BadParameter(f"{out} exists: add --resume, or delete it")
    with told():
        classifier = FractureClassifier.from_pretrained(
            weights, threads, engine, at_once
        )
    if engine == AUTO:
        typer.echo(f"fracture: engine {classifier.engine.name}", err=True)
    writers = {Format.table: People, Format.csv: Csv, Format.jsonl: JsonLines}
    if ray:
        parts = Parquet() if kind is Format.parquet else Lines(writers[kind]())
        run_far(names, classifier, parts, f".{kind.value}", out, ray, jobs, limits)
        return
    writer, written = writers[kind](), []
    if resume:
        try:
            version = classifier.config.model_version
            written = finished_rows(out, writer, names, version)
        except ResumeError as error:
            fail(f"{error}; nothing was changed")
    drawings = many.open_folders(overlays, heatmaps)

    fetch = functools.partial(reading, readers.read)

    def read(number: int) -> tuple[int, Callable[[], Radiograph]]:
        return number, many.attempt(fetch, names[number])

    def judge(read: tuple[int, Callable[[], Radiograph]]) -> dict:
        number, film = read
        # Films of several folders share names, hence the number.
        stem = f"{number + 1:05d}-{Path(names[number]).stem}"
        pictures = {draw: folder / (stem + end) for draw, folder, end in drawings}
        return many.answer(classifier, names[number], pictures, film)

    unreadable = sum(bool(row.get("error_code")) for row in written)
    # Films are read ahead of the engine, in processes beside it.
    films_read = many.in_order(read, range(len(written), len(names)), at_once)
    answers = many.in_order(judge, films_read, at_once)
    # On a terminal only, and not among rows that go to the same terminal.
    hidden = kind is not Format.table and not out and sys.stdout.isatty()
    bar = {"initial": len(written), "total": len(names), "unit": "film", "leave": False}
    with contextlib.closing(answers):
        try:
            if len(names) > 1:
                from tqdm import tqdm  # which one film need not wait for

                answers = tqdm(answers, disable=hidden or None, **bar)
            unreadable += write(answers, writer, out)
        except KeyboardInterrupt:
            typer.echo("fracture: stopped; with --out, --resume goes on", err=True)
            raise typer.Exit(STOPPED) from None
        except BrokenPipeError:
            raise  # whoever read the rows has enough of them
        except OSError as error:
            fail(f"cannot write: {error}; --resume goes on")
    tell_unreadable(unreadable, len(names))


def _guess(out: Path | None) -> Format:
    if out is None:
        return Format.table
    try:
        return Format(out.suffix[1:].lower())
    except ValueError:
        raise typer.BadParameter("name --out .csv or .jsonl, or say --format") from None
