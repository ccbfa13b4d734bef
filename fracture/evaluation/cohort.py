"""Films under evaluation: what is known of them beside what is said of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

import numpy as np
from sklearn.metrics import confusion_matrix

from fracture.classes import CLASSES
from fracture.data.datasets import Example
from fracture.prediction import Prediction


@dataclasses.dataclass(frozen=True)
class Cohort:
    """Films with what is known and what is said of them; every property is aligned.

    Attributes:
        groups: `(n,)`, drawn together by the bootstrap.
    """

    examples: list[Example]
    groups: np.ndarray
    predictions: list[Prediction]

    def where(self, chosen: Iterable[bool]) -> Cohort:
        """Some of the films."""
        index = np.flatnonzero(np.fromiter(chosen, bool))
        return Cohort(
            [self.examples[i] for i in index],
            self.groups[index],
            [self.predictions[i] for i in index],
        )

    @property
    def labels(self) -> np.ndarray:
        return np.array([example.label for example in self.examples], str)

    @property
    def findings(self) -> np.ndarray:
        return np.array([prediction.finding for prediction in self.predictions])

    @property
    def fractured(self) -> np.ndarray:
        return self.labels != "normal"

    @property
    def probabilities(self) -> np.ndarray:
        """Calibrated, `(n, 3)`."""
        rows = [[p.probabilities[c] for c in CLASSES] for p in self.predictions]
        return np.array(rows).reshape(-1, len(CLASSES))

    @property
    def score(self) -> np.ndarray:
        """Probability of a fracture."""
        return np.array([p.fracture_probability for p in self.predictions])


def cross_table(
    truth: np.ndarray, called: np.ndarray, rows: Sequence[str], columns: Sequence[str]
) -> dict[str, dict[str, int]]:
    """What is true -> what is said -> films, from indices into both lists."""
    labels = range(max(len(rows), len(columns)))
    counts = confusion_matrix(truth.astype(int), called.astype(int), labels=labels)
    return {
        row: dict(zip(columns, map(int, line), strict=False))
        for row, line in zip(rows, counts, strict=False)
    }
