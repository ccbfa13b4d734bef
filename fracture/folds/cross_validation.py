"""One recipe trained once for each fold, on all films that are not of the fold."""

from __future__ import annotations

import dataclasses
import json
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path

from fracture.data.example import DatasetError
from fracture.data.film_table import FilmTable
from fracture.data.splits import fold_examples, read_folds, write_folds
from fracture.folds.held_out import (
    FILMS_FILE,
    WEIGHTS_FILE,
    HeldOut,
    load_network,
    save_network,
)
from fracture.model.auxiliary_outputs import Exposure, fit_auxiliary_outputs
from fracture.model.recipe import Recipe
from fracture.training.checkpoint import HISTORY_FILE, Progress, write_history
from fracture.training.distillation import Teacher
from fracture.training.run import Run

FOLDS_FILE = "folds.csv"


def place_of(folder: Path, fold: int) -> Path:
    """Where a fold's files lie."""
    return folder / f"fold-{fold}"


def finished(folder: Path, count: int) -> list[int]:
    """The folds that are done."""
    folds = range(1, count + 1)
    return [fold for fold in folds if (place_of(folder, fold) / FILMS_FILE).is_file()]


def deal(
    table: FilmTable, folder: Path, count: int, seed: int, train_only: Collection[str]
) -> list[int]:
    """The fold of each film, as `folds.csv` has it, which is written if it is missing.

    Raises:
        DatasetError: the file is of other films or another number of folds, or see
            `fold_examples`.
    """
    path = folder / FOLDS_FILE
    if not path.is_file():
        dealt = fold_examples(table.examples, table.splits, count, seed, train_only)
        write_folds(path, table.examples, dealt)
    named = read_folds(path)
    lacking = [e.name for e in table.examples if e.name not in named]
    if lacking or max(named.values()) != count:
        raise DatasetError(f"{path} is of other films or of another number of folds")
    folds = [named[example.name] for example in table.examples]
    pairs = list(zip(folds, table.splits, strict=True))
    if any(fold and split == "test" for fold, split in pairs):
        raise DatasetError(f"{path} deals out test films: it is of another split")
    return folds


def train_fold(
    run: Run,
    folds: Sequence[int],
    fold: int,
    folder: Path,
    backbone_weights: str | None,
    teachers: Sequence[Teacher] = (),
) -> None:
    """Trains on all films but one fold's, or goes on with it; leaves what it found.

    `films.npz` and `weights.npz` are all that the report and later runs need; the
    checkpoint is deleted. What `films.npz` says was said by the weights as they are in
    `weights.npz`.

    Args:
        run: over all films.
        folder: of all folds; this one's files lie in a folder of their own.
        teachers: see `fit`; they must not have seen the fold.

    Raises:
        DatasetError: the recipe would choose by the films it is held out from.
    """
    place, recipe = place_of(folder, fold), run.recipe
    if (place / FILMS_FILE).is_file():
        return
    if recipe.chooses_by_validation:
        raise DatasetError(
            f"{recipe.name} stops or picks its epoch by validation films, which here "
            "are the films that are held out; take a recipe that does not"
        )
    table = run.table.fold(folds, fold)
    run = dataclasses.replace(run, table=table)
    checkpoints = place / "checkpoint"
    network = run.train(checkpoints, backbone_weights, teachers=teachers)
    write_history(place / HISTORY_FILE, Progress.load(checkpoints).history)
    films = table.of("train")
    squares = films.squares(recipe.image_size)
    exposure = Exposure.draw(network, squares, recipe.non_radiographs, run.seed)
    fit_auxiliary_outputs(network, exposure, films.examples, run.parts)
    save_network(network, run.parts, place / WEIGHTS_FILE)
    network = load_network(recipe, place / WEIGHTS_FILE)
    held_out = run.served("validation", network)
    HeldOut.of(network, held_out, fold).save(place / FILMS_FILE)
    shutil.rmtree(checkpoints)


def recipe_of(folder: Path) -> Recipe:
    """The recipe of a folder's networks.

    Raises:
        DatasetError: the folder holds none of --folds.
    """
    try:
        settings = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        return Recipe.from_dict(settings["recipe"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{folder} holds no networks of --folds") from error


def load_teachers(folder: Path, folds: Sequence[int]) -> list[Teacher]:
    """The networks of some folds.

    Raises:
        DatasetError: the folder holds no folds, or not all of them.
    """
    recipe, teachers = recipe_of(folder), []
    for fold in folds:
        network = load_network(recipe, place_of(folder, fold) / WEIGHTS_FILE)
        teachers.append(Teacher(recipe, network))
    return teachers


def folds_of(folder: Path) -> int:
    """How many folds a folder's networks were trained for.

    Raises:
        DatasetError: it is not such a folder.
    """
    return max(read_folds(folder / FOLDS_FILE).values())
