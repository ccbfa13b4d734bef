"""Recipe -> keras.Model, and which of its layers train."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import keras

from fracture.classes import BODY_PARTS
from fracture.model.auxiliary_outputs import Novelty
from fracture.model.backbones import BACKBONES
from fracture.model.filters import FILTERS
from fracture.model.heads import CascadeHead, ExplainedHead
from fracture.model.recipe import Recipe
from fracture.weights import CONFIG_FILE, KERAS_FILE

_DILATED = {f"block_{block}_depthwise" for block in (14, 15, 16)}


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
    image_size: int | None = None,
    backbone_weights: str | None = None,
    output_stride: int | None = None,
) -> keras.Model:
    """Builds the network of a recipe.

    Args:
        recipe: what to build.
        image_size: side of the input square; default `recipe.image_size`.
        backbone_weights: None (random), "imagenet" (downloaded by keras.applications),
            a `.weights.h5` file of the stand-alone backbone, or a weights folder of a
            network with the same backbone, which is taken.
        output_stride: default `recipe.output_stride`. MobileNetV2 alone has another
            than its own: 16 removes its last stride and dilates what follows (a trous,
            Chen et al., TPAMI 2018): every second cell in each direction, the odd
            ones, is exactly a cell of the network at 32, and the cells between them
            refine the map.

    Returns:
        A functional model: uint8 `(n, size, size, 1)`, grey 0..255, to a dict of
        `logits`, `heatmaps` and `evidence` (see `GradCAMHead`); `embedding`
        `(n, channels)`, pooled features (`Backbone.early`); and what is read out of it
        after training, `body_parts` `(n, 4)` and `novelty` `(n,)` (see
        `fracture.model.auxiliary_outputs`). Named layers: `film`, the filters, `scale`,
        `pixels`, the backbone's own, `features`, `head`, and the last three outputs.

    Raises:
        BackboneError: the initial weights cannot be downloaded or read.
        ValueError: this backbone has no such output stride.
    """
    size, backbone = image_size or recipe.image_size, BACKBONES[recipe.backbone]
    stride = output_stride or recipe.output_stride or backbone.stride
    if stride != backbone.stride and (recipe.backbone, stride) != ("mobilenetv2", 16):
        raise ValueError(f"{recipe.backbone} has no output stride {stride}")
    low, high = recipe.value_range

    # === Layers ===
    film = keras.Input((size, size, 1), dtype="uint8", name="film")
    scale = keras.layers.Rescaling((high - low) / 255.0, low, name="scale")
    identity = keras.layers.Identity(name="features")
    pool = keras.layers.GlobalAveragePooling2D(name="embedding")
    body_parts = keras.layers.Dense(
        len(BODY_PARTS), activation="sigmoid", trainable=False, name="body_parts"
    )
    novelty = Novelty(name="novelty")

    # === Functional Model ===
    grey = film
    if recipe.filters:
        grey = keras.ops.cast(grey, "float32")
        for name in recipe.filters:
            grey = FILTERS[name](grey)
    features = identity(backbone.build(scale(grey), recipe))
    body = keras.Model(film, features)
    early = body.get_layer(backbone.early).output if backbone.early else features
    embedding = pool(early)
    parts = body_parts(embedding)
    if recipe.head == "cascade":
        head = CascadeHead(recipe.hidden_units, recipe.dropout[0], recipe.l2)
        explained = head([features, parts])
    else:
        sigmoid = recipe.head == "sigmoid"
        head = ExplainedHead(recipe.hidden_units, recipe.dropout, recipe.l2, sigmoid)
        explained = head(features)
    outputs = {
        **explained,
        "embedding": embedding,
        "body_parts": parts,
        "novelty": novelty(embedding),
    }
    model = keras.Model(film, outputs, name=recipe.name.replace("-", "_"))

    if backbone_weights is not None:
        bare = _pretrained(recipe, backbone_weights)
        lent = {layer.name: layer for layer in bare.layers}
        for layer in backbone_layers(model):
            if layer.weights and layer.name in lent:
                layer.set_weights(lent[layer.name].get_weights())
    if recipe.train_batch_norm:
        for layer in backbone_layers(model):
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.9  # the published 0.999 needs thousands of steps
    if stride == backbone.stride:
        return model
    finer = keras.models.clone_model(model, clone_function=_without_stride)
    finer.set_weights(model.get_weights())
    return finer


def backbone_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers between `pixels` and `features`."""
    names = [layer.name for layer in model.layers]
    between = model.layers[names.index("pixels") + 1 : names.index("features")]
    return [layer for layer in between if layer.name != "embedding"]


