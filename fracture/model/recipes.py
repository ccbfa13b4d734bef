"""The recipes: the shipped network and every published system, as data."""

from __future__ import annotations

import dataclasses

from fracture.model.recipe import Augmentation, Phase, Recipe

_DEFAULT = Recipe(
    name="mobilenetv2",
    description=(
        "The shipped network: the published system at full width and a resolution "
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

_QUICK = dataclasses.replace(
    _DEFAULT,
    name="quick",
    description="A few minutes on two cores: to see the pipeline work.",
    image_size=160,
    output_stride=None,
    phases=(Phase(1, 1e-3), Phase(3, 3e-4, unfreeze="block_13")),
    fracture_repeats=1,
    non_radiographs=20,
)

# === What the next version is made of, see benchmarks/experiments.md ===
_FINER = dataclasses.replace(
    _DEFAULT,
    name="mobilenetv2-320",
    description=(
        "The shipped backbone at 320 pixels, its last map merged with the one before "
        "the last stride: the finer map at the price of the coarser one. Films "
        "in many sizes, collimated, blurred, compressed, some with a pasted fracture."
    ),
    backbone="mobilenetv2-pyramid",
    image_size=320,
    output_stride=None,
    phases=(Phase(1, 1e-3), Phase(16, 3e-4, unfreeze="block_3", ema=0.995)),
    augmentation=dataclasses.replace(
        _DEFAULT.augmentation,
        **dict(
            zoom=0.0, scale=(0.5, 1.6), blur=1.0, jpeg=40, collimation=0.3, paste=0.2
        ),
    ),
)
_SMALL = dataclasses.replace(
    _FINER,
    name="mobilenetv3-320",
    description="MobileNetV3-Small with the same pyramid: a quarter of the arithmetic.",
    backbone="mobilenetv3small-pyramid",
    phases=(Phase(1, 1e-3), Phase(20, 3e-4, unfreeze="all", ema=0.995)),
)
# Function matching (Beyer et al., CVPR 2022): long, on mixed films, without labels.
_STUDENTS = [
    dataclasses.replace(
        recipe,
        name=f"{recipe.name}-student",
        description=f"{recipe.description} Taught by other networks, for long.",
        phases=(Phase(60, 5e-4, unfreeze="all", ema=0.999),),
        weight_decay=1e-4,
        dropout=(0.0, 0.0),
        augmentation=dataclasses.replace(recipe.augmentation, mixup=1.0),
    )
    for recipe in (_FINER, _SMALL)
]

# === P1: the published system ===
_PAPER = Recipe(
    name="mobilenetv2-paper",
    description=(
        "MobileNetV2 as published: 'Real-Time Bone Fracture Detection Using "
        "MobileNetV2 and Explainable AI for Clinical Integration' (2025). The width "
        "of the dense layer and the split of the 20 epochs are not stated there: "
        "128 units, at most 20 epochs in each phase."
    ),
    alpha=0.75,
    value_range=(0.0, 1.0),
    dropout=(0.7, 0.5),
    l2=0.01,
    batch_size=64,
    phases=(Phase(20, 1e-4), Phase(20, 1e-4, unfreeze=30)),
    early_stopping=5,
    plateau=(0.2, 3),
    keep="best",
)

_PAPER_WIDE = dataclasses.replace(
    _PAPER,
    name="mobilenetv2-paper-1.0",
    description="The published system at width 1.0, which its search covers as well.",
    alpha=1.0,
)

# === P2: a student's report ===
_CNN_150 = Recipe(
    name="cnn-150",
    description=(
        "A plain CNN on grey films of 150 pixels with one sigmoid output, as in the "
        "student report 'CNN bone fracture classifier'. Its layers' widths and its "
        "training are not stated: four blocks of 32 to 128 channels, Adam, 30 epochs."
    ),
    backbone="cnn",
    head="sigmoid",
    image_size=150,
    value_range=(0.0, 1.0),
    dropout=(0.0, 0.5),
    phases=(Phase(30, 1e-3, unfreeze="all"),),
    pretrained=False,
    train_batch_norm=True,
)

# === P3: ResNet50 behind body parts, and what it is compared with ===
_CASCADE = Recipe(
    name="resnet50-cascade",
    description=(
        "'Bone Fracture Identification with Deep Learning Model using ResNet50': "
        "Gaussian filter, contrast adjustment, pooled ResNet50 features, principal "
        "components, and for each body part a classifier of its own. Widths, rates "
        "and epochs are not stated there."
    ),
    backbone="resnet50",
    filters=("gaussian", "contrast"),
    head="cascade",
    value_range=(0.0, 255.0),
    hidden_units=64,
    dropout=(0.0, 0.0),
    l2=1e-4,
    phases=(Phase(10, 1e-3), Phase(10, 1e-3)),
)
_INCEPTION = dataclasses.replace(
    _CASCADE,
    name="inception",
    description="InceptionV3, which P3 compares its ResNet50 with; two phases.",
    backbone="inceptionv3",
    head="dense",
    value_range=(-1.0, 1.0),
    hidden_units=128,
    dropout=(0.3, 0.3),
    phases=(Phase(10, 1e-3), Phase(10, 1e-4, unfreeze="mixed8")),
)
_DILATED = dataclasses.replace(
    _CNN_150,
    name="dilated-cnn",
    description=(
        "A CNN whose later blocks are dilated instead of pooled, which P3 compares its "
        "ResNet50 with; it gives no layers: five blocks, dilations 1, 1, 2, 4, 8."
    ),
    backbone="dilated-cnn",
    filters=("gaussian", "contrast"),
    head="dense",
    image_size=224,
)
_CRACKNET = dataclasses.replace(
    _DILATED,
    name="cracknet",
    description=(
        "A CNN behind Schmid filters, sensitive to lines, after the CrackNet of Ma and "
        "Luo (Informatics in Medicine Unlocked, 2021), which P3 compares its ResNet50 "
        "with. The stage before it, which finds bones, is not part of it."
    ),
    backbone="cnn-norm",
    filters=("gaussian", "contrast", "schmid"),
)

# === P4: MobileNetV3 with convolutions on top, and what it is compared with ===
_HYBRID = Recipe(
    name="mobilenetv3-hybrid",
    description=(
        "'Hybrid MobileNetV3-CNN' (2025): MobileNetV3-Small, convolution blocks on "
        "top, two phases, AdamW, an adaptive rate. The abstract gives no numbers: two "
        "blocks of 128 channels, 20 epochs."
    ),
    backbone="mobilenetv3small-cnn",
    value_range=(-1.0, 1.0),
    dropout=(0.3, 0.3),
    phases=(Phase(8, 1e-3), Phase(12, 1e-4, unfreeze="all")),
    weight_decay=0.01,
    plateau=(0.5, 2),
    augmentation=Augmentation(shift=0.0, brightness=0.0, contrast=0.2),
)
_COMPARED_WITH_HYBRID = [
    dataclasses.replace(
        _HYBRID,
        name=backbone,
        description=f"{title}, which P4 compares its hybrid with.",
        backbone=backbone,
        value_range=(0.0, 255.0),
        phases=(Phase(8, rate), Phase(12, 1e-4, unfreeze="all")),
    )
    for backbone, title, rate in (
        ("densenet121", "DenseNet121", 1e-3),
        ("vgg16", "VGG-16", 1e-4),
        ("resnet50", "ResNet50", 1e-3),
    )
]

RECIPES: dict[str, Recipe] = {
    recipe.name: recipe
    for recipe in (
        _DEFAULT,
        _QUICK,
        _FINER,
        _SMALL,
        *_STUDENTS,
        _PAPER,
        _PAPER_WIDE,
        _CNN_150,
        _CASCADE,
        _INCEPTION,
        _DILATED,
        _CRACKNET,
        _HYBRID,
        *_COMPARED_WITH_HYBRID,
    )
}
