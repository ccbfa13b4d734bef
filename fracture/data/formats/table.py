"""Tables of films: CSV in UTF-8 that others wrote, read with every cell checked."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from fracture.data.example import DatasetError

_MOST_BYTES = 2**28  # of a table; a million films need less
_LONGEST = 100_000  # characters of a cell; thousands of boxes need less


@dataclasses.dataclass(frozen=True)
class Row:
    """One row: `row["label"]`, "" where the table has no such column.

    Attributes:
        table: the file.
        line: where the row begins in it, from 1.
        cells: by column.
    """

    table: Path
    line: int
    cells: Mapping[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells.get(column, "")

    def error(self, column: str, problem: str, code: str) -> DatasetError:
        """An error that says where it is."""
        where = f"{self.table}, line {self.line}, column {column}"
        return DatasetError(f"{where}: {problem}", code)

    def inside(self, column: str, root: Path) -> Path:
        """The path that a cell names in `root`, once links are followed, too.

        Raises:
            DatasetError: `path_outside`.
        """
        path = Path(self[column])
        real = Path(os.path.realpath(root / path))
        if ".." in path.parts or not real.is_relative_to(os.path.realpath(root)):
            problem = f"{self[column]!r:.200} leads out of {root}; put the film there"
            raise self.error(column, problem, "path_outside")
        return root / path


def read_table(table: Path, needed: Collection[str]) -> list[Row]:
    """Reads a table whose first line names the columns.

    Raises:
        DatasetError: `manifest_unreadable`, `manifest_size`; `manifest_encoding`
            (not UTF-8, or NUL bytes), `manifest_field` (a cell too long),
            `manifest_row` (more cells than columns), `manifest_column` (one of
            `needed` is missing, or there twice).
    """
    try:
        if table.stat().st_size > _MOST_BYTES:
            message = f"{table} is over {_MOST_BYTES / 2**20:g} MiB; divide the data"
            raise DatasetError(message, "manifest_size")
        data = table.read_bytes()
    except OSError as error:
        message = f"{table} cannot be read: {error.strerror}"
        raise DatasetError(message, "manifest_unreadable") from error
    # Bytes that are no text become lone surrogates: each is found in its own cell.
    text = data.decode("utf-8-sig", "surrogateescape").replace("\0", "\udc00")
    limit = csv.field_size_limit()
    csv.field_size_limit(max(limit, len(text)))
    try:
        reader, start = csv.reader(io.StringIO(text, newline="")), 1
        header, rows = [], []
        for cells in reader:
            line, start = start, reader.line_num + 1
            _check(Row(table, line, {}), header, cells)
            if header and cells:
                rows.append(Row(table, line, dict(zip(header, cells, strict=False))))
            header = header or cells
    finally:
        csv.field_size_limit(limit)
    for column in needed:
        if header.count(column) != 1:
            message = f"{table}, line 1: needs one column {column}, has {header}"
            raise DatasetError(message[:500], "manifest_column")
    return rows


def _check(row: Row, header: Sequence[str], cells: Sequence[str]) -> None:
    header = header or [str(number + 1) for number in range(len(cells))]
    for column, cell in zip(header, cells, strict=False):
        if len(cell) > _LONGEST:
            problem = f"over {_LONGEST:,} characters; is a quote missing?"
            raise row.error(column, problem, "manifest_field")
        if re.search("[\ud800-\udfff]", cell):
            problem = "not UTF-8 text; save the table as CSV in UTF-8"
            raise row.error(column, problem, "manifest_encoding")
    if len(cells) > len(header):
        problem = f"{len(cells)} cells, but {len(header)} columns; quote commas"
        raise row.error(header[-1], problem, "manifest_row")


def write_table(
    table: Path, header: Sequence[str], rows: Iterable[Sequence[object]]
) -> None:
    """Writes a table, and the folder it is in."""
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
