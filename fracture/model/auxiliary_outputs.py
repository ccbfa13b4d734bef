"""Outputs beside the classes: the body part, and whether this is a film at all.

Both read pooled features and are fitted after training; the network stays as it is.
They are layers with fixed weights, so that they travel with the network's own.
"""

from __future__ import annotations

import collections
import dataclasses
import itertools
from collections.abc import Iterable, Sequence

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

_ENOUGH = 20  # films that name a part; of either kind for a classifier of its own
_BODY_PART_C = 0.1  # inverse regularisation of the logistic regressions


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
    network: keras.Model,
    exposure: Exposure,
    examples: Sequence[Example],
    parts: Sequence[str],
) -> None:
    """Fits the layers `body_parts` and `novelty` of a trained network.

    Args:
        exposure: of the same network.
        examples: the training films.
        parts: what the network names.
    """
    strange = np.concatenate([*exposure.strange.values()])
    components = network.get_layer("novelty").components
    detector = NoveltyDetector.fit(exposure.limbs, strange, components)
    install_novelty(network, detector)
    fit_body_parts(network, exposure.films, examples, parts)


def named_parts(examples: Iterable[Example]) -> tuple[str, ...]:
    """The body parts that at least 20 of the films show."""
    films = collections.Counter(tag for film in examples for tag in film.tags)
    return tuple(part for part in BODY_PARTS if films[part] >= _ENOUGH)


def fit_body_parts(
    network: keras.Model,
    embedding: np.ndarray,
    examples: Sequence[Example],
    parts: Sequence[str],
) -> None:
    """Fits one logistic regression a body part; films without any part are left out.

    Args:
        network: its layer `body_parts` takes the result.
        embedding: `(n, channels)` of training films.
        examples: the same films; their tags are the truth, several parts at a time.
        parts: what the network names. One that every film shows cannot be told from
            anything: it is said of every film, as surely as their number allows.
    """
    if not parts:
        return
    truth = np.array([[part in film.tags for part in parts] for film in examples])
    named = np.array([not film.tags.isdisjoint(BODY_PARTS) for film in examples])
    scaler = StandardScaler()
    films = scaler.fit_transform(embedding[named])
    kernel = np.zeros((embedding.shape[1], len(parts)), np.float32)
    bias = np.full(len(parts), np.log(len(films) + 1), np.float32)
    for column, present in enumerate(truth[named].T):
        if not present.all():
            model = LogisticRegression(C=_BODY_PART_C, max_iter=1000)
            model.fit(films, present)
            kernel[:, column] = model.coef_[0] / scaler.scale_
            bias[column] = model.intercept_[0] - scaler.mean_ @ kernel[:, column]
    network.get_layer("body_parts").set_weights([kernel, bias])


def fit_cascade(
    network: keras.Model,
    squares: np.ndarray,
    examples: Sequence[Example],
    parts: Sequence[str],
    components: bool = True,
) -> None:
    """Fits what comes before the classifiers of a `CascadeHead`, on training films.

    These are the body parts, which of them has a classifier of its own (20 normal and
    20 fractured films), and the principal components of the pooled features, each of
    unit variance.

    Args:
        squares: uint8 `(n, size, size, 1)`, of the films in `examples`.
        parts: what the network names.
        components: whether to fit them, too: classifiers that were trained on others
            would lose what they learned.
    """
    head = network.get_layer("head")
    pooled = keras.layers.GlobalAveragePooling2D()(network.get_layer("features").output)
    model = keras.Model(network.input, [network.output["embedding"], pooled])
    embedding, features = model.predict(squares, batch_size=32)
    fit_body_parts(network, embedding, examples, parts)
    kinds = collections.Counter(
        (tag, film.label == "normal") for film in examples for tag in film.tags
    )
    head.own.assign(
        [min(kinds[part, True], kinds[part, False]) >= _ENOUGH for part in parts]
    )
    if not components:
        return
    channels, kept = head.directions.shape
    pca = PCA(min(kept, len(features) - 1, channels)).fit(features)
    spread = np.sqrt(np.maximum(pca.explained_variance_, 1e-12))
    directions = np.zeros((channels, kept), np.float32)
    directions[:, : len(spread)] = (pca.components_ / spread[:, None]).T
    head.centre.assign(pca.mean_)
    head.directions.assign(directions)
