"""Answers as rows of CSV, JSON lines or a table, and where a stopped file goes on."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows has other locks; there two runs may meet
    fcntl = None

from fracture.batch import COLUMNS, inert, row


class ResumeError(ValueError):
    """The file is not the beginning of what is to be written, or not ours to write."""


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Keeps a file of rows for this process alone, by a locked file beside it.

    Raises:
        ResumeError: another living process has it, and which.
        OSError: there is no place for the lock.
    """
    if not fcntl:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.lock")
    with beside.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Who had it may just have ended and taken the file along.
            if not beside.exists() or not os.path.samestat(
                beside.stat(), os.fstat(lock.fileno())
            ):
                raise BlockingIOError
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read(100).strip() or "another process"
            raise ResumeError(f"{path} is being written by {owner}") from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()} on {platform.node()}\n")
        lock.flush()
        try:
            yield
        finally:
            beside.unlink(missing_ok=True)


class Csv:
    """RFC 4180, safe for spreadsheets: a cell is never taken for a formula."""

    head = ",".join(COLUMNS) + "\r\n"

    def line(self, answer: dict) -> str:
        """An answer as one line, its line break included."""
        text = io.StringIO()
        csv.writer(text).writerow(map(inert, row(answer).values()))
        return text.getvalue()

    def read(self, text: str) -> list[dict]:
        """Rows written before."""
        return list(csv.DictReader(io.StringIO(text), strict=True))

    def name(self, film: str) -> str:
        """A film's name as a cell."""
        return inert(film)


class JsonLines:
    """One JSON object a line: `Prediction.to_dict()` with the film's name."""

    head = ""

    def line(self, answer: dict) -> str:
        """An answer as one line, its line break included."""
        return json.dumps(answer) + "\n"

    def read(self, text: str) -> list[dict]:
        """Rows written before."""
        return [json.loads(line) for line in text.splitlines()]

    def name(self, film: str) -> str:
        """A film's name as it is."""
        return film


class People:
    """A table for people, shown when all rows are there; of one film two lines."""

    def __init__(self) -> None:
        self._rows: list[tuple[str, str, str, str]] = []

    def add(self, answer: dict) -> None:
        """Adds an answer."""
        if "error_code" in answer:
            finding, probability = f"not read: {answer['error_code']}", ""
            why = answer["error_message"]
        else:
            probability = f"{answer['fracture_probability']:.1%}"
            finding, why = answer["summary"], answer["location"]
        self._rows.append((answer["name"], finding, probability, why))

    def show(self) -> None:
        """Prints it."""
        if len(self._rows) == 1:  # who asks for one film waits for no table
            ((name, finding, probability, why),) = self._rows
            chance = f", fracture {probability}" if probability else ""
            print(f"{name}: {finding}{chance}\n{why}")
            return
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        table = Table("film", "finding", "fracture", "why", box=None, pad_edge=False)
        table.columns[0].overflow = "fold"
        table.columns[2].justify = "right"
        for name, finding, probability, why in self._rows:
            red = "red" if not probability else ""
            # Brackets in names are no markup.
            table.add_row(Text(name), Text(finding, red), probability, Text(why))
        Console().print(table)


def write(
    answers: Iterable[dict], writer: Csv | JsonLines | People, out: Path | None
) -> int:
    """Writes the rows as they come; returns how many films could not be read."""
    sys.stdout.reconfigure(errors="surrogateescape")  # names of files are any bytes
    unreadable = 0
    if isinstance(writer, People):
        for answer in answers:
            unreadable += "error_code" in answer
            writer.add(answer)
        writer.show()
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


def finished_rows(
    path: Path, kind: Csv | JsonLines, films: Sequence[str], model_version: str
) -> list[dict]:
    """Cuts what a kill left of an unfinished row; returns the finished ones.

    Args:
        path: of rows written before; may be missing.
        films: names of all films, in the order of the rows.
        model_version: of the weights that go on.

    Raises:
        ResumeError: the rows are of other films, of other weights or damaged.
    """
    data = path.read_bytes() if path.is_file() else b""
    whole = data[: data.rfind(b"\n") + 1]
    try:
        text = whole.decode("utf-8", "surrogateescape")  # as names of files may need
        rows = kind.read(text)
        found = [(row["name"], row["model_version"]) for row in rows]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        raise ResumeError(f"{path} is damaged: {error}") from error
    if text and not text.startswith(kind.head.strip()):
        raise ResumeError(f"{path} has other columns")
    expected = [kind.name(film) for film in films[: len(rows)]]
    if [name for name, _ in found] != expected:
        raise ResumeError(f"{path} holds other films, or in another order")
    if {version for _, version in found} - {model_version}:
        raise ResumeError(f"{path} was written with other weights")
    if len(whole) < len(data):
        with path.open("r+b") as file:
            file.truncate(len(whole))
    return rows
