"""The recipes: this project's own and every published system, as data."""

from __future__ import annotations

import dataclasses

from fracture.model.own_recipes import OWN
from fracture.model.recipe import Augmentation, Phase, Recipe

# === P1: the published system ===
_PAPER = Recipe(
    name="mobilenetv2-paper",
    description=(
        "MobileNetV2 as published: 'Real-Time Bone Fracture Detection Using "
        "MobileNetV2 and Explainable AI for Clinical Integration' (2025). Not stated "
        "there: the width of the dense layer (here 128 units), the split of the 20 "
        "epochs (here at most 20 in each phase), which of 'the last 30 layers' train "
        "(here the 10 convolutions among them, because batch norms stay as ImageNet "
        "left them), the loss (here over label sets) and how a film becomes a square "
        "(here letterboxed, not stretched)."
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
    description="`mobilenetv2-paper` at width 1.0, which its search covers as well.",
    alpha=1.0,
)
_PAPER_NARROW = dataclasses.replace(
    _PAPER,
    name="mobilenetv2-paper-0.35",
    description=(
        "`mobilenetv2-paper` at width 0.35, which its search covers as well: with "
        "width 1.0 it brackets the published 0.75."
    ),
    alpha=0.35,
)

# === P2: a student's report ===
_CNN_150 = Recipe(
    name="cnn-150",
    description=(
        "A plain CNN on grey films of 150 pixels with one sigmoid output, as in the "
        "student report 'CNN bone fracture classifier'. Nothing else is stated there: "
        "four blocks of 32 to 128 channels, a dense layer of 128 units, dropout 0.5, "
        "Adam at 0.001, batches of 32, 30 epochs and the augmentation of "
        "`mobilenetv2-paper` are this project's."
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
        "Gaussian filter, contrast, pooled features, PCA; first the body part, then "
        "that part's classifier. Not stated there: the filter's sigma (here 1 pixel), "
        "how contrast is adjusted (here each film stretched to 0..255), the number of "
        "components (here 64, of unit variance) and where PCA stands (here between "
        "pooling and classifier, inside the network: fitted once, on the frozen "
        "features of the training films, then kept while the last stage learns through "
        "it, for other components would undo what the classifiers learned). Nor what "
        "names the part (here logistic regressions on the stage before the last, which "
        "stays frozen), what the classifiers are (here linear: a general one of all "
        "films, and for each part with 20 normal and 20 fractured films its difference "
        "from that) and how they train: AdamW, a cosine schedule, rates, epochs, what "
        "is fine-tuned and the augmentation, that of `mobilenetv2-paper`, are ours."
    ),
    backbone="resnet50",
    filters=("gaussian", "contrast"),
    head="cascade",
    value_range=(0.0, 255.0),
    hidden_units=64,
    dropout=(0.0, 0.0),
    l2=0.01,
    weight_decay=0.01,
    schedule="cosine",
    phases=(Phase(5, 3e-3), Phase(15, 1e-4, unfreeze="conv5")),
)
_CASCADE_MOBILE = dataclasses.replace(
    _CASCADE,
    name="mobilenetv2-cascade",
    description=(
        "`resnet50-cascade` with MobileNetV2 of width 1.0 in place of ResNet50, so "
        "that two cores can train it; scaled as its ImageNet weights expect."
    ),
    backbone="mobilenetv2",
    value_range=(-1.0, 1.0),
    phases=(Phase(4, 3e-3), Phase(17, 2e-4, unfreeze="block_13_depthwise")),
)
_INCEPTION = dataclasses.replace(
    _CASCADE,
    name="inception",
    description=(
        "InceptionV3, which P3 compares its ResNet50 with. It states nothing of its "
        "training: a dense layer of 128 units, dropout 0.3, 10 epochs of the head at "
        "0.001 and 10 from `mixed8` on at 0.0001 are this project's, the filters and "
        "the augmentation those of `resnet50-cascade`."
    ),
    backbone="inceptionv3",
    head="dense",
    value_range=(-1.0, 1.0),
    hidden_units=128,
    dropout=(0.3, 0.3),
    l2=1e-4,
    weight_decay=0.0,
    schedule="constant",
    phases=(Phase(10, 1e-3), Phase(10, 1e-4, unfreeze="mixed8")),
)
_DILATED = dataclasses.replace(
    _CNN_150,
    name="dilated-cnn",
    description=(
        "A CNN whose later blocks are dilated instead of pooled, which P3 compares its "
        "ResNet50 with. It gives neither layers nor training: five blocks of 32 to 128 "
        "channels, dilations 1, 1, 2, 4, 8, the filters of `resnet50-cascade`, Adam at "
        "0.001 falling to zero along a cosine, and 8 epochs from scratch are this "
        "project's."
    ),
    backbone="dilated-cnn",
    filters=("gaussian", "contrast"),
    head="dense",
    image_size=224,
    schedule="cosine",
    phases=(Phase(8, 1e-3, unfreeze="all"),),
)
_CRACKNET = dataclasses.replace(
    _DILATED,
    name="cracknet",
    description=(
        "A CNN behind Schmid filters, sensitive to lines, after the CrackNet of Ma and "
        "Luo (Informatics in Medicine Unlocked, 2021), which P3 compares its ResNet50 "
        "with. The stage before it, which finds bones, is not part of it. P3 gives "
        "neither layers nor training: six Schmid filters, four blocks of 32 to 128 "
        "channels, Adam at 0.001 falling to zero along a cosine, and 10 epochs from "
        "scratch are this project's."
    ),
    backbone="cnn-norm",
    filters=("gaussian", "contrast", "schmid"),
    phases=(Phase(10, 1e-3, unfreeze="all"),),
)

# === P4: MobileNetV3 with convolutions on top, and what it is compared with ===
_HYBRID = Recipe(
    name="mobilenetv3-hybrid",
    description=(
        "'Hybrid MobileNetV3-CNN' (2025): MobileNetV3-Small, convolution blocks on "
        "top, two phases, AdamW, an adaptive rate. The abstract gives no numbers, they "
        "are this project's: 224 pixels, two blocks of 128 channels, a dense layer of "
        "128 units, dropout 0.3, batches of 32, weight decay 0.01, 8 epochs at 0.001 "
        "on a frozen backbone and 12 of everything at 0.0001, the rate halved after 2 "
        "epochs without gain; flips, rotation by 20 degrees, zoom and contrast by 20 %."
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
        description=(
            f"{title}, which P4 compares its hybrid with. Head, training and numbers "
            f"are those of `mobilenetv3-hybrid`, the first phase at {rate:g}."
        ),
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
        *OWN,
        _PAPER,
        _PAPER_WIDE,
        _PAPER_NARROW,
        _CNN_150,
        _CASCADE,
        _CASCADE_MOBILE,
        _INCEPTION,
        _DILATED,
        _CRACKNET,
        _HYBRID,
        *_COMPARED_WITH_HYBRID,
    )
}
