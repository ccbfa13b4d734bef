"""What a backbone is, and the pieces that several are made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import keras

from fracture.model.recipe import Recipe

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


def colour(pixels):
    """Grey as the three channels that published weights take."""
    return keras.layers.Concatenate(name="pixels")([pixels] * 3)


def convolution(
    x, width: int, name: str, dilation: int = 1, norm: bool = True, side: int = 3
):
    """A convolution with He's start, batch norm if asked for, ReLU."""
    x = keras.layers.Conv2D(
        width,
        side,
        padding="same",
        dilation_rate=dilation,
        use_bias=not norm,
        kernel_initializer="he_normal",
        name=name,
    )(x)
    if norm:
        x = keras.layers.BatchNormalization(momentum=MOMENTUM, name=f"{name}_bn")(x)
    return keras.layers.ReLU(name=f"{name}_relu")(x)
