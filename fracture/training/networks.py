"""Recipe -> keras.Model, and which of its layers train."""

from __future__ import annotations

import json
from pathlib import Path

import keras

from fracture.classes import BODY_PARTS
from fracture.training.gradcam import ExplainedHead
from fracture.training.readouts import Novelty
from fracture.training.recipes import Recipe
from fracture.weights import CONFIG_FILE, KERAS_FILE

_DILATED = {f"block_{block}_depthwise" for block in (14, 15, 16)}
# The map before the backbone's last stride. The last one, trained on fractures alone,
# lays chests and empty frames onto limbs.
_EARLIER = "block_13_expand_relu"


class BackboneError(RuntimeError):
    """The backbone's initial weights cannot be had; the message says what to do."""


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
            network of the same width, whose backbone is taken.
        output_stride: 32 is the backbone as published. 16 removes its last stride and
            dilates what follows (a trous, Chen et al., TPAMI 2018): every second cell
            in each direction, the odd ones, is exactly a cell of the network at 32, and
            the cells between them refine the map. Default `recipe.output_stride`.

    Returns:
        A functional model: uint8 `(n, size, size, 1)`, grey 0..255, to a dict of
        `logits`, `heatmaps` and `evidence` (see `ExplainedHead`); `embedding`
        `(n, channels)`, the pooled features before the backbone's last stride; and
        what is read out of it after training, `body_parts` `(n, 4)` and `novelty`
        `(n,)` (see `fracture.training.readouts`). Named layers: `film`, `scale`, `rgb`,
        the backbone's own, `features`, `head`, and the last three outputs.

    Raises:
        BackboneError: the initial weights cannot be downloaded or read.
    """
    size = image_size or recipe.image_size
    low, high = recipe.value_range

    # === Layers ===
    film = keras.Input((size, size, 1), dtype="uint8", name="film")
    scale = keras.layers.Rescaling((high - low) / 255.0, low, name="scale")
    rgb = keras.layers.Concatenate(name="rgb")
    head = ExplainedHead(recipe.hidden_units, recipe.dropout, recipe.l2)
    body_parts = keras.layers.Dense(
        len(BODY_PARTS), activation="sigmoid", trainable=False, name="body_parts"
    )
    novelty = Novelty(name="novelty")

    # === Functional Model ===
    grey = scale(film)
    backbone = keras.applications.MobileNetV2(
        input_tensor=rgb([grey, grey, grey]),
        alpha=recipe.alpha,
        include_top=False,
        weights=None,
    )
    if backbone_weights is not None:
        bare = _pretrained(recipe.alpha, backbone_weights)
        for layer in backbone.layers:
            if layer.weights:
                layer.set_weights(bare.get_layer(layer.name).get_weights())
    if recipe.train_batch_norm:
        for layer in backbone.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.momentum = 0.9  # the backbone's 0.999 needs thousands of steps
    features = keras.layers.Identity(name="features")(backbone.output)
    embedding = keras.layers.GlobalAveragePooling2D(name="embedding")(
        backbone.get_layer(_EARLIER).output
    )
    outputs = {
        **head(features),
        "embedding": embedding,
        "body_parts": body_parts(embedding),
        "novelty": novelty(embedding),
    }
    model = keras.Model(film, outputs, name=recipe.name.replace("-", "_"))
    if (output_stride or recipe.output_stride) == 32:
        return model
    finer = keras.models.clone_model(model, clone_function=_without_stride)
    finer.set_weights(model.get_weights())
    return finer


def map_grid(output_stride: int) -> dict[str, float]:
    """Where a map's cells lie: centre of the `first`, and `step`, in pixels.

    At stride 16 the cells sit on the corners of a 16-pixel raster, the first at 0: that
    is where training at stride 32 put the centres of the cells they share.
    """
    return {"first": 16.0 if output_stride == 32 else 0.0, "step": output_stride}


def _pretrained(alpha: float, weights: str) -> keras.Model:
    """A model that holds the backbone's layers with the weights asked for."""
    try:
        if (folder := Path(weights)).is_dir():
            values = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
            network = build_network(Recipe.from_dict(values["recipe"]))
            network.load_weights(folder / KERAS_FILE)
            return network
        backbone = keras.applications.MobileNetV2(
            input_shape=(224, 224, 3),
            alpha=alpha,
            include_top=False,
            weights="imagenet" if weights == "imagenet" else None,
        )
        if weights != "imagenet":
            backbone.load_weights(weights)
    except Exception as error:  # keras raises whatever its downloader or h5py raise
        message = (
            f"cannot start from the backbone weights {weights!r} ({error}); name a "
            ".weights.h5 file of MobileNetV2 of this width, a weights folder, or 'none'"
        )
        raise BackboneError(message) from error
    return backbone


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
    names = [layer.name for layer in model.layers]
    backbone = model.layers[names.index("rgb") + 1 : names.index("features")]
    backbone = [layer for layer in backbone if layer.name != "embedding"]
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
