"""From what a user names to films."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

from fracture.commands.bulk import remote
from fracture.radiograph import RadiographError
from fracture.radiograph.sniff import sniff

SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp", ".dcm"}
_HEAD = 2048  # bytes that `sniff` looks at


def find_films(names: Iterable[str], listed: TextIO) -> Iterator[str]:
    """Expands what was named to files, in that order, folders and patterns sorted.

    Args:
        names: files, folders (with all their folders), patterns such as `*.png`, the
            same at an address such as `s3://`, or `-` for a list of them, one a line.
        listed: where that list comes from.

    Yields:
        Paths. A file that was named is always among them, even when it is missing; of a
        folder those with a film's suffix or, on this machine, a film's first bytes.

    Raises:
        RadiographError: an address cannot be listed.
    """
    for name in names:
        if remote.is_address(name):
            yield from remote.find(name, SUFFIXES)
        elif name == "-":
            lines = (line.rstrip("\r\n") for line in listed)
            yield from find_films((line for line in lines if line), listed)
        elif os.path.isdir(name):
            folder = Path(name)
            inside = (found for found in folder.rglob("*") if _is_film(folder, found))
            yield from map(str, sorted(inside))
        elif not os.path.exists(name) and (
            found := sorted(glob.glob(name, recursive=True))
        ):
            yield from find_films(found, listed)
        else:
            yield name


def _is_film(folder: Path, path: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    if hidden or not path.is_file():
        return False
    if path.suffix.lower() in SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            sniff(file.read(_HEAD))
    except (OSError, RadiographError):
        return False
    return True
