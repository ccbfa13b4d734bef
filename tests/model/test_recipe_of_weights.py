"""The recipes in code are those that made the shipped weights."""

import dataclasses
import json
from pathlib import Path

import pytest

from fracture.model.network import map_grid
from fracture.model.recipe import Recipe
from fracture.model.recipes import RECIPES

WEIGHTS = Path(__file__).parents[2] / "weights"


@pytest.fixture(params=[WEIGHTS, WEIGHTS / "small"], ids=["shipped", "small"])
def folder(request):
    return request.param


def read(folder, name):
    return json.loads((folder / name).read_text(encoding="utf-8"))


def trained(folder):
    """A field that the weights do not know has its default."""
    return Recipe.from_dict(read(folder, "config.json")["recipe"])


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Recipe)])
def test_no_field_has_changed_since(folder, field):
    recipe = trained(folder)
    assert getattr(RECIPES[recipe.name], field) == getattr(recipe, field)


def test_the_figures_are_of_the_same_recipe(folder):
    found = Recipe.from_dict(read(folder, "metrics.json")["recipe"])
    assert found == trained(folder)


def test_the_maps_lie_where_the_config_says(folder):
    config = read(folder, "config.json")
    cells = config["outputs"]["heatmaps"]["shape"][0]
    grid = map_grid(RECIPES[trained(folder).name], cells)
    assert {"first": grid.first, "step": grid.step} == config["heatmap_grid"]
