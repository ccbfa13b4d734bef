"""From logits to probabilities one may read as such, and the thresholds on them.

Temperature scaling (Guo et al., ICML 2017) with one more parameter: training shows
fractured films more often than they occur, which shifts the log-odds; an offset of the
normal logit takes that back.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp, softmax
from sklearn.metrics import roc_curve

from fracture.data.datasets import DatasetError
from fracture.model.novelty import QUANTILE

RULE_OUT_SENSITIVITY = 0.95
RULE_IN_SPECIFICITY = 0.95


@dataclasses.dataclass(frozen=True)
class Calibration:
    """`softmax(logits / temperature + (normal_offset, 0, 0))`.

    Attributes:
        films: validation films it was fitted on.
        loss_before, loss_after: their mean label-set loss, in nats.
    """

    temperature: float = 1.0
    normal_offset: float = 0.0
    films: int = 0
    loss_before: float | None = None
    loss_after: float | None = None

    @classmethod
    def fit(cls, logits: np.ndarray, sets: np.ndarray) -> Calibration:
        """Minimises the label-set loss over both parameters.

        Args:
            logits: `(n, 3)` of validation films.
            sets: `(n, 2, 3)`, see `fracture.data.labels.label_sets`.
        """

        def loss(parameters: np.ndarray) -> float:
            temperature, offset = np.exp(parameters[0]), parameters[1]
            scores = logits / temperature + (offset, 0, 0)
            possible, allowed = (logsumexp(scores, 1, b=sets[:, i]) for i in (1, 0))
            return float(np.mean(possible - allowed))

        start = np.zeros(2)
        bounds = ((np.log(0.05), np.log(20)), (-10, 10))
        found = minimize(loss, start, method="L-BFGS-B", bounds=bounds)
        temperature, offset = float(np.exp(found.x[0])), float(found.x[1])
        return cls(temperature, offset, len(logits), loss(start), float(found.fun))

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """Calibrated `(n, 3)`."""
        offsets = (self.normal_offset, 0, 0)
        return np.exp(log_softmax(logits / self.temperature + offsets, axis=1))

    def undo(self, probabilities: np.ndarray) -> np.ndarray:
        """The softmax of the raw logits `(n, 3)` behind calibrated probabilities."""
        logits = np.log(np.maximum(probabilities, 1e-12)) - (self.normal_offset, 0, 0)
        return softmax(logits * self.temperature, axis=1)

    def to_dict(self) -> dict:
        """As plain JSON types."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> Calibration:
        """Inverse of `to_dict`."""
        return cls(**values)


@dataclasses.dataclass(frozen=True)
class Serving:
    """What films that a network was not trained on say about serving it.

    Attributes:
        calibration: of its logits.
        operating_points: see `operating_points`.
        heatmap_reference: map strength of clear evidence, log-odds per cell.
        novelty_threshold: films above it are out of distribution.
    """

    calibration: Calibration
    operating_points: dict[str, dict]
    heatmap_reference: float
    novelty_threshold: float

    @classmethod
    def fit(
        cls,
        logits: np.ndarray,
        sets: np.ndarray,
        strongest: np.ndarray,
        novelty: np.ndarray,
    ) -> Serving:
        """Fits all of it.

        Args:
            logits: `(n, 3)`.
            sets: `(n, 2, 3)`, see `fracture.data.labels.label_sets`.
            strongest: `(n,)`, of each film's fracture map.
            novelty: `(n,)`, log-odds.

        Raises:
            DatasetError: see `operating_points`.
        """
        calibration = Calibration.fit(logits, sets)
        probability = 1 - calibration.probabilities(logits)[:, 0]
        can_be_normal, fractured = sets[:, 1, 0] == 1, sets[:, 0, 0] == 0
        return cls(
            calibration,
            operating_points(fractured[can_be_normal], probability[can_be_normal]),
            # A network that learned nothing may have maps that are zero everywhere.
            max(float(np.percentile(strongest[fractured], 75)), 1e-6),
            float(np.quantile(novelty, QUANTILE)),
        )

    def to_dict(self) -> dict:
        """As plain JSON types."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> Serving:
        """Inverse of `to_dict`."""
        calibration = Calibration.from_dict(values["calibration"])
        return cls(**{**values, "calibration": calibration})


def operating_points(fractured: np.ndarray, probability: np.ndarray) -> dict[str, dict]:
    """Chooses the two thresholds on validation films.

    `rule_out` is the highest threshold that still catches 95 % of the fractured films,
    `rule_in` the lowest one that 95 % of the normal films stay below.

    Args:
        fractured: bool `(n,)`.
        probability: `(n,)` of fracture.

    Returns:
        name -> threshold, and the sensitivity and specificity there.

    Raises:
        DatasetError: not both kinds of films.
    """
    if len(set(fractured.tolist())) < 2:
        raise DatasetError("thresholds need normal and fractured validation films")
    false_positive, sensitivity, thresholds = roc_curve(
        fractured, probability, drop_intermediate=False
    )
    specificity = 1 - false_positive
    out = int(np.argmax(sensitivity >= RULE_OUT_SENSITIVITY))
    inward = int(np.flatnonzero(specificity >= RULE_IN_SPECIFICITY)[-1])
    # Where one threshold does both, there is no uncertain band.
    inward = min(inward, out)
    # Half way to the next score, so that no rounding moves a film across.
    scores = np.append(np.minimum(thresholds, 1.0), 0.0)
    thresholds = (scores[:-1] + scores[1:]) / 2
    return {
        name: {
            "threshold": float(thresholds[index]),
            "sensitivity": float(sensitivity[index]),
            "specificity": float(specificity[index]),
            "films": len(fractured),
            "fractured": int(np.sum(fractured)),
        }
        for name, index in (("rule_out", out), ("rule_in", inward))
    }
