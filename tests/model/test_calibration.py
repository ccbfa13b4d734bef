"""Calibrated probabilities: fitted, taken back, the same inside the served graph."""

import numpy as np
import pytest
from scipy.special import softmax

from fracture.classes import MAPS
from fracture.model.calibration import Calibration, evidence_of
from fracture.model.export import serving_model

MADE = [
    Calibration(2.5),
    Calibration(0.6, -1.5, 0.6),
    Calibration(4.0, 3.0, 1.0, 0.9, 2.5),
]


def draw(films: int = 20_000) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and the evidence of maps."""
    rng = np.random.default_rng(0)
    return rng.normal(0, 3, (films, 3)), rng.gamma(1, (3, 0.5), (films, 2))


@pytest.mark.parametrize("made", MADE)
def test_it_finds_what_the_labels_were_drawn_by(made):
    logits, evidence = draw()
    chances = made.probabilities(logits, evidence)
    drawn = np.random.default_rng(1).random((len(logits), 1))
    label = (drawn > chances.cumsum(1)).sum(1)
    sets = np.stack([np.eye(3)[label], np.ones_like(logits)], axis=1)
    found = Calibration.fit(logits, evidence, sets)
    assert found.temperature == pytest.approx(made.temperature, rel=0.1)
    assert found.severity_temperature == pytest.approx(
        made.severity_temperature, rel=0.1
    )
    for name in ("normal_offset", "total_weight", "strongest_weight"):
        assert getattr(found, name) == pytest.approx(getattr(made, name), abs=0.2)
    assert found.films == len(logits) and found.loss_after < found.loss_before


@pytest.mark.parametrize("made", MADE)
def test_the_raw_softmax_is_found_again(made):
    logits, evidence = draw(500)
    raw = made.undo(made.probabilities(logits, evidence), evidence)
    np.testing.assert_allclose(raw, softmax(logits, axis=1), atol=1e-6)


@pytest.mark.parametrize("made", MADE)
def test_evidence_raises_a_fracture_alone(made):
    logits, evidence = draw(500)
    low, high = (made.probabilities(logits, evidence + more) for more in (0, 1))
    assert np.all(high[:, 0] <= low[:, 0])
    grade = [p[:, 2] / (p[:, 1] + p[:, 2]) for p in (low, high)]
    np.testing.assert_allclose(*grade, atol=1e-9)


@pytest.mark.parametrize("made", MADE)
def test_the_served_graph_calibrates_alike(made, network):
    side = network.input.shape[1]
    films = np.random.default_rng(2).integers(0, 256, (5, side, side, 1), np.uint8)
    raw = {k: np.asarray(v) for k, v in network(films, training=False).items()}
    evidence = evidence_of(raw["heatmaps"][..., MAPS.index("fracture")])
    served = np.asarray(serving_model(network, made)(films)["probabilities"])
    expected = made.probabilities(raw["logits"], evidence)
    np.testing.assert_allclose(served, expected, atol=1e-5)


def test_older_weights_have_one_temperature_and_no_evidence():
    logits, evidence = draw(50)
    old = Calibration.from_dict({"temperature": 1.7, "normal_offset": 0.4, "films": 9})
    expected = softmax(logits / 1.7 + (0.4, 0, 0), axis=1)
    np.testing.assert_allclose(old.probabilities(logits, evidence), expected)
