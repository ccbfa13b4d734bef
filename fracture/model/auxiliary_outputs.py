"""Outputs beside the classes: the body part, and whether this is a film at all.

Both read pooled features and are fitted after training; the network stays as it is.
They are layers with fixed weights, so that they travel with the network's own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
from scipy.linalg import eigh
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from fracture.classes import BODY_PARTS, CLASSES
from fracture.data.datasets import Example
from fracture.data.non_radiographs import non_radiographs
from fracture.data.phantom import draw_phantom
from fracture.radiograph.letterbox import make_squares

QUANTILE = 0.99  # of validation films that must count as in distribution
_BODY_PART_C = 0.01  # inverse regularisation of the logistic regressions
_NOVELTY_C = 3e-4
_COMPONENTS = 256
_FLOOR = 1e-3  # keeps rounding errors of silent channels small under the root
_CAP = 25.0  # five standard deviations: what lies beyond is not stranger


@keras.saving.register_keras_serializable(package="fracture")
class Novelty(keras.layers.Layer):
    """`NoveltyDetector` inside the graph: embeddings `(n, channels)` to `(n,)`."""

    def build(self, input_shape):
        channels = input_shape[-1]
        shapes = {
            "centre": (channels,),
            "directions": (channels, _COMPONENTS),
            "linear": (_COMPONENTS,),
            "square": (_COMPONENTS,),
            "bias": (),
        }
        for name, shape in shapes.items():
            weight = self.add_weight(
                name=name, shape=shape, initializer="zeros", trainable=False
            )
            setattr(self, name, weight)

    def call(self, embedding):
        """Log-odds; greater is stranger."""
        centred = keras.ops.sqrt(embedding + _FLOOR) - self.centre
        z = keras.ops.matmul(centred, self.directions)
        capped = keras.ops.minimum(z * z, _CAP)
        scores = z * self.linear + capped * self.square
        return keras.ops.sum(scores, axis=-1) + self.bias

    def compute_output_shape(self, input_shape):
        return input_shape[:1]


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
    def fit(cls, films: np.ndarray, strange: np.ndarray) -> NoveltyDetector:
        """Fits on embeddings `(n, channels)`, >= 0, of films and of other pictures."""
        root = _root(films)
        centre, scale = root.mean(0), root.std(0)
        scale = scale + 0.05 * scale.mean()  # a channel that hardly varies stays small
        unit = (root - centre) / scale
        count = min(_COMPONENTS, len(unit) - 1, unit.shape[1])
        last = unit.shape[1] - 1
        values, vectors = eigh(
            unit.T @ unit / len(unit), subset_by_index=(last - count + 1, last)
        )
        values = np.maximum(values, 1e-3 * values[-1])
        directions = np.zeros((unit.shape[1], _COMPONENTS))
        directions[:, :count] = vectors / np.sqrt(values) / scale[:, None]
        weights = np.repeat(
            (1.0, len(films) / len(strange)), (len(films), len(strange))
        )
        both = np.concatenate([films, strange])
        is_strange = np.arange(len(both)) >= len(films)
        z = (_root(both) - centre) @ directions
        model = LogisticRegression(C=_NOVELTY_C, max_iter=500)
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


def embed(network: keras.Model, squares: np.ndarray) -> np.ndarray:
    """Embeddings `(n, channels)` of uint8 `(n, size, size, 1)`, with a progress bar."""
    model = keras.Model(network.input, network.output["embedding"])
    return model.predict(squares, batch_size=32)


@dataclasses.dataclass(frozen=True, eq=False)
class Exposure:
    """Embeddings that the outputs beside the classes are fitted on.

    Attributes:
        films: `(n, channels)`, of the training films.
        limbs: of these and of drawn limbs: that a film is drawn must not make it
            strange.
        strange: kind -> embeddings of pictures that are no radiographs of limbs.
    """

    films: np.ndarray
    limbs: np.ndarray
    strange: dict[str, np.ndarray]

    @classmethod
    def draw(
        cls, network: keras.Model, squares: np.ndarray, per_kind: int, seed: int
    ) -> Exposure:
        """Draws the pictures and embeds them.

        Args:
            network: from `build_network`, trained.
            squares: the training films, uint8 `(n, size, size, 1)`.
            per_kind: pictures of each kind, and one and a half times as many limbs.
            seed: of the pictures.
        """
        size = squares.shape[1]
        films = embed(network, squares)
        limbs = [
            draw_phantom(label, index).pixels
            for label in CLASSES
            for index in range(per_kind // 2)
        ]
        return cls(
            films,
            np.concatenate([films, embed(network, make_squares(limbs, size))]),
            {
                kind: embed(network, make_squares(pictures, size))
                for kind, pictures in non_radiographs(per_kind, seed).items()
            },
        )


def fit_auxiliary_outputs(
    network: keras.Model, exposure: Exposure, examples: Sequence[Example]
) -> list[str]:
    """Fits the layers `body_parts` and `novelty`, on training films.

    Args:
        network: from `build_network`, trained.
        exposure: of the same network.
        examples: the training films.

    Returns:
        The body parts that could be fitted.
    """
    strange = np.concatenate([*exposure.strange.values()])
    install_novelty(network, NoveltyDetector.fit(exposure.limbs, strange))
    return fit_body_parts(network, exposure.films, [e.tags for e in examples])


def install_novelty(network: keras.Model, detector: NoveltyDetector) -> None:
    """Puts a detector into a network's layer `novelty`."""
    values = [np.asarray(value) for value in dataclasses.astuple(detector)]
    network.get_layer("novelty").set_weights(values)


