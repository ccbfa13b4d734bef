"""Backbones with layers of this project on top."""

from __future__ import annotations

import dataclasses

import keras

from fracture.model.backbones.backbone import MOMENTUM, Backbone, colour, convolution
from fracture.model.recipe import Recipe


def hybrid(base: Backbone, **changes) -> Backbone:
    """A backbone and two convolution blocks on top.

    Args:
        changes: of its other attributes.
    """

    def build(pixels, recipe: Recipe):
        x = base.build(pixels, recipe)
        for number in (1, 2):
            x = convolution(x, 128, f"added{number}")
            rate = recipe.dropout[0]
            x = keras.layers.Dropout(rate, name=f"added{number}_drop")(x)
        return x

    return dataclasses.replace(base, build=build, added=("added",), **changes)


def pyramid(base: Backbone, last_stride: str, width: int, **changes) -> Backbone:
    """A backbone whose map lies before its last stride and knows what comes behind it.

    The last map, at twice its side, is added to what the last stride is taken of (Lin
    et al., CVPR 2017), both narrowed to `width`; a separable convolution reads the sum.

    Args:
        base: with the scaling -1 to 1.
        last_stride: its first layer behind the place of the merger.
        changes: of its other attributes.
    """

    def build(pixels, recipe: Recipe):
        body = base.bare(recipe, None, colour(pixels))
        # Novelty takes a root of what is pooled here.
        finer = keras.layers.ReLU(name="pyramid_finer")(
            body.get_layer(last_stride).input
        )
        finer, coarser = (
            keras.layers.Conv2D(width, 1, use_bias=False, name=f"pyramid_{name}")(x)
            for name, x in (("lateral", finer), ("top", body.output))
        )
        coarser = keras.layers.UpSampling2D(2, name="pyramid_up")(coarser)
        x = keras.layers.Add(name="pyramid_sum")([finer, coarser])
        x = keras.layers.BatchNormalization(momentum=MOMENTUM, name="pyramid_sum_bn")(x)
        x = keras.layers.ReLU(name="pyramid_sum_relu")(x)
        x = keras.layers.DepthwiseConv2D(
            3, padding="same", use_bias=False, name="pyramid_depthwise"
        )(x)
        return convolution(x, width, "pyramid_out", side=1)

    stride, first = base.stride // 2, base.first - base.stride // 2
    return dataclasses.replace(
        base,
        build=build,
        stride=stride,
        first=first,
        early="pyramid_finer",
        added=("pyramid",),
        finer=None,
        **changes,
    )
