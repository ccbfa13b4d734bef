"""Zip archives: their films listed and unpacked one by one, within bounds.

Nothing from an archive is written to disk, so its names can lead nowhere. What archives
may cost is bounded before and while they are unpacked: the bytes of their directories,
of each film, and of all films of one.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

from fracture.radiograph import Radiograph, RadiographError
from fracture.radiograph.source import MAX_BYTES

Found = tuple[str, Callable[[], Radiograph]]

# Films hardly shrink below a tenth in an archive; bombs grow a thousandfold.
_MAX_GROWTH = 20
# Bytes of all directories together; an entry has 46 and its name.
_MAX_DIRECTORIES = 2 * 2**20
_ARCHIVE = (b"PK\3\4", b"PK\5\6")  # how an archive begins, the second an empty one
# What systems and discs put beside the films.
_CLUTTER = {"thumbs.db", "desktop.ini", "dicomdir"}


def is_archive(path: Path) -> bool:
    """Whether a file begins as an archive does; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(4) in _ARCHIVE
    except (OSError, ValueError):
        return False  # reading it as a film will say why


@dataclasses.dataclass
class _Budget:
    """Bytes that may still be taken."""

    left: int


class _Directory(io.FileIO):
    """An archive's file, which hands over only so much until its directory is read.

    `zipfile` takes a directory into memory whole, as long as its end record declares,
    and it is `zipfile` that decides where in the file that record is.
    """

    budget: _Budget | None = None

    def read(self, size: int | None = -1) -> bytes:
        if self.budget and size and size > 0:
            self.budget.left -= size
            if self.budget.left < 0:
                message = "The archives list far too many files."
                raise RadiographError("too_many_films", message)
        return super().read(size)


class Archives:
    """The films in archives, of which one is open at a time; not for several threads.

    Args:
        read: what reads a film from its bytes.
    """

    def __init__(self, read: Callable[[bytes], Radiograph]):
        self._read = read
        self._listing = _Budget(_MAX_DIRECTORIES)
        self._file: _Directory | None = None
        self._archive: tuple[Path, zipfile.ZipFile] | None = None

    def films(self, name: str, path: Path) -> list[Found]:
        """Lists an archive's films without reading any.

        Args:
            name: of the archive, for people.
            path: its place.

        Returns:
            Name and reader of each, or of one that fails for the archive's reason.
        """
        try:
            archive = self._open(path, self._listing)
            members = [info for info in archive.infolist() if not _is_clutter(info)]
            if not members:
                message = "There is no film in the archive."
                raise RadiographError("empty_archive", message)
            size = self._file.seek(0, io.SEEK_END)
        except RadiographError as error:
            return [(name, functools.partial(_fail, error.code, error.message))]
        finally:
            self._close()
        budget = _Budget(MAX_BYTES + _MAX_GROWTH * size)
        unpack = functools.partial(self._unpack, path, budget)
        return [(info.filename, functools.partial(unpack, info)) for info in members]

    def _open(self, path: Path, directory: _Budget | None = None) -> zipfile.ZipFile:
        """An archive; the one that was open before is closed.

        Args:
            path: its place.
            directory: bytes that its directory may have, if others share them.

        Raises:
            RadiographError: `damaged_archive` or `too_many_films`.
        """
        if self._archive and self._archive[0] == path:
            return self._archive[1]
        self._close()
        try:
            self._file = _Directory(path)
            self._file.budget = directory or _Budget(_MAX_DIRECTORIES)
            self._archive = path, zipfile.ZipFile(self._file)
            self._file.budget = None
        except RadiographError:
            raise
        except Exception:  # on damaged bytes zipfile raises anything at all
            message = "The archive is damaged; pack it again."
            raise RadiographError("damaged_archive", message) from None
        return self._archive[1]

    def _close(self) -> None:
        """Closes the archive that is open, if any is."""
        if self._file:
            self._file.close()
        self._file = self._archive = None

    __del__ = _close

    def _unpack(self, path: Path, budget: _Budget, info: zipfile.ZipInfo) -> Radiograph:
        if info.flag_bits & 1:
            message = "The file is encrypted; pack the films without a password."
            raise RadiographError("encrypted_file", message)
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # Others unpack whole blocks at once, however few bytes are asked for.
            message = "The archive's method of compression is not read; use plain zip."
            raise RadiographError("unsupported_compression", message)
        limit = max(0, min(MAX_BYTES, budget.left))
        try:
            with self._open(path).open(info) as member:
                data = member.read(limit + 1)
        except Exception:  # of damaged members zipfile raises anything at all
            message = "The file is damaged inside the archive; pack it again."
            raise RadiographError("damaged_archive", message) from None
        budget.left -= len(data)
        if len(data) > limit:
            message = "Unpacked, file or archive is too large; send films singly."
            raise RadiographError("too_many_bytes", message)
        if data[:4] in _ARCHIVE:
            message = "Archives inside archives are not opened; pack the films in one."
            raise RadiographError("nested_archive", message)
        return self._read(data)


def _fail(code: str, message: str) -> Radiograph:
    raise RadiographError(code, message)


def _is_clutter(info: zipfile.ZipInfo) -> bool:
    parts = PurePosixPath(info.filename.replace("\\", "/")).parts
    return (
        not parts
        or info.is_dir()
        or "__MACOSX" in parts
        or parts[-1].startswith(".")
        or parts[-1].lower() in _CLUTTER
    )
