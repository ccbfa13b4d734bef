"""Networks of keras.applications as backbones."""

from __future__ import annotations

import functools

import keras
import numpy as np

from fracture.model.backbones.backbone import Backbone, colour
from fracture.model.recipe import Recipe

# What the weights of keras.applications expect, as (means, deviations) of grey levels:
# channels in the order blue, green, red, or standardised red, green, blue.
CAFFE = ((103.939, 116.779, 123.68), (1.0, 1.0, 1.0))
TORCH = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


def application(
    name: str,
    first: float,
    last_block: str,
    tag: str,
    scaling: tuple | None = None,
    width: bool = False,
    **options,
) -> Backbone:
    """A network of keras.applications as a backbone; all of them have stride 32.

    Args:
        scaling: means and deviations that its weights expect; None: -1 to 1.
        options: of its constructor.
    """

    def build(pixels, recipe: Recipe):
        pixels = colour(pixels)
        if scaling:
            means, deviations = map(np.array, scaling)
            pixels = keras.layers.Rescaling(
                1 / deviations, -means / deviations, name="imagenet_scale"
            )(pixels)
        return backbone.bare(recipe, None, pixels).output

    constructor = functools.partial(getattr(keras.applications, name), **options)
    file = f"{name.lower()}{'_{alpha}' if width else ''}_imagenet.weights.h5"
    backbone = Backbone(
        name, build, 32, first, last_block, constructor, file, tag, width
    )
    return backbone


def mobilenetv2_at_16(layer: keras.Layer) -> keras.Layer:
    """A copy of a layer for a network without the last stride, dilated behind it.

    A trous (Chen et al., TPAMI 2018): every second cell in each direction, the odd
    ones, is exactly a cell of the network at 32; the cells between them refine the map.
    """
    config = layer.get_config()
    if layer.name == "block_13_pad":
        config["padding"] = ((1, 2), (1, 2))
    elif layer.name == "block_13_depthwise":
        config["strides"] = (1, 1)
    elif layer.name in {f"block_{block}_depthwise" for block in (14, 15, 16)}:
        config["dilation_rate"] = (2, 2)
    return layer.from_config(config)
