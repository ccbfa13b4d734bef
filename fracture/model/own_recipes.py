"""This project's own recipes: the shipped network, its teachers and its sisters."""

from __future__ import annotations

import dataclasses

from fracture.model.recipe import Augmentation, Phase, Recipe

DEFAULT, STUDENT = "mobilenetv2", "mobilenetv2-320-student"

_FIRST = Recipe(
    name=DEFAULT,
    description=(
        "The network of 0.1.0: the published system at full width and a resolution "
        "near the films' own, scaled as the ImageNet weights expect, its heatmap "
        "taught by box annotations."
    ),
    image_size=384,
    value_range=(-1.0, 1.0),
    dropout=(0.5, 0.3),
    phases=(
        Phase(1, 1e-3, None, 320, 32),
        Phase(14, 3e-4, "block_3", 320, 32, ema=0.995),
        Phase(6, 1e-4, "block_3", 384, 32, ema=0.995),
    ),
    weight_decay=0.01,
    schedule="cosine",
    fracture_repeats=4,
    localisation_weight=0.3,
    output_stride=16,
    augmentation=Augmentation(shift=0.1, contrast=0.2, gamma=0.25, noise=6.0),
)

_FINER = dataclasses.replace(
    _FIRST,
    name="mobilenetv2-320",
    description=(
        "MobileNetV2 at 320 pixels, its last map merged with the one before the last "
        "stride: the finer map at the price of the coarser one."
    ),
    backbone="mobilenetv2-pyramid",
    image_size=320,
    output_stride=None,
    batch_size=16,
    phases=(Phase(1, 1e-3), Phase(9, 5e-4, unfreeze="block_3", ema=0.995)),
)

_TUNED = dataclasses.replace(
    _FINER,
    name="mobilenetv2-320-tuned",
    description=(
        "`mobilenetv2-320` on the backbone of `mobilenetv2`, tuned on films in more "
        "sizes, some with a pasted fracture."
    ),
    phases=(Phase(1, 1e-3), Phase(6, 2e-4, unfreeze="block_3", ema=0.995)),
    augmentation=dataclasses.replace(
        _FIRST.augmentation, zoom=0.0, scale=(0.62, 1.6), paste=0.2
    ),
)

_QUICK = dataclasses.replace(
    _FIRST,
    name="quick",
    description="A few minutes on two cores: to see the pipeline work.",
    image_size=160,
    output_stride=None,
    phases=(Phase(1, 1e-3), Phase(3, 3e-4, unfreeze="block_13")),
    fracture_repeats=1,
    non_radiographs=20,
)

_SMALL = dataclasses.replace(
    _FINER,
    name="mobilenetv3-320",
    description="MobileNetV3-Small with the same pyramid: a fifth of the arithmetic.",
    backbone="mobilenetv3small-pyramid",
    phases=(Phase(1, 1e-3), Phase(20, 3e-4, unfreeze="all", ema=0.995)),
)
# Function matching (Beyer et al., CVPR 2022): on mixed films, without labels.
# A teacher says what it sees on films in many sizes, collimated, blurred, compressed
# or with a pasted fracture; those are harder to learn from labels.
_MATCHED = dataclasses.replace(
    _FIRST.augmentation,
    zoom=0.0,
    scale=(0.5, 1.6),
    blur=1.0,
    jpeg=40,
    collimation=0.3,
    paste=0.2,
    mixup=1.0,
)


def _student(recipe: Recipe, epochs: int, rate: float, says: str = "") -> Recipe:
    usual = f"`{recipe.name}`, taught by other networks, for example by its folds."
    return dataclasses.replace(
        recipe,
        name=f"{recipe.name}-student",
        description=says or usual,
        phases=(Phase(epochs, rate, unfreeze="all", ema=0.995),),
        weight_decay=1e-4,
        dropout=(0.0, 0.0),
        novelty_components=48,
        augmentation=_MATCHED,
    )


_STUDENTS = (
    _student(_FINER, 8, 5e-4),
    _student(
        _TUNED,
        5,
        2e-4,
        "The shipped network: MobileNetV2 at 320 pixels, its last map merged with the "
        "one before the last stride, taught by `mobilenetv2` and "
        "`mobilenetv2-320-tuned` from the backbone of the latter.",
    ),
    _student(_SMALL, 8, 5e-4),
)

OWN: tuple[Recipe, ...] = (_FIRST, _QUICK, _FINER, _TUNED, _SMALL, *_STUDENTS)
