"""Label sets: how films labelled at different grain train one softmax.

A film carries two subsets of the classes. `allowed` is what agrees with its label;
`possible` is what its source could have said at all. The loss is

    logsumexp(logits[possible]) - logsumexp(logits[allowed])

the negative log-probability of the label among the answers its source can give
(partial-label learning, Cour et al., JMLR 2011). With three plain class folders it is
categorical cross-entropy. A source without normal films never pushes the normal logit,
so no class can be told by its source.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fracture.classes import CLASSES, FRACTURE_CLASSES

ALLOWED: dict[str, tuple[str, ...]] = {
    "normal": ("normal",),
    "hairline": ("hairline",),
    "displaced": ("displaced",),
    "fractured": FRACTURE_CLASSES,
}


def label_sets(label: str, source_labels: Iterable[str]) -> np.ndarray:
    """Encodes one film's label.

    Args:
        label: one of `ALLOWED`.
        source_labels: every label that occurs in the film's source.

    Returns:
        float32 `(2, 3)`: the `allowed` and the `possible` indicator over `CLASSES`.

    Raises:
        ValueError: unknown label.
    """
    possible = {name for other in source_labels for name in _allowed(other)}
    sets = (_allowed(label), possible)
    return np.array([[name in s for name in CLASSES] for s in sets], np.float32)


def _allowed(label: str) -> tuple[str, ...]:
    if label not in ALLOWED:
        raise ValueError(f"unknown label {label!r}; one of {', '.join(ALLOWED)}")
    return ALLOWED[label]
