"""A recipe changed from the command line, and what a run would choose by."""

import dataclasses

import pytest

from fracture.model.recipe import RecipeError
from fracture.model.recipes import RECIPES

RECIPE = RECIPES["mobilenetv2-320"]


def test_fields_are_changed_by_name():
    changes = ["augmentation.paste=0.2", "augmentation.scale=[0.7, 1.4]", "l2=1e-4"]
    changed = RECIPE.changed(changes)
    by = dataclasses.replace(RECIPE.augmentation, paste=0.2, scale=(0.7, 1.4))
    assert changed == dataclasses.replace(RECIPE, augmentation=by, l2=1e-4)
    assert RECIPE.changed([]) == RECIPE
    assert changed.changed(["augmentation.scale=null"]).augmentation.scale is None


def test_phases_are_changed_as_a_whole():
    (phase,) = RECIPE.changed(['phases=[{"epochs": 2, "learning_rate": 0.1}]']).phases
    assert (phase.epochs, phase.learning_rate, phase.unfreeze) == (2, 0.1, None)


@pytest.mark.parametrize(
    "change",
    [
        *("alphabet=1", "augmentation.zip=1", "phases.epochs=1", "=1", "alpha"),
        *("alpha=", "alpha=one", 'phases=[{"epics": 2}]', "augmentation=5"),
    ],
)
def test_what_a_recipe_has_not_is_refused(change):
    with pytest.raises(RecipeError):
        RECIPE.changed([change])


@pytest.mark.parametrize(
    ("name", "chooses"),
    [
        *[("mobilenetv2", False), ("mobilenetv2-320", False), ("quick", False)],
        *[("mobilenetv2-paper", True), ("mobilenetv3-hybrid", True)],
    ],
)
def test_who_chooses_by_validation_films(name, chooses):
    assert RECIPES[name].chooses_by_validation == chooses
