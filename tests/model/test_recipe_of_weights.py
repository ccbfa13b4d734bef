"""The recipe in code is the one that made the shipped weights."""

import dataclasses
import json
from pathlib import Path

import pytest

from fracture.model.network import map_grid
from fracture.model.recipe import Recipe
from fracture.model.recipes import RECIPES

FOLDER = Path(__file__).parents[2] / "weights"
CONFIG = json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))
METRICS = json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))
TRAINED = Recipe.from_dict(CONFIG["recipe"])  # a field it does not know: its default


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Recipe)])
def test_no_field_has_changed_since(field):
    assert getattr(RECIPES[TRAINED.name], field) == getattr(TRAINED, field)


def test_the_figures_are_of_the_same_recipe():
    assert Recipe.from_dict(METRICS["recipe"]) == TRAINED


def test_the_maps_lie_where_the_config_says():
    cells = CONFIG["outputs"]["heatmaps"]["shape"][0]
    grid = map_grid(RECIPES[TRAINED.name], cells)
    assert {"first": grid.first, "step": grid.step} == CONFIG["heatmap_grid"]
