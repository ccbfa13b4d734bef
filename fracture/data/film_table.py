"""The films of a run: what was read, who belongs together, who is trained on."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import TypeVar

import joblib
import numpy as np
from tqdm import tqdm

from fracture.data.datasets import load_examples
from fracture.data.duplicates import find_copies, join_groups
from fracture.data.example import DatasetError, Example
from fracture.data.splits import (
    leaks,
    published_splits,
    read_split,
    split_examples,
    write_split,
)
from fracture.radiograph import RadiographError, read_radiograph
from fracture.radiograph.letterbox import make_squares

Kept = TypeVar("Kept")


@dataclasses.dataclass(frozen=True, eq=False)
class FilmTable:
    """Aligned lists, one entry per readable film.

    Attributes:
        examples: with their final `group`.
        films: uint8 `(height, width)`.
        splits: one of `fracture.data.splits.SPLITS`.
        copies: pairs of indices, see `find_copies`; empty where they were not searched.
    """

    examples: list[Example]
    films: list[np.ndarray]
    splits: list[str]
    copies: Sequence[tuple[int, int]] = ()
    _made: dict = dataclasses.field(default_factory=dict, repr=False)

    def __reduce__(self):
        """Another process makes its own squares."""
        return FilmTable, (self.examples, self.films, self.splits, self.copies)

    @property
    def groups(self) -> np.ndarray:
        """Group names `(n,)`."""
        return np.array([example.group for example in self.examples])

    def of(self, split: str) -> FilmTable:
        """The films of one split."""
        if split not in self._made:
            rows = zip(self.examples, self.films, self.splits, strict=True)
            chosen = [row for row in rows if row[2] == split]
            if not chosen:
                raise DatasetError(f"no film is left for the {split} split")
            self._made[split] = FilmTable(*map(list, zip(*chosen, strict=True)))
        return self._made[split]

    def fold(self, folds: Sequence[int], number: int) -> FilmTable:
        """The same films, one fold held out for validation; all others train.

        Args:
            folds: see `fracture.data.splits.fold_examples`.
        """
        pairs = zip(self.splits, folds, strict=True)
        splits = [
            split if split == "test" else "validation" if fold == number else "train"
            for split, fold in pairs
        ]
        return FilmTable(self.examples, self.films, splits, self.copies)

    def squares(self, size: int) -> np.ndarray:
        """The films letterboxed, `(n, size, size, 1)`; made once, not to be changed."""
        if size not in self._made:
            self._made[size] = make_squares(self.films, size)
        return self._made[size]

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Source -> split -> label -> films."""
        counts: dict[str, dict[str, dict[str, int]]] = {}
        for example, split in zip(self.examples, self.splits, strict=True):
            splits = counts.setdefault(example.source, {})
            splits.setdefault(split, collections.Counter())[example.label] += 1
        return counts

    def leaks(self) -> dict[str, dict[str, int]]:
        """What the split gives away, see `fracture.data.splits.leaks`."""
        return leaks(self.examples, self.splits, self.copies)


def load_table(
    data: str | Path,
    split_file: str | Path,
    seed: int,
    train_only: Collection[str],
    published: bool = False,
) -> FilmTable:
    """Reads, groups and splits the films of a data folder.

    Args:
        data: see `fracture.data.datasets`.
        split_file: written when missing; else its split is kept.
        seed: of a new split.
        train_only: see `split_examples`.
        published: whether a new split is the data set's own, see `published_splits`.

    Raises:
        DatasetError: the data cannot be used, or are not those of the split file.
    """
    listed = load_examples(data)
    names = read_split(split_file) if Path(split_file).is_file() else None
    if published and names is None:
        splits = published_splits(Path(data), listed, train_only)
        names = {example.name: s for example, s in zip(listed, splits, strict=True)}
    # A split has every film that could be read; what it lacks must be unreadable still.
    for example in listed if names is not None else ():
        if example.name not in names and isinstance(_read(example), np.ndarray):
            message = f"{split_file} is of other data: it lacks {example.name}"
            raise DatasetError(message, "split_of_others")
    examples, films = read_readable(listed)
    if not films:
        raise DatasetError("none of the films can be read", "no_films")
    copies: list[tuple[int, int]] = []
    if published or not all(example.group for example in examples):
        copies = find_copies(films)
        pairs = zip(examples, join_groups(examples, copies), strict=True)
        examples = [dataclasses.replace(e, group=group) for e, group in pairs]
    if names is not None:
        splits = [names[example.name] for example in examples]
    else:
        groups = [example.group for example in examples]
        splits = split_examples(examples, groups, seed, train_only)
    if not Path(split_file).is_file():
        write_split(split_file, examples, splits)
    return FilmTable(examples, films, splits, copies)


def read_films(
    examples: Sequence[Example], keep: Callable[[np.ndarray], Kept] = np.asarray
) -> list[Kept | RadiographError]:
    """Reads films on all cores.

    Args:
        examples: the films.
        keep: makes what is kept of a film's pixels, uint8 `(height, width)`.

    Returns:
        For each film, in order, what is kept of it or why it cannot be read.
    """
    pool = joblib.Parallel(-1, backend="threading", return_as="generator")
    films = pool(joblib.delayed(_read)(example, keep) for example in examples)
    return list(tqdm(films, "reading films", len(examples), unit="film"))


def read_readable(
    examples: Sequence[Example], keep: Callable[[np.ndarray], Kept] = np.asarray
) -> tuple[list[Example], list[Kept]]:
    """Reads films as `read_films`; says which of them cannot be read, and why.

    Returns:
        The films that can be read, and what is kept of each.
    """
    readable, films = [], []
    for example, film in zip(examples, read_films(examples, keep), strict=True):
        if isinstance(film, RadiographError):
            tqdm.write(f"left out {example.name}: {film} [{film.code}]")
        else:
            readable.append(example)
            films.append(film)
    return readable, films


def _read(
    example: Example, keep: Callable[[np.ndarray], Kept] = np.asarray
) -> Kept | RadiographError:
    try:
        return keep(read_radiograph(example.path).pixels)
    except RadiographError as error:
        return error
