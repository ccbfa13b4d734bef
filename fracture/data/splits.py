"""Groups that must stay together, and the split that keeps them so."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from sklearn.model_selection import StratifiedGroupKFold

from fracture.data.duplicates import join_groups
from fracture.data.example import SPLIT_OF_FOLDER, DatasetError, Example
from fracture.data.formats.table import read_table, write_table

SPLITS = ("train", "validation", "test")
SPLIT_FILE = "split.csv"
_FOLDS = 20  # 14 + 3 + 3 of them are the published 70 / 15 / 15


def split_examples(
    examples: Sequence[Example],
    groups: Sequence[str],
    seed: int,
    train_only: Collection[str] = (),
) -> list[str]:
    """Assigns 70 / 15 / 15 per cent of the films, whole groups at a time.

    Stratified by source and label. The same seed gives the same split.

    Args:
        groups: one group name per film.
        train_only: sources whose labels are not good enough to evaluate on; their
            groups go to training whole.

    Returns:
        One of `SPLITS` per film.

    Raises:
        DatasetError: fewer than 20 groups to divide, or films of each label.
    """
    examples = [
        dataclasses.replace(example, group=group)
        for example, group in zip(examples, groups, strict=True)
    ]
    # A group that holds a training-only film must not be evaluated on either.
    fixed = {example.group for example in examples if example.source in train_only}
    free = [i for i, example in enumerate(examples) if example.group not in fixed]
    splits = ["train"] * len(examples)
    for fold, members in enumerate(_deal(examples, free, _FOLDS, seed)):
        for member in members if fold < 6 else ():
            splits[member] = SPLITS[1] if fold < 3 else SPLITS[2]
    return splits


def fold_examples(
    examples: Sequence[Example],
    splits: Sequence[str],
    count: int,
    seed: int,
    train_only: Collection[str] = (),
) -> list[int]:
    """Deals the films beside the test films to folds, whole groups at a time.

    Stratified by source and label. The same seed gives the same folds.

    Args:
        examples: with their final `group`.
        splits: one of `SPLITS` per film.
        train_only: sources that every fold trains on, with the groups they are part of.

    Returns:
        One number per film, from 1 to `count`; 0 of films that no fold holds out.

    Raises:
        DatasetError: there are fewer groups than folds, or films of each label.
    """
    fixed = {example.group for example in examples if example.source in train_only}
    free = [
        i
        for i, (example, split) in enumerate(zip(examples, splits, strict=True))
        if split != "test" and example.group not in fixed
    ]
    folds = [0] * len(examples)
    for fold, members in enumerate(_deal(examples, free, count, seed), 1):
        for member in members:
            folds[member] = fold
    return folds


def _deal(
    examples: Sequence[Example], free: Sequence[int], count: int, seed: int
) -> Iterator[list[int]]:
    """Some of the films in so many parts: their indices, part after part."""
    strata = [f"{examples[i].source}|{examples[i].label}" for i in free]
    groups = [examples[i].group for i in free]
    most = max(collections.Counter(strata).values(), default=0)
    if min(most, len(set(groups))) < count:
        raise DatasetError(
            f"a split needs at least {count} groups of films, and as many films of "
            "one label"
        )
    folds = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # A class may have fewer films than there are folds; the rest still holds.
        warnings.filterwarnings("ignore", message="The least populated class")
        for _, members in folds.split(free, strata, groups):
            yield [free[member] for member in members]


def write_folds(
    path: str | Path, examples: Sequence[Example], folds: Sequence[int]
) -> None:
    """Writes `fold, name` per film."""
    rows = ((str(f), example.name) for example, f in zip(examples, folds, strict=True))
    write_table(Path(path), ("fold", "name"), sorted(rows))


def read_folds(path: str | Path) -> dict[str, int]:
    """Film name -> fold, as written by `write_folds`.

    Raises:
        DatasetError: there is no such table.
    """
    rows = read_table(Path(path), ("fold", "name"))
    return {row["name"]: int(row["fold"]) for row in rows}


def published_splits(
    folder: Path, examples: Sequence[Example], train_only: Collection[str] = ()
) -> list[str]:
    """The split that the data set itself gives, see `given_splits`.

    Returns:
        One of `SPLITS` per film.

    Raises:
        DatasetError: `no_published_split`, there is none, or not for every film, or it
            has no validation or test films; `published_train_only`, it evaluates on
            films of a source in `train_only`.
    """
    given = given_splits(folder, examples)
    known = {**SPLIT_OF_FOLDER, "": ""}
    splits = [known.get(given.get(e.name, "").lower(), "") for e in examples]
    for split in (*SPLITS, ""):
        films = [e.name for e, s in zip(examples, splits, strict=True) if s == split]
        if bool(films) == (not split):
            problem = (
                f"says nothing of {films[0]}" if films else f"has no {split} films"
            )
            message = (
                f"--published-split: {folder} {problem}; give a column split in its "
                f"manifest, or folders train, val and test, or leave the option out"
            )
            raise DatasetError(message, "no_published_split")
    for example, split in zip(examples, splits, strict=True):
        if example.source in train_only and split != "train":
            message = f"{example.name}, of {example.source}, is published as {split}"
            raise DatasetError(f"--train-only: {message}", "published_train_only")
    return splits


def leaks(
    examples: Sequence[Example], splits: Sequence[str], copies: Sequence[tuple]
) -> dict[str, dict[str, int]]:
    """What a split gives away: films that are measured on and known from training.

    Args:
        splits: of the examples, of `SPLITS`.
        copies: see `find_copies`.

    Returns:
        `validation` and `test`: how many `films` there are, how many are `copied`, with
        a copy in training, and how many `grouped`, with one or with a film of their
        own group there.
    """
    alone = [dataclasses.replace(example, group="") for example in examples]
    ties = {"copied": join_groups(alone, copies)}
    ties["grouped"] = join_groups(examples, copies)
    found: dict[str, dict[str, int]] = {}
    for split in SPLITS[1:]:
        found[split] = {"films": list(splits).count(split)}
        for name, groups in ties.items():
            rows = list(zip(groups, splits, strict=True))
            trained = {group for group, where in rows if where == "train"}
            hits = (group in trained for group, where in rows if where == split)
            found[split][name] = sum(hits)
    return found


def write_split(
    path: str | Path, examples: Sequence[Example], splits: Sequence[str]
) -> None:
    """Writes `split, name, sha256` per film: enough to check a claim, no pixels."""
    rows = [
        (split, example.name, hashlib.sha256(example.path.read_bytes()).hexdigest())
        for example, split in zip(examples, splits, strict=True)
    ]
    write_table(Path(path), ("split", "name", "sha256"), sorted(rows))


def held_out(splits: Collection[str]) -> str:
    """Whose films a training left out: `validation`, or `test` where it took those."""
    return "validation" if "validation" in splits else "test"


def read_split(path: str | Path) -> dict[str, str]:
    """Film name -> split, as written by `write_split`.

    Raises:
        DatasetError: there is no such table.
    """
    rows = read_table(Path(path), ("split", "name"))
    return {row["name"]: row["split"] for row in rows}


def given_splits(
    folder: Path, examples: Iterable[Example], split_file: str | Path | None = None
) -> dict[str, str]:
    """Film name -> split, for the films that were given one.

    From `split_file`, else a `split.csv` in the folder, else what the source says, such
    as a column `split` of its manifest, else from folders named train, val or test.

    Raises:
        DatasetError: the split file cannot be read or is of other films.
    """
    given = {
        example.name: example.split
        or SPLIT_OF_FOLDER.get(example.name.split("/")[0].lower(), "")
        for example in examples
    }
    path = Path(split_file or folder / SPLIT_FILE)
    if split_file or path.is_file():
        splits = read_split(path)
        if given.keys().isdisjoint(splits):
            raise DatasetError(f"{path} names no film of {folder}", "split_of_others")
        return splits
    return given
