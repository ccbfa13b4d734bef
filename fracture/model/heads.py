"""The heads that recipes name, each with the derivative that explains it."""

from __future__ import annotations

import math

import keras

from fracture.classes import CLASSES, CLEAR_PART
from fracture.model.gradcam import GradCAMHead


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
        hidden_units: int,
        dropout: tuple[float, float],
        l2: float,
        sigmoid: bool,
        **kwargs,
    ):
        super().__init__(**kwargs)
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
        outputs = 1 if sigmoid else len(CLASSES)
        self.classifier = keras.layers.Dense(outputs, name="classifier")

    def build(self, input_shape):
        super().build(input_shape)
        self.hidden.build((None, input_shape[-1]))
        self.classifier.build((None, self.hidden.units))

    def logits(self, pooled, training=False):
        hidden = self.hidden(self.drop_features(pooled, training=training))
        logits = self.classifier(self.drop_hidden(hidden, training=training))
        return _spread(logits - math.log(2)) if self.settings["sigmoid"] else logits

    def derivative(self, pooled):
        active = keras.ops.cast(self.hidden(pooled) > 0, pooled.dtype)
        kernel = self.classifier.kernel
        kernel = _spread(kernel) if self.settings["sigmoid"] else kernel
        return keras.ops.matmul(self.hidden.kernel, active[:, :, None] * kernel[None])


def _spread(half):
    """Columns for all classes: zero for normal, the same for each kind of fracture."""
    return keras.ops.concatenate([keras.ops.zeros_like(half), half, half], axis=-1)


@keras.saving.register_keras_serializable(package="fracture")
class CascadeHead(GradCAMHead):
    """Principal components of the pooled features, then the body part's classifier.

    The second input, `(n, parts)` probabilities, says which part it is: the likeliest,
    if it is clear (`CLEAR_PART`) and has a classifier of its own. All other films take
    the general one. A part's classifier is the general one and a difference that its
    films alone teach, so that few films need not teach it all.

    Args:
        components: how many are kept.
        dropout: rate on the components.
        l2: penalty of the general kernel and of the differences.

    Attributes:
        centre, directions: of the components; fitted, not trained.
        own: `(parts,)`, 1 for a part with a classifier of its own, else 0.
        kernels: `(1 + parts, components, 3)`, the general one, then the differences.
        biases: `(1 + parts, 3)`, likewise.
    """

    def __init__(self, components: int, dropout: float, l2: float, **kwargs):
        super().__init__(**kwargs)
        self.settings = dict(components=components, dropout=dropout, l2=l2)
        self.drop = keras.layers.Dropout(dropout, name="drop")

    def build(self, input_shape):
        super().build(input_shape)
        features, *context = input_shape
        channels, components = features[-1], self.settings["components"]
        parts = context[0][-1] if context else 0
        classes, l2 = len(CLASSES), self.settings["l2"]
        self.centre = self.add_weight(
            name="centre", shape=(channels,), initializer="zeros", trainable=False
        )
        self.directions = self.add_weight(
            name="directions", shape=(channels, components), trainable=False
        )
        self.own = self.add_weight(
            name="own", shape=(parts,), initializer="ones", trainable=False
        )
        self.kernels = self.add_weight(
            name="kernels",
            shape=(1 + parts, components, classes),
            regularizer=keras.regularizers.L2(l2) if l2 else None,
        )
        self.biases = self.add_weight(
            name="biases", shape=(1 + parts, classes), initializer="zeros"
        )

    def logits(self, pooled, *parts, training=False):
        components = keras.ops.matmul(pooled - self.centre, self.directions)
        components = self.drop(components, training=training)
        kernel, bias = self._classifier(pooled, *parts)
        return keras.ops.squeeze(components[:, None] @ kernel, 1) + bias

    def derivative(self, pooled, *parts):
        return keras.ops.matmul(self.directions, self._classifier(pooled, *parts)[0])

    def _classifier(self, pooled, parts=None):
        """Kernel `(n, components, 3)` and bias `(n, 3)` for each film."""
        shares = keras.ops.ones_like(pooled[:, :1])
        if parts is not None:
            # By comparison, for argmax has no counterpart in ONNX; a tie is shared.
            likeliest = keras.ops.max(parts, axis=-1, keepdims=True)
            least = keras.ops.maximum(likeliest, CLEAR_PART)
            chosen = keras.ops.cast(parts >= least, parts.dtype)
            tied = keras.ops.maximum(keras.ops.sum(chosen, axis=-1, keepdims=True), 1)
            shares = keras.ops.concatenate([shares, self.own * chosen / tied], axis=-1)
        kernel = keras.ops.einsum("np,pkc->nkc", shares, self.kernels)
        return kernel, keras.ops.matmul(shares, self.biases)
