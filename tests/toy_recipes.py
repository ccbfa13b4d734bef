"""Recipes that train within seconds."""

from __future__ import annotations

import dataclasses

from fracture.model.recipe import Phase, Recipe
from fracture.model.recipes import RECIPES

TINY = dataclasses.replace(
    RECIPES["quick"],
    alpha=0.35,
    pretrained=False,
    train_batch_norm=True,
    image_size=64,
    hidden_units=8,
    batch_size=16,
    phases=(Phase(1, 1e-3), Phase(3, 1e-3, unfreeze="block_16", ema=0.8)),
)

# For what does not depend on the backbone: its graph is built in a second.
PLAIN = dataclasses.replace(
    TINY,
    backbone="cnn-norm",
    phases=(Phase(1, 1e-3), Phase(3, 1e-3, unfreeze="conv4", ema=0.8)),
)


def brief(recipe: Recipe) -> Recipe:
    """The recipe on squares as small as its backbone takes, at a rate that shows."""
    size = 96 if recipe.backbone == "inceptionv3" else 64
    return dataclasses.replace(
        recipe,
        schedule="constant",
        phases=tuple(
            dataclasses.replace(
                phase, image_size=size, output_stride=None, learning_rate=1.0
            )
            for phase in recipe.phases
        ),
    )
