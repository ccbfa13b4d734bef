"""Fracture against normal: figures, curves, tables and subgroups of one source."""

from __future__ import annotations

import numpy as np

from fracture.classes import MAPS
from fracture.evaluation import metrics
from fracture.evaluation.cohort import Cohort, cross_table
from fracture.evaluation.localisation import BOX_SIZES, box_size
from fracture.evaluation.metrics import Bootstrap
from fracture.evaluation.thresholds import threshold_table
from fracture.model.calibration import Calibration, evidence_of
from fracture.prediction import FINDINGS, Finding

_ENOUGH = 5  # films of either class below which a subgroup gets no figures
_TRUTH = ("normal", "fractured")


def fracture_figures(films: Cohort) -> dict:
    """Figures, curves, tables and subgroups of fracture against normal."""
    truth, score = films.fractured, films.score
    config = films.predictions[0].config
    raw = 1 - _uncalibrated(films)[:, 0]
    draws, called = Bootstrap(films.groups), score >= 0.5
    named = np.array([list(FINDINGS).index(finding) for finding in films.findings])
    plain = films.where("hardware" not in example.tags for example in films.examples)

    def of_score(statistic: metrics.Statistic, score: np.ndarray = score) -> dict:
        return draws.figure(statistic, truth, score)

    return {
        **_counts(films),
        "auroc": of_score(metrics.auroc),
        "auroc_without_hardware": metrics.bootstrap(
            metrics.auroc, plain.groups, plain.fractured, plain.score
        ),
        "average_precision": of_score(metrics.average_precision),
        "sensitivity_at_specificity_90": of_score(metrics.sensitivity_at(0.90)),
        "sensitivity_at_specificity_95": of_score(metrics.sensitivity_at(0.95)),
        "specificity_at_sensitivity_95": of_score(metrics.specificity_at(0.95)),
        "accuracy": draws.share(called == truth),
        "precision": draws.share(truth, among=called),
        "recall": draws.share(called, among=truth),
        "f1": draws.figure(metrics.f1, truth, called),
        "kappa": draws.figure(metrics.kappa, truth, called),
        "brier": draws.figure(metrics.mean, (score - truth) ** 2),
        "ece": of_score(metrics.expected_calibration_error),
        "ece_before_calibration": of_score(metrics.expected_calibration_error, raw),
        **_operating_point_figures(films, draws),
        "confusion": cross_table(truth, called, _TRUTH, _TRUTH),
        "findings": cross_table(truth, named, _TRUTH, list(FINDINGS)),
        "roc": _roc(draws, truth, score),
        "reliability": _reliability(truth, score),
        "thresholds": threshold_table(truth, score, config.operating_points),
        "subgroups": {
            name: _subgroup_figures(films.where(chosen))
            for name, chosen in _subgroups(films).items()
        },
    }


def _uncalibrated(films: Cohort) -> np.ndarray:
    """The softmax of the raw logits `(n, 3)`, each film by its own calibration."""
    maps = np.stack([film.grids[MAPS.index("fracture")] for film in films.predictions])
    rows = zip(films.predictions, films.probabilities, evidence_of(maps), strict=True)
    found = [
        Calibration.from_dict(film.config.values["calibration"]).undo(
            shares[None], evidence[None]
        )
        for film, shares, evidence in rows
    ]
    return np.array(found).reshape(films.probabilities.shape)


def _counts(films: Cohort) -> dict:
    return {
        "films": len(films.examples),
        "fractured": int(films.fractured.sum()),
        "prevalence": round(float(films.fractured.mean()), 4),
    }


def _operating_point_figures(films: Cohort, draws: Bootstrap) -> dict:
    """A film that was not judged counts as not ruled out and not ruled in."""
    truth, findings = films.fractured, films.findings
    called = {
        "rule_out": findings != Finding.NO_FRACTURE_SEEN,
        "rule_in": findings == Finding.FRACTURE_SUSPECTED,
    }
    figures = {}
    for point, said in called.items():
        figures |= {
            f"{point}_sensitivity": draws.share(said, among=truth),
            f"{point}_specificity": draws.share(~said, among=~truth),
            f"{point}_ppv": draws.share(truth, among=said),
            f"{point}_npv": draws.share(~truth, among=~said),
        }
    for finding in (Finding.UNCERTAIN, Finding.NOT_JUDGED):
        figures[finding.value] = draws.share(findings == finding)
    return figures


def _subgroups(films: Cohort) -> dict[str, np.ndarray]:
    """Name -> bool `(n,)`: every tag, no hardware, and fractures by size of box."""
    tags = [example.tags for example in films.examples]
    names = sorted(frozenset().union(*tags))
    chosen = {tag: np.array([tag in of_film for of_film in tags]) for tag in names}
    if "hardware" in chosen:
        chosen["no hardware"] = ~chosen["hardware"]
    sizes = np.array([box_size(example) for example in films.examples])
    for size in BOX_SIZES:
        if (sizes == size).any():
            # Normal films have no boxes: every size is set against all of them.
            chosen[f"{size} box"] = (sizes == size) | ~films.fractured
    return chosen


def _subgroup_figures(films: Cohort) -> dict:
    """Counts, and figures where there are enough films of either kind."""
    draws, truth = Bootstrap(films.groups), films.fractured
    figures = {
        "auroc": draws.figure(metrics.auroc, truth, films.score),
        **_operating_point_figures(films, draws),
    }
    if min(truth.sum(), (~truth).sum()) < _ENOUGH:
        for figure in figures.values():
            figure |= {"value": None, "ci95": None}
    return {**_counts(films), **figures}


def _roc(draws: Bootstrap, truth: np.ndarray, score: np.ndarray) -> dict:
    """Points of the ROC curve with a 95 % band of the sensitivity."""
    curves = draws.values(metrics.roc_sensitivities, truth, score)
    low, high = np.nanpercentile(curves, (2.5, 97.5), axis=0)
    return {
        "false_positive_rate": metrics.ROC_GRID.round(2).tolist(),
        "sensitivity": curves[0].round(4).tolist(),
        "low": low.round(4).tolist(),
        "high": high.round(4).tolist(),
    }


def _reliability(truth: np.ndarray, score: np.ndarray) -> list[dict]:
    """For each bin its films, their mean probability and how many are fractured."""
    bins, table = metrics.probability_bins(score), []
    for index in range(metrics.BINS):
        films = np.flatnonzero(bins == index)
        row = {"films": len(films)}
        for key, column in (("probability", score), ("frequency", truth)):
            row[key] = round(float(column[films].mean()), 4) if row["films"] else None
        table.append(row)
    return table
