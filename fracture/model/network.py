"""Recipe -> keras.Model, and which of its layers train."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import keras

from fracture.model.backbones import BACKBONES
from fracture.model.backbones.backbone import MOMENTUM
from fracture.model.filters import FILTERS
from fracture.model.heads import CascadeHead, ExplainedHead
from fracture.model.novelty import Novelty
from fracture.model.recipe import Phase, Recipe
from fracture.weights import CONFIG_FILE, KERAS_FILE


class BackboneError(RuntimeError):
    """The backbone's initial weights cannot be had; the message says what to do."""


class Grid(NamedTuple):
    """Where a map's cells lie in the square: both directions, in pixels.

    Attributes:
        first: centre of the first cell.
        step: from cell to cell.
        cells: in a row.
    """

    first: float
    step: float
    cells: int


def build_network(
    recipe: Recipe,
    phase: Phase | None = None,
    backbone_weights: str | None = None,
    parts: Sequence[str] = (),
) -> keras.Model:
    """Builds the network of a recipe.

    Args:
        phase: whose image size and output stride it gets; None builds it as served.
        backbone_weights: None (random), "imagenet" (downloaded by keras.applications),
            a `.weights.h5` file of the stand-alone backbone, or a weights folder of a
            network with the same backbone, which is taken.
        parts: body parts that it names.

    Returns:
        A functional model: uint8 `(n, size, size, 1)`, grey 0..255, to a dict of
        `logits`, `heatmaps` and `evidence` (see `GradCAMHead`); `embedding`
        `(n, channels)`, pooled features (`Backbone.early`); and what is read out of it
        after training (`fracture.model.auxiliary_outputs`), `novelty` `(n,)` and, if
        there are parts, `body_parts` `(n, parts)`. Named layers: `film`, the filters,
        `scale`, `pixels`, the backbone's, `features`, `head`, the last three outputs.

    Raises:
        BackboneError: the initial weights cannot be downloaded or read.
        ValueError: this backbone has no such output stride.
    """
    backbone, stride = BACKBONES[recipe.backbone], output_stride(recipe, phase)
    size = phase.image_size or recipe.image_size if phase else recipe.image_size
    finer = stride != backbone.stride
    if finer and (backbone.finer is None or 2 * stride != backbone.stride):
        raise ValueError(f"{recipe.backbone} has no output stride {stride}")
    low, high = recipe.value_range
    # Made always and first: what a seed draws depends on the order of the layers.
    body_parts = keras.layers.Dense(
        max(len(parts), 1), activation="sigmoid", trainable=False, name="body_parts"
    )
    grey = film = keras.Input((size, size, 1), dtype="uint8", name="film")
    if recipe.filters:
        grey = keras.ops.cast(grey, "float32")
        for name in recipe.filters:
            grey = FILTERS[name](grey)
    # ONNX Runtime broadcasts a number over a last axis of one pixel by pixel.
    flat = keras.ops.reshape(grey, (-1, size, size * grey.shape[-1]))
    scaled = keras.layers.Rescaling((high - low) / 255.0, low, name="scale")(flat)
    scaled = keras.ops.reshape(scaled, (-1, *grey.shape[1:]))
    features = keras.layers.Identity(name="features")(backbone.build(scaled, recipe))
    body = keras.Model(film, features)
    early = body.get_layer(backbone.early).output if backbone.early else features
    embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(early)
    named = {"body_parts": body_parts(embedding)} if parts else {}
    width, dropout, l2 = recipe.hidden_units, recipe.dropout, recipe.l2
    if recipe.head == "cascade":
        explained = CascadeHead(width, dropout[0], l2)([features, *named.values()])
    else:
        sigmoid = recipe.head == "sigmoid"
        explained = ExplainedHead(width, dropout, l2, sigmoid)(features)
    outputs = {
        **explained,
        "embedding": embedding,
        **named,
        "novelty": Novelty(recipe.novelty_components, name="novelty")(embedding),
    }
    model = keras.Model(film, outputs, name=recipe.name.replace("-", "_"))

    if backbone_weights is not None:
        _lend(_pretrained(recipe, backbone_weights), backbone.lent_layers(model))
    for layer in backbone.layers(model):
        if recipe.train_batch_norm and _is_norm(layer):
            layer.momentum = MOMENTUM
    if not finer:
        return model
    clone = keras.models.clone_model(model, clone_function=backbone.finer)
    clone.set_weights(model.get_weights())
    return clone


def output_stride(recipe: Recipe, phase: Phase | None = None) -> int:
    """Pixels between the cells of the map, in a phase or, without one, as served."""
    return (phase or recipe).output_stride or BACKBONES[recipe.backbone].stride


