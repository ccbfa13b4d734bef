"""Is this a film like those of the training? A score of pooled features."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
from scipy.linalg import eigh
from sklearn.linear_model import LogisticRegression

QUANTILE = 0.99  # of validation films that must count as in distribution
_C = 3e-4  # inverse regularisation of the logistic regression
_FLOOR = 1e-3  # keeps rounding errors of silent channels small under the root
_CAP = 25.0  # five standard deviations: what lies beyond is not stranger


@keras.saving.register_keras_serializable(package="fracture")
class Novelty(keras.layers.Layer):
    """`NoveltyDetector` inside the graph: embeddings `(n, channels)` to `(n,)`.

    Args:
        components: `Recipe.novelty_components`.
    """

    def __init__(self, components: int, **kwargs):
        super().__init__(**kwargs)
        self.components = components

    def get_config(self):
        return super().get_config() | {"components": self.components}

    def build(self, input_shape):
        channels = input_shape[-1]
        fixed = {"initializer": "zeros", "trainable": False}
        self.centre = self.add_weight(shape=(channels,), name="centre", **fixed)
        self.directions = self.add_weight(
            shape=(channels, self.components), name="directions", **fixed
        )
        each = (self.components,)
        self.linear = self.add_weight(shape=each, name="linear", **fixed)
        self.square = self.add_weight(shape=each, name="square", **fixed)
        self.bias = self.add_weight(name="bias", **fixed)

    def call(self, embedding):
        """Log-odds; greater is stranger."""
        centred = keras.ops.sqrt(embedding + _FLOOR) - self.centre
        z = keras.ops.matmul(centred, self.directions)
        capped = keras.ops.minimum(z * z, _CAP)
        scores = z * self.linear + capped * self.square
        return keras.ops.sum(scores, axis=-1) + self.bias


@dataclasses.dataclass(frozen=True, eq=False)
class NoveltyDetector:
    """A Mahalanobis distance whose directions are weighed by outlier exposure.

    Pooled features, square-rooted, are whitened on training films (principal
    directions). A logistic regression on the coordinates and their capped squares then
    tells films from other pictures (Hendrycks et al., ICLR 2019). With `square`
    constant and `linear` zero it is the Mahalanobis distance of Lee et al. (NeurIPS
    2018).

    Attributes:
        centre: `(channels,)`.
        directions: `(channels, components)`.
        linear, square: `(components,)`.
        bias: log-odds at the centre.
    """

    centre: np.ndarray
    directions: np.ndarray
    linear: np.ndarray
    square: np.ndarray
    bias: float

    @classmethod
    def fit(
        cls, films: np.ndarray, strange: np.ndarray, components: int
    ) -> NoveltyDetector:
        """Fits on embeddings `(n, channels)`, >= 0, of films and of other pictures.

        Where they span fewer than `components` directions, the rest are zero.
        """
        root = _root(films)
        centre, scale = root.mean(0), root.std(0)
        scale = scale + 0.05 * scale.mean()  # a channel that hardly varies stays small
        unit = (root - centre) / scale
        known, channels = unit.shape
        count = min(components, known - 1, channels)
        wanted = channels - count, channels - 1
        values, vectors = eigh(unit.T @ unit / known, subset_by_index=wanted)
        values = np.maximum(values, 1e-3 * values[-1])
        directions = np.zeros((channels, components))
        directions[:, :count] = vectors / np.sqrt(values) / scale[:, None]
        both = np.concatenate([films, strange])
        is_strange = np.arange(len(both)) >= len(films)
        weights = np.where(is_strange, len(films) / len(strange), 1.0)
        z = (_root(both) - centre) @ directions
        model = LogisticRegression(C=_C, max_iter=500)
        model.fit(_expand(z), is_strange, sample_weight=weights)
        linear, square = np.split(model.coef_[0], 2)
        return cls(centre, directions, linear, square / 2, float(model.intercept_[0]))

    def score(self, embedding: np.ndarray) -> np.ndarray:
        """`(n, channels)` to log-odds `(n,)`, greater is stranger."""
        z = (_root(embedding) - self.centre) @ self.directions
        return _expand(z) @ np.append(self.linear, 2 * self.square) + self.bias


def _root(embedding: np.ndarray) -> np.ndarray:
    return np.sqrt(embedding.astype(np.float64) + _FLOOR)


def _expand(z: np.ndarray) -> np.ndarray:
    return np.hstack([z, np.minimum(z**2, _CAP) / 2])


def install_novelty(network: keras.Model, detector: NoveltyDetector) -> None:
    """Puts a detector into a network's layer `novelty`."""
    values = [np.asarray(value) for value in dataclasses.astuple(detector)]
    network.get_layer("novelty").set_weights(values)
