"""What other thresholds would do: decision curve, cost table, body parts' own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from sklearn.metrics import confusion_matrix

from fracture.classes import BODY_PARTS
from fracture.evaluation.cohort import Cohort
from fracture.evaluation.metrics import Bootstrap, share
from fracture.model.calibration import operating_points

_GRID = tuple(round(0.02 * step, 2) for step in range(1, 26))
_ENOUGH = 40  # fractured validation films that support thresholds of a body part's own


def threshold_table(
    fractured: np.ndarray,
    probability: np.ndarray,
    marked: Mapping[str, float],
) -> list[dict]:
    """What happens when every film from a threshold on is referred to a reader.

    Net benefit counts true positives and takes off false ones at the odds of the
    threshold: who refers at 0.1 holds one missed fracture as bad as nine needless
    referrals (Vickers & Elkin, Medical Decision Making 2006). Referring nobody has net
    benefit 0.

    Args:
        fractured: bool `(n,)`.
        probability: `(n,)` of fracture.
        marked: name -> threshold of operating points that get rows of their own.

    Returns:
        One row per threshold, rising: `threshold`, `operating_point` (or None),
        `sensitivity`, `specificity`, `ppv`, `npv` (None where undefined),
        `referred_per_100`, `net_benefit`, `net_benefit_all` (referring everybody).
    """
    thresholds = [(threshold, "") for threshold in _GRID]
    thresholds += [(threshold, name) for name, threshold in marked.items()]
    return [_row(fractured, probability, *point) for point in sorted(thresholds)]


def _row(
    fractured: np.ndarray, probability: np.ndarray, threshold: float, name: str
) -> dict:
    called = probability >= threshold
    counts = confusion_matrix(fractured, called, labels=(False, True))
    (true_negative, false_positive), (false_negative, true_positive) = counts.tolist()
    normal, broken = counts.sum(1).tolist()
    films, odds = len(fractured), threshold / max(1 - threshold, 1e-9)

    def ratio(part: int, *rest: int) -> float | None:
        return round(part / (part + sum(rest)), 5) if part + sum(rest) else None

    return {
        "threshold": round(threshold, 6),
        "operating_point": name or None,
        "sensitivity": ratio(true_positive, false_negative),
        "specificity": ratio(true_negative, false_positive),
        "ppv": ratio(true_positive, false_positive),
        "npv": ratio(true_negative, false_negative),
        "referred_per_100": round(100 * float(called.mean()), 1),
        "net_benefit": round((true_positive - odds * false_positive) / films, 4),
        "net_benefit_all": round((broken - odds * normal) / films, 4),
    }


def part_operating_points(validation: Cohort, test: Cohort) -> dict[str, dict]:
    """Thresholds of each body part's own, where validation supports them, on test.

    A part with 40 fractured validation films gets `rule_out` and `rule_in` of its own;
    the others keep the common ones.

    Returns:
        Part that the sources name -> `validation_fractured`, `supported`, and when
        supported the `thresholds`, test figures with `common` and `own` ones, and
        `gain`: by how much own ones raise the mean of sensitivity and specificity at
        both points.
    """
    common = validation.predictions[0].config.operating_points
    report = {}
    shown = frozenset().union(*(example.tags for example in validation.examples))
    for part in sorted(shown.intersection(BODY_PARTS)):
        films = _of_part(part, validation)
        truth = films.fractured
        entry = {
            "validation_fractured": int(truth.sum()),
            "supported": bool(truth.sum() >= _ENOUGH and not truth.all()),
        }
        if entry["supported"]:
            points = operating_points(truth, films.score)
            own = {name: point["threshold"] for name, point in points.items()}
            entry |= {"thresholds": own, **_compare(_of_part(part, test), common, own)}
        report[part] = entry
    return report


def _of_part(part: str, films: Cohort) -> Cohort:
    """A part's films from sources that have normal ones."""
    speaking = {
        example.source for example in films.examples if example.label == "normal"
    }
    return films.where(part in e.tags and e.source in speaking for e in films.examples)


def _compare(
    films: Cohort, common: Mapping[str, float], own: Mapping[str, float]
) -> dict:
    truth, score, draws = films.fractured, films.score, Bootstrap(films.groups)

    def rates(points: Mapping[str, float]) -> dict:
        return {
            f"{name}_{key}": draws.share(
                (score >= threshold) == wanted, truth == wanted
            )
            for name, threshold in points.items()
            for key, wanted in (("sensitivity", True), ("specificity", False))
        }

    def gain(truth: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return sum(
            sign * share((score >= points[name]) == wanted, truth == wanted, weights)
            for sign, points in ((0.25, own), (-0.25, common))
            for name in points
            for wanted in (True, False)
        )

    return {
        "common": rates(common),
        "own": rates(own),
        "gain": draws.figure(gain, truth, score),
    }