def map_grid(recipe: Recipe, cells: int, phase: Phase | None = None) -> Grid:
    """Where the cells of a network's map lie.

    A map that is taught its place lies where the teaching puts it, each cell in the
    middle of its stride; any other where its receptive fields do. At half the
    backbone's stride every second cell, the odd ones, is one at the whole.

    Args:
        cells: of the map in a row.
        phase: of training; None is the network as served.
    """
    backbone, step = BACKBONES[recipe.backbone], output_stride(recipe, phase)
    first = backbone.stride / 2 if recipe.localisation_weight else backbone.first
    return Grid(first - (backbone.stride - step), step, cells)


def multiply_accumulates(network: keras.Model) -> int:
    """Of one film, in convolutions and dense layers."""
    return sum(
        math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
        for layer in network.layers
        if getattr(layer, "kernel", None) is not None
    )


def backbone_weights(recipe: Recipe, source: str) -> str | None:
    """What `build_network` may start a recipe from; None is from scratch.

    Args:
        source: "none", "imagenet", a `.weights.h5` file, a folder of such files under
            the names of `Backbone.file`, or a weights folder, which lends its backbone
            to recipes that have the same.
    """
    backbone, folder = BACKBONES[recipe.backbone], Path(source)
    if not recipe.pretrained or source == "none" or backbone.constructor is None:
        return None
    if not folder.is_dir():
        return source
    if (folder / CONFIG_FILE).is_file():
        lender = recipe_of(folder)
        lent = BACKBONES[lender.backbone].file
        same = (lent, lender.alpha) == (backbone.file, recipe.alpha)
        return source if same else None
    path = folder / backbone.file.format(alpha=recipe.alpha)
    return str(path) if path.is_file() else None


def recipe_of(folder: str | Path) -> Recipe:
    """The recipe of a weights folder."""
    return Recipe.from_dict(_config(folder)["recipe"])


def load_network(folder: str | Path) -> tuple[Recipe, keras.Model]:
    """Rebuilds the network of a weights folder from its recipe and tensors.

    The architecture comes from code, the file is read as plain arrays: nothing in the
    folder is executed.
    """
    recipe, values = recipe_of(folder), _config(folder)
    network = build_network(recipe, parts=values["body_parts"])
    network.load_weights(Path(folder) / KERAS_FILE)
    return recipe, network


def _config(folder: str | Path) -> dict:
    return json.loads((Path(folder) / CONFIG_FILE).read_text(encoding="utf-8"))


def _pretrained(recipe: Recipe, weights: str) -> list[keras.layers.Layer]:
    """The backbone's layers with the weights asked for."""
    backbone = BACKBONES[recipe.backbone]
    try:
        if Path(weights).is_dir():
            return backbone.lent_layers(load_network(weights)[1])
        if backbone.constructor is None:
            raise ValueError(f"there are none of {recipe.backbone}")
        imagenet = weights == "imagenet"
        bare = backbone.bare(recipe, weights if imagenet else None)
        if not imagenet:
            bare.load_weights(weights)
        return bare.layers
    except Exception as error:  # keras raises whatever its downloader or h5py raise
        message = (
            f"cannot start from the backbone weights {weights!r} ({error}); name a "
            f".weights.h5 file of {recipe.backbone}, a weights folder, or 'none'"
        )
        raise BackboneError(message) from error


def _lend(
    lenders: Sequence[keras.layers.Layer], borrowers: Sequence[keras.layers.Layer]
) -> None:
    """Copies weights layer by layer, in order: names of InceptionV3 are counted up."""
    lenders, borrowers = (
        [layer for layer in layers if layer.weights] for layers in (lenders, borrowers)
    )
    for lender, borrower in zip(lenders, borrowers, strict=True):
        borrower.set_weights(lender.get_weights())


def set_trainable(
    model: keras.Model, recipe: Recipe, unfreeze: int | str | None
) -> None:
    """Freezes the backbone except what a phase unfreezes (see `Phase.unfreeze`).

    Its new layers (`Backbone.added`) always train, batch norms among them. Any other
    frozen batch-norm layer also keeps its statistics, as Keras defines it.

    Raises:
        ValueError: `unfreeze` names no layer of the backbone.
    """
    layers = BACKBONES[recipe.backbone].lent_layers(model)
    if unfreeze is None:
        start = len(layers)
    elif unfreeze == "all":
        start = 0
    elif isinstance(unfreeze, int):
        start = max(0, len(layers) - unfreeze)
    else:
        names = (i for i, x in enumerate(layers) if x.name.startswith(unfreeze))
        if (start := next(names, None)) is None:
            raise ValueError(f"no backbone layer's name starts with {unfreeze!r}")
    for index, layer in enumerate(layers):
        learns = recipe.train_batch_norm or not _is_norm(layer)
        layer.trainable = index >= start and learns


def _is_norm(layer) -> bool:
    return isinstance(layer, keras.layers.BatchNormalization)
