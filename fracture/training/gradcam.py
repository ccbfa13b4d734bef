"""Grad-CAM in closed form, inside the forward graph, and the autodiff reference.

The logits of a head that pools depend on the feature map A through the pooled features
p alone, so the gradient of logit c is the same at every cell of its H x W grid:

    alpha[k, c] = (d logit_c / d p)[k] / (H W)

A head that knows that derivative, for GAP -> dense ReLU (W1) -> dense logits (W2) it is
W1 diag(h > 0) W2, needs no backward pass for Grad-CAM (Selvaraju et al., ICCV 2017),
relu(sum_k alpha[k, c] A[..., k]). The gradients are those of logits, never of the
softmax, which vanish where it saturates. A map's cells sum to the logit's part that
came through the map, so its unit is log-odds per cell.
"""

from __future__ import annotations

import math

import keras
import numpy as np

from fracture.classes import BODY_PARTS, CLASSES


class GradCAMHead(keras.layers.Layer):
    """A head that returns its logits together with what caused them.

    Subclasses say how logits come out of pooled features, and their derivative.
    """

    def __init__(self, name: str, **kwargs):
        super().__init__(name=name, **kwargs)
        self.pool = keras.layers.GlobalAveragePooling2D(name="pool")

    def build(self, input_shape):
        # Sharpness of the map's softmax in the localisation loss, learned.
        self.log_sharpness = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(0.0), name="log_sharpness"
        )

    @property
    def dropouts(self) -> list[keras.layers.Dropout]:
        """The dropout layers inside."""
        raise NotImplementedError

    def logits(self, pooled, *context, training=False):
        """Class logits `(n, 3)` of pooled features `(n, channels)`."""
        raise NotImplementedError

    def derivative(self, pooled, *context):
        """d logit / d pooled, `(n, channels, 3)`."""
        raise NotImplementedError

    def call(self, inputs, training=False):
        """Computes logits and maps.

        Args:
            inputs: features `(n, rows, columns, channels)`, or a list of them and of
                what else the head looks at.

        Returns:
            dict of `logits` `(n, 3)`; `heatmaps` `(n, rows, columns, 4)`, Grad-CAM of
            the three class logits and of the fracture log-odds (the order of
            `fracture.classes.MAPS`), >= 0; `evidence` `(n, rows, columns)`, the
            fracture map before its ReLU, sharpened for the localisation loss.
        """
        features, *context = inputs if isinstance(inputs, (list, tuple)) else [inputs]
        pooled = self.pool(features)
        logits = self.logits(pooled, *context)
        through = self.derivative(pooled, *context)
        signed = _signed_maps(features, logits, through)
        cells = features.shape[1] * features.shape[2]
        sharpness = cells * keras.ops.exp(self.log_sharpness)
        if training:
            # The maps explain the network as served; only the logits see dropout.
            logits = self.logits(pooled, *context, training=True)
        return {
            "logits": logits,
            "heatmaps": keras.ops.relu(signed),
            "evidence": signed[..., -1] * sharpness,
        }

    def compute_output_shape(self, input_shape):
        features = input_shape[0] if isinstance(input_shape, list) else input_shape
        n, rows, columns, _ = features
        return {
            "logits": (n, len(CLASSES)),
            "heatmaps": (n, rows, columns, len(CLASSES) + 1),
            "evidence": (n, rows, columns),
        }


