"""Any folder of films, labelled or not, and the splits that come with it."""

from __future__ import annotations

import csv
import dataclasses
from collections.abc import Iterable
from pathlib import Path

from fracture.data.datasets import (
    FILM_SUFFIXES,
    DatasetError,
    Example,
    load_examples,
)
from fracture.data.splits import read_split

_SPLIT_OF_FOLDER = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}


def list_films(folder: Path) -> list[Example]:
    """Lists what `load_examples` takes, the same in train, val and test, or any films.

    Films in no layout that is known have the label "".

    Raises:
        DatasetError: see `load_examples`, or there is no film at all.
    """
    try:
        return load_examples(folder)
    except DatasetError:
        if not folder.is_dir() or (folder / "manifest.csv").is_file():
            raise
        source = folder.resolve().name
        films = []
        for part in sorted(folder.iterdir()):
            if part.is_dir() and part.name.lower() in _SPLIT_OF_FOLDER:
                for film in list_films(part):
                    if film.source == part.resolve().name:
                        film = dataclasses.replace(film, source=source)
                    name = f"{part.name}/{film.name}"
                    films.append(dataclasses.replace(film, name=name))
        films = films or [
            Example(path, path.relative_to(folder).as_posix(), source, "")
            for path in sorted(folder.rglob("*"))
            if path.suffix.lower() in FILM_SUFFIXES and path.is_file()
        ]
        if not films:
            raise
        return films


def given_splits(
    folder: Path, examples: Iterable[Example], split_file: str | Path | None = None
) -> dict[str, str]:
    """Film name -> split, for the films that were given one.

    From `split_file`, else a `split.csv` in the folder, else a column `split` of its
    manifest, else from folders named train, val or test.

    Raises:
        DatasetError: the split file cannot be read or is of other films.
    """
    names = {example.name for example in examples}
    path = Path(split_file or folder / "split.csv")
    if split_file or path.is_file():
        try:
            splits = read_split(path)
        except (OSError, KeyError, UnicodeDecodeError) as error:
            raise DatasetError(f"{path} is no split file of train.py") from error
        if names.isdisjoint(splits):
            raise DatasetError(f"{path} names no film of {folder}")
        return splits
    manifest = folder / "manifest.csv" if folder.is_dir() else folder
    if manifest.is_file():
        with manifest.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
        if any(row.get("split") for row in rows):
            return {Path(row["path"]).as_posix(): row["split"] or "" for row in rows}
    parts = {name: name.split("/")[0].lower() for name in names}
    return {name: _SPLIT_OF_FOLDER.get(part, "") for name, part in parts.items()}
