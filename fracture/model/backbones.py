"""The backbones: from pixels to the feature map that a head reads."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import applications, layers

from fracture.model.recipe import Recipe

# What the weights of keras.applications expect, as (means, deviations) of grey levels:
# channels in the order blue, green, red, or standardised red, green, blue.
_CAFFE = ((103.939, 116.779, 123.68), (1.0, 1.0, 1.0))
_TORCH = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))


@dataclasses.dataclass(frozen=True)
class Backbone:
    """A feature extractor.

    Attributes:
        build: pixels `(n, size, size, channels)` and the recipe -> features
            `(n, rows, columns, width)`, >= 0.
        stride: pixels from cell to cell.
        first: centre of the first cell, in pixels from the edge; with strided 3 x 3
            convolutions that pad on one side only it is not half a stride.
        constructor: of the stand-alone model in keras.applications, None without one;
            takes `include_top`, `weights` and, with a width, `alpha`.
        file: name of its ImageNet weights in a folder of such.
        early: layer whose pooled output is the embedding; None: the features' own.
    """

    build: Callable
    stride: int
    first: float
    constructor: Callable[..., keras.Model] | None = None
    file: str | None = None
    early: str | None = None

    def bare(self, recipe: Recipe, weights: str | None) -> keras.Model:
        """The stand-alone model that ImageNet weights are of."""
        return self.constructor(
            include_top=False, weights=weights, **_width(self.constructor, recipe)
        )


def _width(constructor: Callable, recipe: Recipe) -> dict:
    mobile = constructor in (applications.MobileNetV2, applications.MobileNetV3Small)
    return {"alpha": recipe.alpha} if mobile else {}


def _published(constructor: Callable, scaling: tuple | None = None, **options):
    """A network of keras.applications, on films that are scaled as it expects."""

    def build(pixels, recipe: Recipe):
        pixels = layers.Concatenate(name="pixels")([pixels] * 3)
        if scaling:
            means, deviations = map(np.array, scaling)
            pixels = layers.Rescaling(
                1 / deviations, -means / deviations, name="imagenet_scale"
            )(pixels)
        model = constructor(
            input_tensor=pixels,
            include_top=False,
            weights=None,
            **_width(constructor, recipe),
            **options,
        )
        return model.output

    return build


def _blocks(widths: Sequence[int], dilations: Sequence[int], norm: bool):
    """Convolution, (batch norm,) ReLU; blocks that are not dilated end in pooling."""

    def build(pixels, recipe: Recipe):
        x = layers.Identity(name="pixels")(pixels)
        for number, (width, dilation) in enumerate(
            zip(widths, dilations, strict=True), 1
        ):
            x = _convolution(x, width, f"conv{number}", dilation, norm)
            if dilation == 1:
                x = layers.MaxPooling2D(name=f"pool{number}")(x)
        return x

    return build


def _convolution(x, width: int, name: str, dilation: int = 1, norm: bool = True):
    x = layers.Conv2D(
        width,
        3,
        padding="same",
        dilation_rate=dilation,
        use_bias=not norm,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    if norm:
        x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)


def _hybrid(pixels, recipe: Recipe):
    """MobileNetV3-Small and two convolution blocks on top."""
    extract = _published(applications.MobileNetV3Small, include_preprocessing=False)
    x = extract(pixels, recipe)
    for number in (1, 2):
        x = _convolution(x, 128, f"added{number}")
        x = layers.Dropout(recipe.dropout[0], name=f"added{number}_drop")(x)
    return x


def _application(
    constructor: Callable, file: str, first: float, scaling: tuple | None = None
) -> Backbone:
    """A network of keras.applications as a backbone; all of them have stride 32."""
    build = _published(constructor, scaling)
    return Backbone(build, 32, first, constructor, f"{file}_imagenet.weights.h5")


BACKBONES: dict[str, Backbone] = {
    "mobilenetv2": dataclasses.replace(
        _application(applications.MobileNetV2, "mobilenetv2_{alpha}", 31.5),
        # The map before the backbone's last stride. The last one, trained on fractures
        # alone, lays chests and empty frames onto limbs.
        early="block_13_expand_relu",
    ),
    "mobilenetv3small-cnn": dataclasses.replace(
        _application(applications.MobileNetV3Small, "mobilenetv3small_{alpha}", 31.5),
        build=_hybrid,
    ),
    "resnet50": _application(applications.ResNet50, "resnet50", 0.5, _CAFFE),
    "densenet121": _application(applications.DenseNet121, "densenet121", 14.5, _TORCH),
    "vgg16": _application(applications.VGG16, "vgg16", 16, _CAFFE),
    "inceptionv3": _application(applications.InceptionV3, "inceptionv3", 37.5),
    "cnn": Backbone(
        _blocks((32, 64, 128, 128), (1, 1, 1, 1), norm=False), stride=16, first=8
    ),
    "cnn-norm": Backbone(
        _blocks((32, 64, 128, 128), (1, 1, 1, 1), norm=True), stride=16, first=8
    ),
    "dilated-cnn": Backbone(
        _blocks((32, 64, 64, 128, 128), (1, 1, 2, 4, 8), norm=True), stride=4, first=2
    ),
}