def map_grid(recipe: Recipe, cells: int, output_stride: int | None = None) -> Grid:
    """Where the cells of a network's map lie.

    A map that is taught its place lies where the teaching puts it, each cell in the
    middle of its stride; any other where its receptive fields do. At half the
    backbone's stride every second cell, the odd ones, is one at the whole.

    Args:
        cells: of the map in a row.
        output_stride: default `recipe.output_stride`.
    """
    backbone = BACKBONES[recipe.backbone]
    step = output_stride or recipe.output_stride or backbone.stride
    first = backbone.stride / 2 if recipe.localisation_weight else backbone.first
    return Grid(first - (backbone.stride - step), step, cells)


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
    if (config := folder / CONFIG_FILE).is_file():
        values = json.loads(config.read_text(encoding="utf-8"))
        lender = Recipe.from_dict(values["recipe"])
        same = (lender.backbone, lender.alpha) == (recipe.backbone, recipe.alpha)
        return source if same else None
    path = folder / backbone.file.format(alpha=recipe.alpha)
    return str(path) if path.is_file() else None


def _pretrained(recipe: Recipe, weights: str) -> keras.Model:
    """A model that holds the backbone's layers with the weights asked for."""
    backbone = BACKBONES[recipe.backbone]
    try:
        if (folder := Path(weights)).is_dir():
            values = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
            network = build_network(Recipe.from_dict(values["recipe"]))
            network.load_weights(folder / KERAS_FILE)
            return network
        if backbone.constructor is None:
            raise ValueError(f"there are none of {recipe.backbone}")
        if weights == "imagenet":
            return backbone.bare(recipe, weights)
        bare = backbone.bare(recipe, None)
        bare.load_weights(weights)
    except Exception as error:  # keras raises whatever its downloader or h5py raise
        message = (
            f"cannot start from the backbone weights {weights!r} ({error}); name a "
            f".weights.h5 file of {recipe.backbone}, a weights folder, or 'none'"
        )
        raise BackboneError(message) from error
    return bare


def _without_stride(layer: keras.Layer) -> keras.Layer:
    """A copy of a backbone layer for output stride 16."""
    config = layer.get_config()
    if layer.name == "block_13_pad":
        config["padding"] = ((1, 2), (1, 2))
    elif layer.name == "block_13_depthwise":
        config["strides"] = (1, 1)
    elif layer.name in _DILATED:
        config["dilation_rate"] = (2, 2)
    return layer.from_config(config)


def set_trainable(
    model: keras.Model, unfreeze: int | str | None, train_batch_norm: bool
) -> None:
    """Freezes the backbone except what a phase unfreezes (see `Phase.unfreeze`).

    A frozen batch-norm layer also keeps its statistics, as Keras defines it.

    Raises:
        ValueError: `unfreeze` names no layer of the backbone.
    """
    backbone = backbone_layers(model)
    names = [layer.name for layer in backbone]
    if unfreeze is None:
        start = len(backbone)
    elif unfreeze == "all":
        start = 0
    elif isinstance(unfreeze, int):
        start = max(0, len(backbone) - unfreeze)
    else:
        found = [i for i, name in enumerate(names) if name.startswith(unfreeze)]
        if not found:
            raise ValueError(f"no backbone layer's name starts with {unfreeze!r}")
        start = found[0]
    for index, layer in enumerate(backbone):
        is_norm = isinstance(layer, keras.layers.BatchNormalization)
        layer.trainable = index >= start and (train_batch_norm or not is_norm)
