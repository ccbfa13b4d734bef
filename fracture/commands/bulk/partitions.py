"""Rows in many files with a manifest: what a stopped run has done is known for sure."""

from __future__ import annotations

import hashlib
import json
import types
import typing
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

from fracture.batch import row
from fracture.commands.rows import Csv, JsonLines, ResumeError
from fracture.prediction import FIELDS
from fracture.result import ERROR, NAME
from fracture.weights import sha256

MANIFEST = "manifest.json"
_ROWS = 1000  # of a partition


class Lines:
    """A partition as CSV or JSON lines, as `fracture predict -o` writes them."""

    def __init__(self, writer: Csv | JsonLines):
        self._writer = writer

    def write(self, path: Path, answers: Sequence[dict]) -> None:
        """Writes the answers of one partition."""
        lines = (self._writer.line(answer) for answer in answers)
        text = {"encoding": "utf-8", "errors": "surrogateescape", "newline": ""}
        with path.open("w", **text) as file:
            file.writelines((self._writer.head, *lines))


class Parquet:
    """A partition as Parquet: the columns of the CSV, each with its type."""

    def write(self, path: Path, answers: Sequence[dict]) -> None:
        """Writes the answers of one partition."""
        import pyarrow
        from pyarrow import parquet

        kinds = {float: pyarrow.float64(), int: pyarrow.int64(), bool: pyarrow.bool_()}
        schema = pyarrow.schema(
            (name, kinds.get(kind, pyarrow.string()))
            for name, kind in column_types().items()
        )
        rows = [row(answer) for answer in answers]
        parquet.write_table(pyarrow.Table.from_pylist(rows, schema), path)


class Writer(Protocol):
    """Writes one partition."""

    def write(self, path: Path, answers: Sequence[dict]) -> None:
        """Writes the answers of one partition."""


def column_types() -> dict[str, type]:
    """Column of `fracture.batch.row` -> float, int, bool or str."""
    columns: dict[str, type] = {}
    for field in (NAME, *FIELDS, *ERROR):
        nested = typing.is_typeddict(field.kind)
        kinds = typing.get_type_hints(field.kind).values() if nested else [field.kind]
        columns |= zip(field.cells(None), map(_column_type, kinds), strict=True)
    return columns


def _column_type(kind: Any) -> type:
    """`float | None` is a column of floats; what is no number is text."""
    kinds = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    return next((kind for kind in kinds if kind in (float, int, bool)), str)


class Partitions:
    """A folder of partitions, and its manifest: which films each one holds.

    Attributes:
        done: films that have a row, from the first on.
        unreadable: those of them that could not be read.
    """

    def __init__(
        self, folder: Path, writer: Writer, suffix: str, films: Sequence[str], run: dict
    ):
        """Begins a folder, or goes on where a run of the same kind was stopped.

        Args:
            suffix: of the files.
            films: names of all films.
            run: what the rows depend on: plain JSON types.

        Raises:
            ResumeError: the folder is of another run, or damaged.
            OSError: it cannot be written.
        """
        names = "\n".join(films).encode("utf-8", "surrogateescape")
        of = {**run, "suffix": suffix, "films": len(films)}
        of["films_sha256"] = hashlib.sha256(names).hexdigest()
        self._folder, self._writer = folder, writer
        self._manifest: dict = {**of, "partitions": []}
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / MANIFEST
        try:
            if path.is_file():
                self._manifest = json.loads(path.read_text(encoding="utf-8"))
            others = [key for key in of if self._manifest[key] != of[key]]
            parts = self._manifest["partitions"]
            lacking = [p["file"] for p in parts if not (folder / p["file"]).is_file()]
            self.done = sum(part["rows"] for part in parts)
            self.unreadable = sum(part["unreadable"] for part in parts)
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise ResumeError(f"{path} is damaged: {error!r}") from error
        if others:
            raise ResumeError(f"{folder} is of another run: {', '.join(others)}")
        if lacking:
            raise ResumeError(f"{folder} lacks {lacking[0]}")

    def write(self, answers: Iterable[dict]) -> None:
        """Writes answers as they come; what came before a stop is kept."""
        rows: list[dict] = []
        try:
            for answer in answers:
                rows.append(answer)
                if len(rows) == _ROWS:
                    self._close(rows)
                    rows = []
        finally:
            if rows:
                self._close(rows)

    def _close(self, rows: Sequence[dict]) -> None:
        parts = self._manifest["partitions"]
        name = f"part-{len(parts):05d}{self._manifest['suffix']}"
        # A file that the manifest does not name counts for nothing; it is overwritten.
        self._writer.write(self._folder / name, rows)
        part = {
            "file": name,
            "sha256": sha256(self._folder / name),
            "first": self.done,
            "rows": len(rows),
            "unreadable": sum("error_code" in row for row in rows),
        }
        parts.append(part)
        temporary = self._folder / f"{MANIFEST}.part"
        text = json.dumps(self._manifest, indent=2) + "\n"
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(self._folder / MANIFEST)
        self.done += part["rows"]
        self.unreadable += part["unreadable"]
