"""Folders whose networks teach: those of all folds, or one weights folder."""

from __future__ import annotations

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
    try:
        return [Teacher(*load_network(folder))]
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(f"{folder} cannot teach: {error}") from error


def recipe_in(folder: Path) -> Recipe:
    """What its networks were trained by.

    Raises:
        DatasetError: as `teachers_in`.
    """
    return (recipe_of_weights if is_weights(folder) else recipe_of)(folder)


def is_weights(folder: Path) -> bool:
    """Whether it is a weights folder, which knows no film but its training films."""
    return (folder / CONFIG_FILE).is_file()
