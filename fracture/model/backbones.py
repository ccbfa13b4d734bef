"""The backbones: from pixels to the feature map that a head reads."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence

import keras
import numpy as np

from fracture.model.recipe import Recipe

# What the weights of keras.applications expect, as (means, deviations) of grey levels:
# channels in the order blue, green, red, or standardised red, green, blue.
_CAFFE = ((103.939, 116.779, 123.68), (1.0, 1.0, 1.0))
_TORCH = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))

MOMENTUM = 0.9  # of batch norms that train; the usual 0.99 needs thousands of steps


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A feature extractor.

    Attributes:
        title: what people call it.
        build: pixels `(n, size, size, channels)` and the recipe -> features
            `(n, rows, columns, width)`, >= 0.
        stride: pixels from cell to cell.
        first: centre of the first cell, in pixels from the edge; with strided 3 x 3
            convolutions that pad on one side only it is not half a stride.
        last_block: first layer of its last block.
        constructor: of the stand-alone model in keras.applications, None without one.
        file: name of its ImageNet weights in a folder of such.
        tag: its family on the Hub.
        has_width: whether `Recipe.alpha` scales it.
        early: layer whose pooled output is the embedding; None: the features' own.
        added: how the names of layers begin that ImageNet weights do not cover; they
            are new, so every phase trains them.
        finer: makes a layer's copy for half the stride; None where there is none.
    """

    title: str
    build: Callable
    stride: int
    first: float
    last_block: str
    constructor: Callable[..., keras.Model] | None = None
    file: str | None = None
    tag: str = "cnn"
    has_width: bool = False
    early: str | None = None
    added: tuple[str, ...] = ()
    finer: Callable[[keras.Layer], keras.Layer] | None = None

    def bare(self, recipe: Recipe, weights: str | None, pixels=None) -> keras.Model:
        """The stand-alone model that ImageNet weights are of, on `pixels` if given."""
        width = {"alpha": recipe.alpha} if self.has_width else {}
        return self.constructor(
            input_tensor=pixels, include_top=False, weights=weights, **width
        )

    def layers(self, model: keras.Model) -> list[keras.layers.Layer]:
        """Its layers in a network: those between `pixels` and `features`."""
        names = [layer.name for layer in model.layers]
        between = model.layers[names.index("pixels") + 1 : names.index("features")]
        beside = {"embedding", "body_parts"}  # read out of an early layer
        return [layer for layer in between if layer.name not in beside]

    def lent_layers(self, model: keras.Model) -> list[keras.layers.Layer]:
        """Its layers in a network that a stand-alone model has as well."""
        layers = self.layers(model)
        return [layer for layer in layers if not layer.name.startswith(self.added)]

    def last_block_layers(self, model: keras.Model) -> list[keras.layers.Layer]:
        """Its layers in a network from `last_block` on."""
        layers = self.layers(model)
        return layers[[layer.name for layer in layers].index(self.last_block) :]


def _application(
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
        pixels = keras.layers.Concatenate(name="pixels")([pixels] * 3)
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


def _convolution(x, width: int, name: str, dilation: int = 1, norm: bool = True):
    x = keras.layers.Conv2D(
        width,
        3,
        padding="same",
        dilation_rate=dilation,
        use_bias=not norm,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    if norm:
        x = keras.layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)


_SMALL = _application(
    "MobileNetV3Small",
    31.5,
    "added2",
    "mobilenet",
    width=True,
    include_preprocessing=False,
)


def _hybrid(pixels, recipe: Recipe):
    """MobileNetV3-Small and two convolution blocks on top."""
    x = _SMALL.build(pixels, recipe)
    for number in (1, 2):
        x = _convolution(x, 128, f"added{number}")
        x = keras.layers.Dropout(recipe.dropout[0], name=f"added{number}_drop")(x)
    return x


def _mobilenetv2_at_16(layer: keras.Layer) -> keras.Layer:
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


def _plain(
    title: str, widths: Sequence[int], dilations: Sequence[int], norm: bool = True
) -> Backbone:
    """A CNN of this project: convolution, batch norm if asked for, ReLU.

    Blocks that are not dilated end in pooling; its stride is that of its poolings.
    """

    def build(pixels, recipe: Recipe):
        x = keras.layers.Identity(name="pixels")(pixels)
        blocks = zip(widths, dilations, strict=True)
        for number, (width, dilation) in enumerate(blocks, 1):
            x = _convolution(x, width, f"conv{number}", dilation, norm)
            if dilation == 1:
                x = keras.layers.MaxPooling2D(name=f"pool{number}")(x)
        return x

    stride = 2 ** list(dilations).count(1)
    return Backbone(title, build, stride, stride / 2, f"conv{len(widths)}")


# `early` is the map before a backbone's last stride. The last one, trained on fractures
# alone, lays chests and empty frames onto limbs.
BACKBONES: dict[str, Backbone] = {
    "mobilenetv2": dataclasses.replace(
        _application("MobileNetV2", 31.5, "block_16_expand", "mobilenet", width=True),
        early="block_13_expand_relu",
        finer=_mobilenetv2_at_16,
    ),
    "mobilenetv3small-cnn": dataclasses.replace(
        _SMALL,
        title="MobileNetV3-Small with convolution blocks",
        build=_hybrid,
        added=("added",),
    ),
    "resnet50": dataclasses.replace(
        _application("ResNet50", 0.5, "conv5_block3_1_conv", "resnet", scaling=_CAFFE),
        early="conv4_block6_out",
    ),
    "densenet121": _application(
        "DenseNet121", 14.5, "conv5_block1_0_bn", "densenet", scaling=_TORCH
    ),
    "vgg16": _application("VGG16", 16, "block5_conv1", "vgg", scaling=_CAFFE),
    "inceptionv3": _application("InceptionV3", 37.5, "mixed9", "inception"),
    "cnn": _plain("CNN of four blocks", (32, 64, 128, 128), (1, 1, 1, 1), norm=False),
    "cnn-norm": _plain("CNN of four blocks", (32, 64, 128, 128), (1, 1, 1, 1)),
    "dilated-cnn": _plain("Dilated CNN", (32, 64, 64, 128, 128), (1, 1, 2, 4, 8)),
}
