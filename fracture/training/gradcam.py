"""Grad-CAM in closed form, inside the forward graph, and the autodiff reference.

For a head GAP -> dense ReLU (W1) -> dense logits (W2), the gradient of logit c with
respect to the feature map A is the same at every cell of its H x W grid:

    alpha[k, c] = (W1 diag(h > 0) W2)[k, c] / (H W)

so Grad-CAM (Selvaraju et al., ICCV 2017), relu(sum_k alpha[k, c] A[..., k]), needs no
backward pass. The gradients are those of logits, never of the softmax, which vanish
where it saturates. A map's cells sum to the logit's part that came through the map, so
its unit is log-odds per cell.
"""

from __future__ import annotations

import keras
import numpy as np

from fracture.classes import CLASSES


@keras.saving.register_keras_serializable(package="fracture")
class ExplainedHead(keras.layers.Layer):
    """Classification head that returns its logits together with what caused them.

    Args:
        hidden_units: width of the ReLU layer.
        dropout: rates before and after the ReLU layer.
        l2: kernel penalty of the ReLU layer.
    """

    def __init__(
        self,
        hidden_units: int = 128,
        dropout: tuple[float, float] = (0.7, 0.5),
        l2: float = 0.0,
        name: str = "head",
        **kwargs,
    ):
        super().__init__(name=name, **kwargs)
        self.settings = dict(hidden_units=hidden_units, dropout=dropout, l2=l2)
        self.pool = keras.layers.GlobalAveragePooling2D(name="pool")
        self.drop_features = keras.layers.Dropout(dropout[0], name="drop_features")
        self.hidden = keras.layers.Dense(
            hidden_units,
            activation="relu",
            kernel_regularizer=keras.regularizers.L2(l2) if l2 else None,
            name="hidden",
        )
        self.drop_hidden = keras.layers.Dropout(dropout[1], name="drop_hidden")
        self.classifier = keras.layers.Dense(len(CLASSES), name="classifier")

    def build(self, input_shape):
        channels = input_shape[-1]
        self.pool.build(input_shape)
        self.hidden.build((None, channels))
        self.classifier.build((None, self.hidden.units))
        # Sharpness of the map's softmax in the localisation loss, learned.
        self.log_sharpness = self.add_weight(
            shape=(), initializer=keras.initializers.Constant(0.0), name="log_sharpness"
        )

    def call(self, features, training=False):
        """Computes logits and maps.

        Args:
            features: `(n, rows, columns, channels)`.

        Returns:
            dict of `logits` `(n, 3)`; `heatmaps` `(n, rows, columns, 4)`, Grad-CAM of
            the three class logits and of the fracture log-odds (the order of
            `fracture.classes.MAPS`), >= 0; `evidence` `(n, rows, columns)`, the
            fracture map before its ReLU, sharpened for the localisation loss.
        """
        pooled = self.pool(features)
        hidden = self.hidden(pooled)
        logits = self.classifier(hidden)
        signed = self._signed_maps(features, hidden, logits)
        cells = features.shape[1] * features.shape[2]
        sharpness = cells * keras.ops.exp(self.log_sharpness)
        if training:
            # The maps explain the network as served; only the logits see dropout.
            dropped = self.hidden(self.drop_features(pooled, training=True))
            logits = self.classifier(self.drop_hidden(dropped, training=True))
        return {
            "logits": logits,
            "heatmaps": keras.ops.relu(signed),
            "evidence": signed[..., -1] * sharpness,
        }

    def _signed_maps(self, features, hidden, logits):
        """Grad-CAM before the ReLU, `(n, rows, columns, 4)`."""
        active = keras.ops.cast(hidden > 0, hidden.dtype)
        # d logit / d pooled, per film: W1 diag(h > 0) W2 as two dense products.
        through = active[:, :, None] * self.classifier.kernel[None]
        severity = keras.ops.softmax(logits[:, 1:], axis=-1)
        fracture = (
            keras.ops.sum(through[:, :, 1:] * severity[:, None], axis=-1)
            - through[:, :, 0]
        )
        through = keras.ops.concatenate([through, fracture[:, :, None]], axis=-1)
        alpha = keras.ops.matmul(self.hidden.kernel, through)
        rows, columns, channels = features.shape[1:]
        flat = keras.ops.reshape(features, (-1, rows * columns, channels))
        maps = keras.ops.matmul(flat, alpha) / (rows * columns)
        return keras.ops.reshape(maps, (-1, rows, columns, through.shape[-1]))

    def compute_output_shape(self, input_shape):
        n, rows, columns, _ = input_shape
        return {
            "logits": (n, len(CLASSES)),
            "heatmaps": (n, rows, columns, len(CLASSES) + 1),
            "evidence": (n, rows, columns),
        }

    def get_config(self):
        return {**super().get_config(), **self.settings}


def autodiff_gradcam(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """The reference: Grad-CAM by backpropagation, one tape per map, as published.

    Args:
        model: from `build_network`; its layers `features` and `head` are used.
        images: uint8 `(n, size, size, 1)`.

    Returns:
        float32 `(n, rows, columns, 4)`, comparable with the head's `heatmaps`.
    """
    import tensorflow as tf  # the reference needs a tape; nothing shipped does

    backbone = keras.Model(model.input, model.get_layer("features").output)
    head = model.get_layer("head")
    features = tf.convert_to_tensor(backbone(images, training=False))
    maps = []
    for index in range(len(CLASSES) + 1):
        with tf.GradientTape() as tape:
            tape.watch(features)
            logits = head.classifier(head.hidden(head.pool(features)))
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
