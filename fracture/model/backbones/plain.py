"""CNNs of this project, from scratch."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from fracture.model.backbones.backbone import Backbone, convolution
from fracture.model.recipe import Recipe


def plain(
    title: str, widths: Sequence[int], dilations: Sequence[int], norm: bool = True
) -> Backbone:
    """A CNN of this project: convolution, batch norm if asked for, ReLU.

    Blocks that are not dilated end in pooling; its stride is that of its poolings.
    """

    def build(pixels, recipe: Recipe):
        x = keras.layers.Identity(name="pixels")(pixels)
        blocks = zip(widths, dilations, strict=True)
        for number, (width, dilation) in enumerate(blocks, 1):
            x = convolution(x, width, f"conv{number}", dilation, norm)
            if dilation == 1:
                x = keras.layers.MaxPooling2D(name=f"pool{number}")(x)
        return x

    stride = 2 ** list(dilations).count(1)
    return Backbone(title, build, stride, stride / 2, f"conv{len(widths)}")
