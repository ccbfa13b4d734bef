"""Many films: files and zip archives in, one result each out, a table of them.

Nothing from an archive is written to disk, so its names can lead nowhere. What an
archive may cost is bounded before and while it is unpacked: the size of its directory,
the number of its films, the bytes of each and of all of them.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import io
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath

from fracture.classifier import FractureClassifier
from fracture.prediction import FIELDS
from fracture.radiograph import Radiograph, RadiographError, read_radiograph
from fracture.result import ERROR, NAME, Result

MAX_FILMS = 500
_MAX_BYTES = 64 * 2**20  # of one film, as `read_radiograph` has it
# Films hardly shrink below a tenth in an archive; bombs grow a thousandfold.
_MAX_GROWTH = 20
_MAX_DIRECTORY = 4 * 2**20  # bytes; some ten thousand names
_ARCHIVE = (b"PK\3\4", b"PK\5\6")  # how an archive begins, the second an empty one
_END, _END64 = b"PK\5\6", b"PK\6\7"
# What systems and discs put beside the films.
_CLUTTER = {"thumbs.db", "desktop.ini", "dicomdir"}


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
    films = []
    for name, path in files:
        if _is_archive(path):
            films += _open_archive(name, path, read)
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


def _open_archive(name: str, path: Path, read: Callable) -> list[Film]:
    def failed(code: str, message: str) -> list[Film]:
        def fail() -> Radiograph:
            raise RadiographError(code, message)

        return [Film(name, fail)]

    if _directory_bytes(path) > _MAX_DIRECTORY:
        return failed("too_many_films", "The archive lists far too many files.")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError):
        return failed("damaged_archive", "The archive is damaged; pack it again.")
    members = [info for info in archive.infolist() if not _is_clutter(info)]
    if not members:
        return failed("empty_archive", "There is no film in the archive.")
    budget = _Budget(_MAX_BYTES + _MAX_GROWTH * path.stat().st_size)
    return [
        Film(info.filename, functools.partial(_unpack, archive, info, budget, read))
        for info in members
    ]


@dataclasses.dataclass
class _Budget:
    """Bytes that an archive may still unpack to."""

    left: int


def _unpack(
    archive: zipfile.ZipFile, info: zipfile.ZipInfo, budget: _Budget, read: Callable
) -> Radiograph:
    if info.flag_bits & 1:
        message = "The file is encrypted; pack the films without a password."
        raise RadiographError("encrypted_file", message)
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        # Other methods unpack whole blocks at once, however few bytes are asked for.
        message = "The archive's method of compression is not read; use plain zip."
        raise RadiographError("unsupported_compression", message)
    limit = max(0, min(_MAX_BYTES, budget.left))
    try:
        with archive.open(info) as member:
            data = member.read(limit + 1)
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError):
        message = "The file is damaged inside the archive; pack it again."
        raise RadiographError("damaged_archive", message) from None
    budget.left -= len(data)
    if len(data) > limit:
        message = "Unpacked, the file or its archive is too large; send films singly."
        raise RadiographError("too_many_bytes", message)
    if data[:4] in _ARCHIVE:
        message = "Archives inside archives are not opened; pack the films in one."
        raise RadiographError("nested_archive", message)
    return read(data)


def _is_archive(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(4) in _ARCHIVE
    except OSError:
        return False  # reading it as a film will say why


def _directory_bytes(path: Path) -> int:
    """Bytes of an archive's directory, which would be parsed as a whole; 0 if none."""
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - 2**16 - 22))
        tail = file.read()
    end = tail.rfind(_END)
    if end < 0:
        return 0
    if end >= 20 and tail[end - 20 : end - 16] == _END64:
        return size  # sizes are elsewhere, in an archive of more than 65,535 files
    return int.from_bytes(tail[end + 12 : end + 16], "little")


def _is_clutter(info: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(info.filename.replace("\\", "/")).parts
    return (
        info.is_dir()
        or not parts
        or "__MACOSX" in parts
        or parts[-1].startswith(".")
        or parts[-1].lower() in _CLUTTER
    )


def row(answer: dict) -> dict:
    """What was answered of a film as one flat row.

    Args:
        answer: `name` and what `Result.to_dict` gives.

    Returns:
        `COLUMNS` -> cell, None where there is none.
    """
    cells = {}
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
