"""Many films: files and zip archives in, one result each out, a table of them.

What an archive may cost is bounded, see `archive.py`.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from fracture.archive import Archives, is_archive
from fracture.classifier import FractureClassifier
from fracture.prediction import FIELDS
from fracture.radiograph import Radiograph, RadiographError, read_radiograph
from fracture.result import ERROR, NAME, Result

MAX_FILMS = 500


@dataclasses.dataclass(frozen=True)
class Film:
    """A film yet to be read.

    Attributes:
        name: file name, in an archive with its path there; only for people.
        read: gives the film.
    """

    name: str
    read: Callable[[], Radiograph]


def collect(
    files: Iterable[tuple[str, Path]],
    max_films: int = MAX_FILMS,
    read: Callable[..., Radiograph] = read_radiograph,
) -> list[Film]:
    """Lists the films in files and zip archives without reading any.

    Args:
        files: name and path of each; a zip archive is told by its content.
        max_films: most films of all files together.
        read: what reads one film from a path or from bytes.

    Raises:
        RadiographError: `too_many_films`.
    """
    films: list[Film] = []
    archives = Archives(read)
    for name, path in files:
        if is_archive(path):
            films += [Film(*found) for found in archives.films(name, path)]
        else:
            films.append(Film(name, functools.partial(read, path)))
        if len(films) > max_films:
            message = f"More than {max_films} films; send them in parts."
            raise RadiographError("too_many_films", message)
    return films


def classify(classifier: FractureClassifier, films: Iterable[Film]) -> Iterator[Result]:
    """Classifies films one by one, so that many need no more memory than one."""
    for film in films:
        yield Result.of(classifier, film.name, film.read)


def row(answer: dict) -> dict:
    """What was answered of a film as one flat row.

    Args:
        answer: `name` and what `Result.to_dict` gives.

    Returns:
        `COLUMNS` -> cell, None where there is none.
    """
    cells: dict = {}
    for field in (NAME, *FIELDS, *ERROR):
        cells |= field.cells(answer.get(field.name))
    return cells


COLUMNS = tuple(row({}))


def to_csv(rows: Iterable[dict]) -> str:
    """Rows as CSV (RFC 4180) that a spreadsheet shows and never calculates."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, COLUMNS)
    writer.writeheader()
    for values in rows:
        writer.writerow({key: inert(value) for key, value in values.items()})
    return stream.getvalue()


def inert(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula (OWASP, CSV injection)."""
    if isinstance(cell, str) and cell.lstrip(" ").startswith(tuple("=+-@\t\r\n")):
        return f"'{cell}"
    return cell
