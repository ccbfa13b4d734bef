"""What training minimises, and what it shows after each epoch."""

from __future__ import annotations

import keras

from fracture.classes import CLASSES

_FAR = 1e9  # pushes a class outside the set out of a logsumexp, in float32


def _logsumexp(logits, members):
    return keras.ops.logsumexp(logits - _FAR * (1 - members), axis=-1)


def label_set_loss(sets, logits):
    """Per-film loss `(n,)` for `sets` `(n, 2, 3)` and `logits` `(n, 3)`.

    Of two films that were mixed, `(n, 2, 2, 3)`, the mean by their shares.
    """
    logits = keras.ops.cast(logits, "float32")
    if len(sets.shape) == 4:
        sets = keras.ops.cast(sets, "float32")
        first, second = (
            keras.ops.max(sets[:, film], axis=(1, 2))
            * label_set_loss(keras.ops.sign(sets[:, film]), logits)
            for film in (0, 1)
        )
        return first + second
    return _logsumexp(logits, sets[:, 1]) - _logsumexp(logits, sets[:, 0])


def fracture_logit(logits):
    """Log-odds of fracture `(...,)` from class logits `(..., 3)`."""
    return keras.ops.logsumexp(logits[..., 1:], axis=-1) - logits[..., 0]


def localisation_loss(inside, evidence):
    """Teaches the map where the annotated boxes are.

    `logsumexp(map) - logsumexp(map inside)`: the negative log of the share of the
    (softmax-normalised) evidence that falls inside the boxes.

    Args:
        inside: `(n, rows, columns)`, share of each cell inside a box, scaled so that a
            film's best cell is 1; all zero for a film without boxes, which costs 0.
        evidence: `(n, rows, columns)`, fracture map before the ReLU.

    Returns:
        `(n,)`.
    """
    flat = (-1, evidence.shape[1] * evidence.shape[2])
    inside = keras.ops.reshape(keras.ops.cast(inside, "float32"), flat)
    evidence = keras.ops.reshape(keras.ops.cast(evidence, "float32"), flat)
    annotated = keras.ops.max(inside, axis=-1)
    weighted = evidence + keras.ops.log(inside + 1e-6)
    share = keras.ops.logsumexp(evidence, -1) - keras.ops.logsumexp(weighted, -1)
    return annotated * share


class LabelSetAccuracy(keras.metrics.MeanMetricWrapper):
    """Share of films whose likeliest possible class is allowed."""

    def __init__(self, name: str = "accuracy"):
        super().__init__(fn=_label_set_hit, name=name)


def _unmixed(sets):
    """The label sets of films, of a mixture those of its greater part."""
    return keras.ops.sign(sets[:, 0]) if len(sets.shape) == 4 else sets


def _label_set_hit(sets, logits):
    sets = _unmixed(sets)
    best = keras.ops.argmax(logits - _FAR * (1 - sets[:, 1]), axis=-1)
    return keras.ops.sum(keras.ops.one_hot(best, len(CLASSES)) * sets[:, 0], axis=-1)


class FractureAUROC(keras.metrics.AUC):
    """AUROC of fracture against normal, over films whose source has normal ones."""

    def __init__(self, name: str = "auroc"):
        super().__init__(num_thresholds=1000, from_logits=True, name=name)

    def update_state(self, sets, logits, sample_weight=None):
        sets = _unmixed(sets)
        super().update_state(
            1 - sets[:, 0, 0], fracture_logit(logits), sample_weight=sets[:, 1, 0]
        )