@keras.saving.register_keras_serializable(package="fracture")
class ExplainedHead(GradCAMHead):
    """GAP, dropout, dense ReLU, dropout, dense logits: the published head.

    Args:
        hidden_units: width of the ReLU layer.
        dropout: rates before and after the ReLU layer.
        l2: kernel penalty of the ReLU layer.
        sigmoid: one output for fracture, shared equally by its classes, instead of one
            for each class: the softmax of the logits is that sigmoid.
    """

    def __init__(
        self,
        hidden_units: int = 128,
        dropout: tuple[float, float] = (0.7, 0.5),
        l2: float = 0.0,
        sigmoid: bool = False,
        name: str = "head",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.settings = dict(
            hidden_units=hidden_units, dropout=dropout, l2=l2, sigmoid=sigmoid
        )
        self.drop_features = keras.layers.Dropout(dropout[0], name="drop_features")
        self.hidden = keras.layers.Dense(
            hidden_units,
            activation="relu",
            kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
            name="hidden",
        )
        self.drop_hidden = keras.layers.Dropout(dropout[1], name="drop_hidden")
        self.sigmoid = sigmoid
        outputs = 1 if sigmoid else len(CLASSES)
        self.classifier = keras.layers.Dense(outputs, name="classifier")

    def build(self, input_shape):
        super().build(input_shape)
        self.hidden.build((None, input_shape[-1]))
        self.classifier.build((None, self.hidden.units))

    @property
    def dropouts(self) -> list[keras.layers.Dropout]:
        return [self.drop_features, self.drop_hidden]

    def logits(self, pooled, training=False):
        hidden = self.hidden(self.drop_features(pooled, training=training))
        logits = self.classifier(self.drop_hidden(hidden, training=training))
        if self.sigmoid:
            half = logits - math.log(2)
            logits = keras.ops.concatenate(
                [keras.ops.zeros_like(logits), half, half], axis=-1
            )
        return logits

    def derivative(self, pooled):
        active = keras.ops.cast(self.hidden(pooled) > 0, pooled.dtype)
        kernel = self.classifier.kernel
        if self.sigmoid:
            kernel = keras.ops.concatenate(
                [keras.ops.zeros_like(kernel), kernel, kernel], axis=-1
            )
        return keras.ops.matmul(self.hidden.kernel, active[:, :, None] * kernel[None])

    def get_config(self):
        return {**super().get_config(), **self.settings}


@keras.saving.register_keras_serializable(package="fracture")
class CascadeHead(GradCAMHead):
    """Principal components of the pooled features, then the body part's classifier.

    Which part it is comes in as the second input, `(n, parts)` probabilities; the
    likeliest decides. The components are fitted, not trained.

    Args:
        components: how many are kept.
        dropout: rate on the components.
        l2: penalty of the classifiers' kernels.
    """

    def __init__(
        self,
        components: int = 64,
        dropout: float = 0.0,
        l2: float = 0.0,
        name: str = "head",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.settings = dict(components=components, dropout=dropout, l2=l2)
        self.drop = keras.layers.Dropout(dropout, name="drop")

    def build(self, input_shape):
        super().build(input_shape)
        channels, components = input_shape[0][-1], self.settings["components"]
        fixed = {"initializer": "glorot_uniform", "trainable": False}
        self.centre = self.add_weight(
            name="centre", shape=(channels,), initializer="zeros", trainable=False
        )
        self.directions = self.add_weight(
            name="directions", shape=(channels, components), **fixed
        )
        l2 = self.settings["l2"]
        self.kernels = self.add_weight(
            name="kernels",
            shape=(len(BODY_PARTS), components, len(CLASSES)),
            initializer="glorot_uniform",
            regularizer=keras.regularizers.L2(l2) if l2 else None,
        )
        self.biases = self.add_weight(
            name="biases", shape=(len(BODY_PARTS), len(CLASSES)), initializer="zeros"
        )

    @property
    def dropouts(self) -> list[keras.layers.Dropout]:
        return [self.drop]

    def logits(self, pooled, parts, training=False):
        components = keras.ops.matmul(pooled - self.centre, self.directions)
        components = self.drop(components, training=training)
        kernel, bias = self._of_part(parts)
        return keras.ops.squeeze(components[:, None] @ kernel, 1) + bias

    def derivative(self, pooled, parts):
        return keras.ops.matmul(self.directions, self._of_part(parts)[0])

    def _of_part(self, parts):
        """Kernel `(n, components, 3)` and bias `(n, 3)` of each film's part."""
        # By comparison, for argmax has no counterpart in ONNX; a tie is shared.
        likeliest = keras.ops.max(parts, axis=-1, keepdims=True)
        chosen = keras.ops.cast(parts >= likeliest, parts.dtype)
        chosen /= keras.ops.sum(chosen, axis=-1, keepdims=True)
        kernel = keras.ops.einsum("np,pkc->nkc", chosen, self.kernels)
        return kernel, keras.ops.matmul(chosen, self.biases)

    def get_config(self):
        return {**super().get_config(), **self.settings}


def _signed_maps(features, logits, through):
    """Grad-CAM before the ReLU, `(n, rows, columns, 4)`."""
    severity = keras.ops.softmax(logits[:, 1:], axis=-1)
    fracture = (
        keras.ops.sum(through[:, :, 1:] * severity[:, None], axis=-1) - through[:, :, 0]
    )
    through = keras.ops.concatenate([through, fracture[:, :, None]], axis=-1)
    rows, columns, channels = features.shape[1:]
    flat = keras.ops.reshape(features, (-1, rows * columns, channels))
    maps = keras.ops.matmul(flat, through) / (rows * columns)
    return keras.ops.reshape(maps, (-1, rows, columns, through.shape[-1]))


def autodiff_gradcam(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """The reference: Grad-CAM by backpropagation, one tape per map, as published.

    Args:
        model: from `build_network`; its layer `head` and what it takes are used.
        images: uint8 `(n, size, size, 1)`.

    Returns:
        float32 `(n, rows, columns, 4)`, comparable with the head's `heatmaps`.
    """
    import tensorflow as tf  # the reference needs a tape; nothing shipped does

    head = model.get_layer("head")
    inputs = keras.Model(model.input, head.input)(images, training=False)
    features, *context = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    features = tf.convert_to_tensor(features)
    maps = []
    for index in range(len(CLASSES) + 1):
        with tf.GradientTape() as tape:
            tape.watch(features)
            logits = head.logits(head.pool(features), *context)
            if index < len(CLASSES):
                score = logits[:, index]
            else:
                score = tf.reduce_logsumexp(logits[:, 1:], -1) - logits[:, 0]
        alpha = tf.reduce_mean(tape.gradient(score, features), axis=(1, 2))
        maps.append(tf.nn.relu(tf.einsum("nhwk,nk->nhw", features, alpha)))
    return np.stack([m.numpy() for m in maps], axis=-1)


def gradcam_difference(model: keras.Model, images: np.ndarray) -> float:
    """Largest difference of closed form and autodiff, relative to each map's maximum.

    Args:
        model, images: see `autodiff_gradcam`.
    """
    found = []
    for start in range(0, len(images), 8):  # a tape over many films fills the memory
        batch = images[start : start + 8]
        closed = model(batch, training=False)["heatmaps"]
        found.append(
            (autodiff_gradcam(model, batch), keras.ops.convert_to_numpy(closed))
        )
    reference, closed = map(np.concatenate, zip(*found, strict=True))
    # A map may be zero everywhere.
    largest = np.maximum(reference.max((0, 1, 2)), 1e-12)
    return float((np.abs(closed - reference).max((0, 1, 2)) / largest).max())
