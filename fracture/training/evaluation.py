"""What the shipped model does on films it has not seen, with intervals.

Everything is computed from `Prediction`s, so the exported graph, the reader and the
letterbox are under test, not a Keras model behind them. Intervals are 95 % percentile
bootstraps over groups: films of one group are drawn together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    roc_auc_score,
)
from tqdm import tqdm

from fracture.classes import FRACTURE_CLASSES
from fracture.classifier import FractureClassifier, Prediction
from fracture.explanation import locate
from fracture.training.datasets import Example, source_labels

DRAWS = 1000
_BINS = 15


def predict_films(
    classifier: FractureClassifier, films: Sequence[np.ndarray], description: str
) -> list[Prediction]:
    """Predicts films (uint8 `(height, width)`) with a progress bar."""
    stream = classifier.stream(films)
    return list(tqdm(stream, desc=description, total=len(films), unit="film"))


def evaluate(
    examples: Sequence[Example],
    groups: Sequence[str],
    predictions: Sequence[Prediction],
) -> dict:
    """All figures of a set of films, each within one source.

    Returns:
        `fracture`, `severity` and `localisation`, each source -> figures; a figure is
        `{"value", "ci95", "n"}`, counts and chances are plain numbers.
    """
    labels_of = source_labels(examples)
    report: dict[str, dict] = {"fracture": {}, "severity": {}, "localisation": {}}
    for source in sorted(labels_of):
        chosen = [i for i, e in enumerate(examples) if e.source == source]
        table = (
            [examples[i] for i in chosen],
            np.array([groups[i] for i in chosen]),
            [predictions[i] for i in chosen],
        )
        if "normal" in labels_of[source] and len(labels_of[source]) > 1:
            report["fracture"][source] = _fracture_figures(*table)
        if set(FRACTURE_CLASSES) <= labels_of[source]:
            report["severity"][source] = _severity_figures(*table)
        if any(example.boxes for example in table[0]):
            report["localisation"][source] = _localisation_figures(*table)
    return report


def bootstrap(
    statistic: Callable[..., float],
    groups: np.ndarray,
    *columns: np.ndarray,
    seed: int = 0,
) -> dict:
    """A statistic of aligned columns with its 95 % interval over groups.

    Args:
        statistic: of the columns; may raise ValueError or return NaN where a draw does
            not define it (a single class, say). Such draws are skipped.
        groups: `(n,)`, what is drawn with replacement.

    Returns:
        `value`, `ci95` (None where no draw defines it) and `n`.
    """
    _, inverse = np.unique(groups, return_inverse=True)
    members = [np.flatnonzero(inverse == g) for g in range(inverse.max(initial=-1) + 1)]
    rng = np.random.default_rng(seed)

    def measure(index: np.ndarray) -> float:
        try:
            return float(statistic(*(column[index] for column in columns)))
        except ValueError:
            return float("nan")

    draws = [
        measure(
            np.concatenate(
                [members[g] for g in rng.integers(0, len(members), len(members))]
            )
        )
        for _ in range(DRAWS if members else 0)
    ]
    draws = [draw for draw in draws if np.isfinite(draw)]
    value = measure(np.arange(len(groups))) if members else float("nan")
    return {
        "value": round(value, 4) if np.isfinite(value) else None,
        "ci95": [round(float(q), 4) for q in np.percentile(draws, (2.5, 97.5))]
        if draws
        else None,
        "n": len(groups),
    }


def auroc(truth: np.ndarray, score: np.ndarray) -> float:
    """Area under the ROC curve; NaN with a single class."""
    return roc_auc_score(truth, score) if 0 < truth.mean() < 1 else float("nan")


def expected_calibration_error(truth: np.ndarray, probability: np.ndarray) -> float:
    """Mean gap of probability and frequency, 15 equal bins (Naeini et al., 2015)."""
    bins = np.minimum((probability * _BINS).astype(int), _BINS - 1)
    gaps = np.bincount(bins, probability - truth, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(truth))


def _fracture_figures(
    examples: Sequence[Example], groups: np.ndarray, predictions: Sequence[Prediction]
) -> dict:
    truth = np.array([e.label != "normal" for e in examples])
    score = np.array([p.fracture_probability for p in predictions])
    finding = np.array([p.finding for p in predictions])
    plain = np.array(["hardware" not in e.tags for e in examples])

    def figure(statistic, *columns):
        return bootstrap(statistic, groups, *columns)

    called = {
        "rule_out": finding != "no_fracture_seen",
        "rule_in": finding == "fracture_suspected",
    }
    return {
        "films": len(examples),
        "fractured": int(truth.sum()),
        "prevalence": round(float(truth.mean()), 4),
        "auroc": figure(auroc, truth, score),
        "auroc_without_hardware": bootstrap(
            auroc, groups[plain], truth[plain], score[plain]
        ),
        "average_precision": figure(average_precision_score, truth, score),
        "brier": figure(brier_score_loss, truth, score),
        "ece": figure(expected_calibration_error, truth, score),
        "accuracy": figure(accuracy_score, truth, score >= 0.5),
        **{
            f"{name}_{measure}": figure(_share_called(wanted), truth, positive)
            for name, positive in called.items()
            for measure, wanted in (("sensitivity", True), ("specificity", False))
        },
        "uncertain": figure(np.mean, finding == "uncertain"),
    }


def _share_called(wanted: bool) -> Callable[[np.ndarray, np.ndarray], float]:
    """Sensitivity (`wanted`) or specificity as a statistic of truth and call."""

    def share(truth: np.ndarray, positive: np.ndarray) -> float:
        relevant = positive[truth == wanted]
        return float(np.mean(relevant == wanted)) if len(relevant) else float("nan")

    return share


def _severity_figures(
    examples: Sequence[Example], groups: np.ndarray, predictions: Sequence[Prediction]
) -> dict:
    known = np.array([e.label in FRACTURE_CLASSES for e in examples])
    displaced = np.array([e.label == "displaced" for e in examples])[known]
    score = np.array(
        [p.probabilities["displaced"] / p.fracture_probability for p in predictions]
    )[known]
    return {
        "films": int(known.sum()),
        "displaced": int(displaced.sum()),
        "auroc": bootstrap(auroc, groups[known], displaced, score),
        "accuracy": bootstrap(accuracy_score, groups[known], displaced, score >= 0.5),
    }


def _localisation_figures(
    examples: Sequence[Example], groups: np.ndarray, predictions: Sequence[Prediction]
) -> dict:
    rows = [
        (group, *_localise(example, prediction))
        for example, group, prediction in zip(
            examples, groups, predictions, strict=True
        )
        if example.boxes
    ]
    boxed, hit, energy, area, centre = map(np.array, zip(*rows, strict=True))
    return {
        "films": len(rows),
        "pointing_game": bootstrap(np.mean, boxed, hit),
        "energy_inside": bootstrap(np.mean, boxed, energy),
        "area_chance": round(float(area.mean()), 4),
        "centre_guess": round(float(centre.mean()), 4),
    }


def _localise(
    example: Example, prediction: Prediction
) -> tuple[float, float, float, float]:
    """Maximum in a box, share of the map inside, and what area and centre would get."""
    heatmap = prediction.heatmap
    height, width = heatmap.shape
    inside = np.zeros(heatmap.shape, bool)
    for x0, y0, x1, y1 in example.boxes:
        rows = slice(int(y0 * height), max(int(y0 * height) + 1, round(y1 * height)))
        columns = slice(int(x0 * width), max(int(x0 * width) + 1, round(x1 * width)))
        inside[rows, columns] = True
    x, y = locate(heatmap)
    return (
        float(heatmap[y, x] > 0 and inside[y, x]),
        float(heatmap[inside].sum() / max(heatmap.sum(), 1e-12)),
        float(inside.mean()),
        float(inside[height // 2, width // 2]),
    )
