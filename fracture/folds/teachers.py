"""Folders whose networks teach: those of all folds, or one weights folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from fracture.data.example import DatasetError
from fracture.folds.cross_validation import folds_of, load_teachers, recipe_of
from fracture.model.network import load_network
from fracture.model.network import recipe_of as recipe_of_weights
from fracture.model.recipe import Recipe
from fracture.training.distillation import Teacher
from fracture.weights import CONFIG_FILE


def teachers_in(folder: Path) -> list[Teacher]:
    """The networks of a folder.

    Raises:
        DatasetError: it is of neither kind, or damaged.
    """
    if not is_weights(folder):
        return load_teachers(folder, range(1, folds_of(folder) + 1))
    with _told(folder):
        return [Teacher(*load_network(folder))]


def recipe_in(folder: Path) -> Recipe:
    """What its networks were trained by.

    Raises:
        DatasetError: as `teachers_in`.
    """
    if not is_weights(folder):
        return recipe_of(folder)
    with _told(folder):
        return recipe_of_weights(folder)


def is_weights(folder: Path) -> bool:
    """Whether it is a weights folder, which knows no film but its training films."""
    return (folder / CONFIG_FILE).is_file()


@contextlib.contextmanager
def _told(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"{folder} cannot teach: {error}") from error
