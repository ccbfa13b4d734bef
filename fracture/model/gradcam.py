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

import keras
import numpy as np

from fracture.classes import CLASSES

_BATCH = 8


class GradCAMHead(keras.layers.Layer):
    """A head that returns its logits together with what caused them.

    Subclasses say how logits come out of pooled features, and their derivative. They
    keep their own arguments in `settings`.
    """

    settings: dict

    def __init__(self, name: str = "head", **kwargs):
        super().__init__(name=name, **kwargs)
        self.pool = keras.layers.GlobalAveragePooling2D(name="pool")

    def get_config(self):
        return {**super().get_config(), **self.settings}

    def build(self, input_shape):
        # Sharpness of the map's softmax in the localisation loss, learned.
        self.log_sharpness = self.add_weight(name="log_sharpness", initializer="zeros")

    @property
    def dropouts(self) -> list[keras.layers.Dropout]:
        """The dropout layers inside, in the order they were made."""
        dropout = keras.layers.Dropout
        return [part for part in vars(self).values() if isinstance(part, dropout)]

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
        features, *context = _listed(inputs)
        pooled = self.pool(features)
        logits = self.logits(pooled, *context)
        through = self.derivative(pooled, *context)
        signed = _signed_maps(features, logits, through)
        cells = features.shape[1] * features.shape[2]
        sharpness = cells * keras.ops.exp(self.log_sharpness)
        # The maps explain the network as served; only the logits see dropout.
        if training:
            logits = self.logits(pooled, *context, training=True)
        return {
            "logits": logits,
            "heatmaps": keras.ops.relu(signed),
            "evidence": signed[..., -1] * sharpness,
        }


def _listed(inputs) -> list | tuple:
    """What a head takes: features, and what else there is."""
    return inputs if isinstance(inputs, (list, tuple)) else [inputs]


def _signed_maps(features, logits, through):
    """Grad-CAM before the ReLU, `(n, rows, columns, 4)`."""
    severity = keras.ops.softmax(logits[:, 1:], axis=-1)
    graded = keras.ops.sum(through[:, :, 1:] * severity[:, None], axis=-1)
    fracture = graded - through[:, :, 0]
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
    features, *context = _listed(inputs)
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
    """Largest difference from `autodiff_gradcam`, relative to each map's maximum."""
    # A tape over many films fills the memory.
    batches = np.array_split(images, range(_BATCH, len(images), _BATCH))
    reference = np.concatenate([autodiff_gradcam(model, films) for films in batches])
    closed = np.concatenate(
        [model(films, training=False)["heatmaps"] for films in batches]
    )
    # A map may be zero everywhere.
    largest = np.maximum(reference.max((0, 1, 2)), 1e-12)
    return float((np.abs(closed - reference).max((0, 1, 2)) / largest).max())
