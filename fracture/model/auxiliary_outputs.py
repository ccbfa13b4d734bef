"""Outputs beside the classes: the body part, and whether this is a film at all.

Both read pooled features and are fitted after training; the network stays as it is.
They are layers with fixed weights, so that they travel with the network's own.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Sequence

import keras
import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from fracture.classes import BODY_PARTS, CLASSES
from fracture.data.datasets import Example
from fracture.data.non_radiographs import non_radiographs
from fracture.data.phantom import draw_phantom
from fracture.model.novelty import NoveltyDetector, install_novelty
from fracture.radiograph.letterbox import make_squares

_BODY_PART_C = 0.01  # inverse regularisation of the logistic regressions


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
        """Draws the pictures and embeds them by a trained network.

        Args:
            squares: the training films, uint8 `(n, size, size, 1)`.
            per_kind: pictures of each kind, and one and a half times as many limbs.
            seed: of the pictures.
        """

        drawn = itertools.product(CLASSES, range(per_kind // 2))
        kinds = non_radiographs(per_kind, seed, jobs=-1)
        pictures = [[draw_phantom(*limb).pixels for limb in drawn], *kinds.values()]
        parts = [squares, *(make_squares(part, squares.shape[1]) for part in pictures)]
        # All at once: keras builds a graph for each call.
        ends = np.cumsum([len(part) for part in parts])[:-1]
        films, limbs, *strange = np.split(embed(network, np.concatenate(parts)), ends)
        both = np.concatenate([films, limbs])
        return cls(films, both, dict(zip(kinds, strange, strict=True)))


def fit_auxiliary_outputs(
    network: keras.Model, exposure: Exposure, examples: Sequence[Example]
) -> list[str]:
    """Fits the layers `body_parts` and `novelty` of a trained network.

    Args:
        exposure: of the same network.
        examples: the training films.

    Returns:
        The body parts that could be fitted.
    """
    strange = np.concatenate([*exposure.strange.values()])
    install_novelty(network, NoveltyDetector.fit(exposure.limbs, strange))
    return fit_body_parts(network, exposure.films, [e.tags for e in examples])


def fit_body_parts(
    network: keras.Model, embedding: np.ndarray, tags: Sequence[frozenset[str]]
) -> list[str]:
    """Fits one logistic regression a body part; films without any part are left out.

    Args:
        network: its layer `body_parts` takes the result.
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
        squares: uint8 `(n, size, size, 1)`, of the films in `examples`.
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
