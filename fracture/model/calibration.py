"""From logits to probabilities one may read as such, and the thresholds on them.

Temperature scaling (Guo et al., ICML 2017), of fracture against normal and of hairline
against displaced, with more to say of a fracture. Training shows fractured films more
often than they occur; an offset takes that back. And a logit is a mean over the whole
film, in which a small fracture is outweighed by all that looks normal elsewhere; the
fracture map holds what speaks for one alone. Its total and strongest cell count, too.
"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp, softmax
from sklearn.metrics import roc_curve

from fracture.data.datasets import DatasetError
from fracture.model.novelty import QUANTILE

RULE_OUT_SENSITIVITY = 0.95
RULE_IN_SPECIFICITY = 0.95


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Calibrated log-odds, linear in those of the network and in the map's evidence.

    Attributes:
        temperature: of the fracture log-odds.
        normal_offset: that these are lowered by.
        severity_temperature: of the log-odds of displaced against hairline.
        total_weight, strongest_weight: >= 0, how much what `evidence_of` a film says
            raises the fracture log-odds.
        films: it was fitted on, none of them trained on.
        loss_before, loss_after: their mean label-set loss, in nats.
    """

    temperature: float = 1.0
    normal_offset: float = 0.0
    severity_temperature: float = 1.0
    total_weight: float = 0.0
    strongest_weight: float = 0.0
    films: int = 0
    loss_before: float | None = None
    loss_after: float | None = None

    @classmethod
    def fit(
        cls, logits: np.ndarray, evidence: np.ndarray, sets: np.ndarray
    ) -> Calibration:
        """Minimises the label-set loss over all parameters.

        Args:
            logits: `(n, 3)` of films that were not trained on.
            evidence: `(n, 2)` of the same, see `evidence_of`.
            sets: `(n, 2, 3)`, see `fracture.data.labels.label_sets`.
        """
        logits, evidence = logits.astype(float), evidence.astype(float)
        # In units of their spread, or one step would not do for all parameters.
        units = 1, 1, 1, *np.maximum(evidence.std(axis=0), 1e-6)

        def calibration(parameters: np.ndarray) -> Calibration:
            logs, (offset, *weights) = parameters[:2], (parameters / units)[2:]
            temperature, severity = np.exp(logs)
            return cls(*map(float, (temperature, offset, severity, *weights)))

        def loss(parameters: np.ndarray) -> float:
            scores = calibration(parameters).scores(logits, evidence)
            possible, allowed = (logsumexp(scores, 1, b=sets[:, i]) for i in (1, 0))
            return float(np.mean(possible - allowed))

        start = np.zeros(5)
        logs = (np.log(0.05), np.log(20))
        bounds = (logs, logs, (-10, 10), (0, 10), (0, 10))
        found = minimize(loss, start, method="L-BFGS-B", bounds=bounds)
        fitted = {"loss_before": loss(start), "loss_after": float(found.fun)}
        return dataclasses.replace(calibration(found.x), films=len(logits), **fitted)

    def scores(self, logits, evidence, ops=np):
        """Calibrated logits `(n, 3)`, that of normal being 0.

        Args:
            logits: `(n, 3)`.
            evidence: `(n, 2)`.
            ops: what these are of, numpy or keras.ops.
        """
        scaled = logits / self.temperature
        normal, hairline, displaced = (scaled[:, i] for i in range(3))
        fracture = _logaddexp(hairline, displaced, ops) - normal - self.normal_offset
        fracture += self.total_weight * evidence[:, 0]
        fracture += self.strongest_weight * evidence[:, 1]
        worse = (logits[:, 2] - logits[:, 1]) / self.severity_temperature
        hairline = fracture - _logaddexp(0 * worse, worse, ops)
        return ops.stack([0 * normal, hairline, hairline + worse], axis=-1)

    def probabilities(self, logits: np.ndarray, evidence: np.ndarray) -> np.ndarray:
        """Calibrated `(n, 3)`."""
        return softmax(self.scores(logits, evidence), axis=1)

    def undo(self, probabilities: np.ndarray, evidence: np.ndarray) -> np.ndarray:
        """The softmax of the raw logits `(n, 3)` behind calibrated probabilities."""
        normal, hairline, displaced = np.log(np.maximum(probabilities, 1e-12)).T
        fracture = np.logaddexp(hairline, displaced) - normal + self.normal_offset
        fracture -= evidence @ (self.total_weight, self.strongest_weight)
        worse = (displaced - hairline) * self.severity_temperature
        hairline = fracture - np.logaddexp(0, worse / self.temperature)
        hairline *= self.temperature
        logits = np.stack([0 * normal, hairline, hairline + worse], axis=1)
        return softmax(logits, axis=1)

    def to_dict(self) -> dict:
        """As plain JSON types."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: dict) -> Calibration:
        """Inverse of `to_dict`; older weights have one temperature for both."""
        return cls(**{"severity_temperature": values["temperature"], **values})


def _logaddexp(one, other, ops):
    """As numpy's and keras's, of what ONNX can say: it has no log1p."""
    most = ops.maximum(one, other)
    return most + ops.log(ops.exp(one - most) + ops.exp(other - most))


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
        evidence: np.ndarray,
        sets: np.ndarray,
        novelty: np.ndarray,
    ) -> Serving:
        """Fits all of it.

        Args:
            logits: `(n, 3)`.
            evidence: `(n, 2)`, see `evidence_of`.
            sets: `(n, 2, 3)`, see `fracture.data.labels.label_sets`.
            novelty: `(n,)`, log-odds.

        Raises:
            DatasetError: see `operating_points`.
        """
        calibration = Calibration.fit(logits, evidence, sets)
        probability = 1 - calibration.probabilities(logits, evidence)[:, 0]
        can_be_normal, fractured = sets[:, 1, 0] == 1, sets[:, 0, 0] == 0
        return cls(
            calibration,
            operating_points(fractured[can_be_normal], probability[can_be_normal]),
            # A network that learned nothing may have maps that are zero everywhere.
            max(float(np.percentile(evidence[fractured, 1], 75)), 1e-6),
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


def evidence_of(maps, ops=np):
    """Total and strongest cell of fracture maps `(n, rows, columns)`: `(n, 2)`.

    Args:
        maps: in single precision; a total in half precision would be rounded.
        ops: what they are of, numpy or keras.ops.
    """
    return ops.stack([ops.sum(maps, axis=(1, 2)), ops.max(maps, axis=(1, 2))], axis=-1)


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
