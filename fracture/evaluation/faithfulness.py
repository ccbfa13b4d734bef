"""Does the heatmap depend on the weights, and does the score depend on the heatmap?"""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np
from PIL import Image, ImageFilter
from scipy.stats import spearmanr

from fracture.classes import MAPS
from fracture.classifier import FractureClassifier
from fracture.evaluation.metrics import bootstrap, mean
from fracture.model.backbones import Backbone

_DELETED = 1 / 9  # share of the map's cells, the strongest first
_STEPS = 8
_RANDOM_ORDERS = 3


def weight_randomisation(
    network: keras.Model,
    backbone: Backbone,
    squares: np.ndarray,
    groups: np.ndarray,
    seed: int = 0,
) -> dict[str, dict]:
    """Rank correlation of the fracture map with that of a spoiled network.

    The sanity check of Adebayo et al. (NeurIPS 2018): a map that survives shuffled
    weights shows the film, not the network.

    Args:
        network: left as it was.
        squares: uint8 `(n, size, size, 1)`.
        groups: `(n,)`, for the interval.

    Returns:
        `head` and `last_block`: mean Spearman correlation with its interval.

    Raises:
        ValueError: there was nothing to shuffle.
    """

    def maps() -> np.ndarray:
        outputs = network.predict(squares, verbose=0)
        return outputs["heatmaps"][..., MAPS.index("fracture")]

    original, weights, figures = maps(), network.get_weights(), {}
    shuffled = {
        "head": [network.get_layer("head")],
        "last_block": backbone.last_block_layers(network),
    }
    for name, layers in shuffled.items():
        rng = np.random.default_rng(seed)
        if not any(layer.weights for layer in layers):
            raise ValueError(f"{backbone.title}: there are no weights in its {name}")
        for layer in layers:
            values = layer.get_weights()
            layer.set_weights(
                [rng.permuted(w.ravel()).reshape(w.shape) for w in values]
            )
        correlations = np.array([*map(_rank_correlation, original, maps())])
        network.set_weights(weights)
        figures[name] = bootstrap(mean, groups, correlations)
    return figures


def _rank_correlation(one: np.ndarray, other: np.ndarray) -> float:
    if one.std() == 0 or other.std() == 0:
        return 0.0  # a flat map agrees with nothing
    return float(spearmanr(one.ravel(), other.ravel()).statistic)


def deletion(
    classifier: FractureClassifier,
    squares: np.ndarray,
    groups: np.ndarray,
    seed: int = 0,
) -> dict[str, dict]:
    """How far the fracture log-odds fall while cells of the film are blurred away.

    A ninth of the cells goes in eight steps, the map's strongest first, against random
    orders over the cells that show anything. A fall is averaged over the steps (the
    area above the deletion curve, Petsiuk et al., BMVC 2018).

    Args:
        squares: uint8 `(n, size, size, 1)`, films with a fracture.
        groups: `(n,)`, for the interval.

    Returns:
        Mean fall, in log-odds: `by_heatmap`, `by_chance`, and their `difference`.
    """
    rng = np.random.default_rng(seed)
    falls = np.array([_falls(classifier, square, rng) for square in squares])
    by_heatmap, by_chance = falls.T
    return {
        "by_heatmap": bootstrap(mean, groups, by_heatmap),
        "by_chance": bootstrap(mean, groups, by_chance),
        "difference": bootstrap(mean, groups, by_heatmap - by_chance),
    }


def _falls(
    classifier: FractureClassifier, square: np.ndarray, rng: np.random.Generator
) -> tuple[float, float]:
    """Mean fall by the heatmap's order and by random orders."""
    score, grid = _score(classifier, square[None])
    strength = grid[0, ..., MAPS.index("fracture")]
    first, step = classifier.config.heatmap_grid
    nearest = np.rint((np.arange(len(square)) + 0.5 - first) / step).astype(int)
    nearest = nearest.clip(0, len(strength) - 1)
    cell_of = nearest[:, None] * len(strength) + nearest  # of each pixel
    shown = np.unique(cell_of[square[..., 0] > 0])
    film = Image.fromarray(square[..., 0])
    blurred = np.asarray(film.filter(ImageFilter.GaussianBlur(2 * step)))[..., None]
    count = min(round(_DELETED * strength.size), len(shown))
    orders: Sequence[np.ndarray] = [
        np.argsort(-strength.ravel(), kind="stable")[:count],
        *(rng.permutation(shown)[:count] for _ in range(_RANDOM_ORDERS)),
    ]
    falls = []
    for order in orders:
        ends = np.linspace(0, count, _STEPS + 1).round().astype(int)[1:]
        masks = np.stack([np.isin(cell_of, order[:end]) for end in ends])
        scores, _ = _score(classifier, np.where(masks[..., None], blurred, square))
        falls.append(float(np.mean(score - scores)))
    return falls[0], float(np.mean(falls[1:]))


def _score(
    classifier: FractureClassifier, squares: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fracture log-odds `(n,)` and heatmaps of squares."""
    outputs = classifier.run_squares(squares)
    normal = np.clip(outputs["probabilities"][:, 0].astype(np.float64), 1e-7, 1 - 1e-7)
    return np.log((1 - normal) / normal), outputs["heatmaps"]
