"""Figures against films whose answer is known."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from fracture.classifier import FractureClassifier
from fracture.training.calibration import Calibration, operating_points
from fracture.training.datasets import Example
from fracture.training.evaluation import (
    auroc,
    bootstrap,
    evaluate,
    expected_calibration_error,
)


def test_bootstrap_covers_and_respects_groups():
    rng = np.random.default_rng(0)
    values = np.repeat(rng.normal(size=40), 10)  # ten copies of forty numbers
    alone = bootstrap(np.mean, np.arange(400), values)
    grouped = bootstrap(np.mean, np.repeat(np.arange(40), 10), values)
    assert alone["value"] == grouped["value"] == pytest.approx(values.mean(), abs=1e-4)
    assert grouped["n"] == 400
    width_alone, width_grouped = (np.diff(f["ci95"])[0] for f in (alone, grouped))
    assert width_grouped == pytest.approx(10**0.5 * width_alone, rel=0.25)
    assert grouped["ci95"][0] < values.mean() < grouped["ci95"][1]


def test_undefined_figures_are_none():
    figure = bootstrap(auroc, np.arange(3), np.ones(3), np.arange(3.0))
    assert figure == {"value": None, "ci95": None, "n": 3}


def test_calibration_error():
    rng = np.random.default_rng(0)
    probability = rng.random(200_000)
    truth = rng.random(200_000) < probability
    assert expected_calibration_error(truth, probability) < 0.01
    assert expected_calibration_error(truth, probability**3) > 0.1


@pytest.mark.parametrize(("temperature", "offset"), [(2.5, 0.0), (0.6, 1.5), (1.0, -1)])
def test_calibration_recovers_what_was_distorted(temperature, offset):
    rng = np.random.default_rng(0)
    true = rng.normal(0, 2, (20_000, 3))
    p = np.exp(true) / np.exp(true).sum(1, keepdims=True)
    label = (rng.random((20_000, 1)) > p.cumsum(1)).sum(1)
    sets = np.stack([np.eye(3)[label], np.ones((20_000, 3))], axis=1)
    found = Calibration.fit((true - (offset, 0, 0)) * temperature, sets)
    assert found.temperature == pytest.approx(temperature, rel=0.05)
    assert found.normal_offset == pytest.approx(offset, abs=0.1)
    assert found.loss_after < found.loss_before or temperature == 1


@pytest.mark.parametrize("separation", [0.5, 1.5, 6.0])
def test_operating_points(separation):
    rng = np.random.default_rng(0)
    fractured = rng.random(500) < 0.2
    probability = 1 / (1 + np.exp(-rng.normal(separation * fractured, 1)))
    points = operating_points(fractured, probability)
    out, inward = points["rule_out"], points["rule_in"]
    assert np.mean(probability[fractured] >= out["threshold"]) == out["sensitivity"]
    assert np.mean(probability[~fractured] < inward["threshold"]) == pytest.approx(
        inward["specificity"]
    )
    assert out["sensitivity"] >= 0.95 and inward["specificity"] >= 0.95
    assert 0 <= out["threshold"] <= inward["threshold"] <= 1
    nearest = min(np.abs(probability - p["threshold"]).min() for p in points.values())
    assert nearest > 0  # no film sits on a threshold


@pytest.fixture
def perfect(weights, monkeypatch):
    """Examples and predictions that agree in everything."""
    monkeypatch.setattr("fracture.training.evaluation.DRAWS", 50)
    classifier = FractureClassifier.from_pretrained(weights)
    blank = classifier.predict(np.full((120, 96), 7, np.uint8))
    corner = (0, 0, 0.3, 0.3)
    rows = [
        ("atlas", "normal", (0.9, 0.05, 0.05), "no_fracture_seen", ()),
        ("atlas", "fractured", (0.1, 0.4, 0.5), "fracture_suspected", (corner,)),
        ("severity", "hairline", (0.2, 0.7, 0.1), "fracture_suspected", ()),
        ("severity", "displaced", (0.2, 0.1, 0.7), "fracture_suspected", ()),
    ] * 8
    grids = np.zeros((4, 7, 7), np.float32)
    grids[:, 0, 1] = 1  # in the upper left
    examples, predictions = [], []
    for index, (source, label, p, finding, boxes) in enumerate(rows):
        examples.append(Example(Path("x"), f"{index}", source, label, "", boxes))
        predictions.append(
            dataclasses.replace(
                blank,
                probabilities=dict(zip(blank.probabilities, p, strict=True)),
                finding=finding,
                grids=grids,
            )
        )
    return examples, predictions


def test_perfect_predictions(perfect):
    examples, predictions = perfect
    report = evaluate(examples, [e.name for e in examples], predictions)
    atlas = report["fracture"]["atlas"]
    assert list(report["fracture"]) == ["atlas"]  # the other source has no normals
    assert list(report["severity"]) == ["severity"]
    for name in ("auroc", "rule_out_sensitivity", "rule_in_specificity"):
        assert atlas[name] == {"value": 1.0, "ci95": [1.0, 1.0], "n": 16}
    assert atlas["uncertain"]["value"] == 0
    assert atlas["ece"]["value"] == pytest.approx(0.1, abs=1e-6)
    assert report["severity"]["severity"]["auroc"]["value"] == 1
    where = report["localisation"]["atlas"]
    assert where["pointing_game"] == {"value": 1.0, "ci95": [1.0, 1.0], "n": 8}
    assert where["area_chance"] == pytest.approx(0.09, abs=0.01)
    assert where["centre_guess"] == 0


def test_wrong_maps_and_wrong_scores_are_found(perfect):
    examples, predictions = perfect
    flipped = [
        dataclasses.replace(
            p,
            grids=p.grids[:, ::-1, ::-1],
            probabilities={
                "normal": 1 - p.probabilities["normal"],
                "hairline": p.probabilities["normal"] * p.probabilities["displaced"],
                "displaced": p.probabilities["normal"]
                * (1 - p.probabilities["displaced"]),
            },
        )
        for p in predictions
    ]
    report = evaluate(examples, [e.name for e in examples], flipped)
    assert report["fracture"]["atlas"]["auroc"]["value"] == 0
    assert report["severity"]["severity"]["auroc"]["value"] == 0
    assert report["localisation"]["atlas"]["pointing_game"]["value"] == 0
    assert report["localisation"]["atlas"]["energy_inside"]["value"] == 0