def fit_body_parts(
    network: keras.Model, embedding: np.ndarray, tags: Sequence[frozenset[str]]
) -> list[str]:
    """Fits one logistic regression a body part; films without any part are left out.

    Args:
        network: from `build_network`; its layer `body_parts` takes the result.
        embedding: `(n, channels)` of training films.
        tags: of the same films; their body parts are the truth, several at a time.

    Returns:
        The parts that could be fitted; all others answer 0.5.
    """
    truth = np.array([[part in film for part in BODY_PARTS] for film in tags])
    named = truth.any(1)
    kernel = np.zeros((embedding.shape[1], len(BODY_PARTS)), np.float32)
    bias = np.zeros(len(BODY_PARTS), np.float32)
    fitted = []
    for column, part in enumerate(BODY_PARTS):
        present = truth[named, column]
        if present.all() or not present.any():
            continue
        scaler = StandardScaler()
        films = scaler.fit_transform(embedding[named])
        model = LogisticRegression(C=_BODY_PART_C, max_iter=1000).fit(films, present)
        kernel[:, column] = model.coef_[0] / scaler.scale_
        bias[column] = model.intercept_[0] - scaler.mean_ @ kernel[:, column]
        fitted.append(part)
    network.get_layer("body_parts").set_weights([kernel, bias])
    return fitted


def fit_cascade(
    network: keras.Model, squares: np.ndarray, examples: Sequence[Example]
) -> None:
    """Fits what comes before the classifiers of a `CascadeHead`, on training films.

    These are the principal components of the pooled features, each of unit variance,
    and the body parts.

    Args:
        network: from `build_network`, of a recipe with that head.
        squares: uint8 `(n, size, size, 1)`.
        examples: of the same films.
    """
    embedding = embed(network, squares)
    fit_body_parts(network, embedding, [example.tags for example in examples])
    head = network.get_layer("head")
    channels, components = head.directions.shape
    pca = PCA(min(components, len(embedding) - 1, channels)).fit(embedding)
    spread = np.sqrt(np.maximum(pca.explained_variance_, 1e-12))
    directions = np.zeros((channels, components), np.float32)
    directions[:, : len(spread)] = (pca.components_ / spread[:, None]).T
    head.centre.assign(pca.mean_)
    head.directions.assign(directions)
