"""Class folders: `normal/ hairline/ displaced/`, or `fractured/` beside `normal/`."""

from __future__ import annotations

from pathlib import Path

from fracture.data.example import Example, films_in
from fracture.data.formats.data_format import DataFormat
from fracture.data.labels import ALLOWED


def _recognise(folder: Path) -> bool:
    return any((folder / label).is_dir() for label in ALLOWED)


def _read(folder: Path) -> list[Example]:
    source = folder.resolve().name
    return [
        Example(path, path.relative_to(folder).as_posix(), source, label)
        for label in ALLOWED
        for path in films_in(folder / label)
    ]


CLASS_FOLDERS = DataFormat(
    title=f"class folders ({', '.join(ALLOWED)})", recognise=_recognise, read=_read
)
