"""The two losses, and the metrics that ask only what a source can say."""

import keras
import numpy as np
import pytest

from fracture.classes import CLASSES
from fracture.data.labels import label_sets
from fracture.training.losses import (
    FractureAUROC,
    LabelSetAccuracy,
    label_set_loss,
    localisation_loss,
)

LOGITS = np.random.default_rng(0).normal(0, 3, (50, 3)).astype(np.float32)
FRACATLAS = ("normal", "fractured")
SEVERITY = ("hairline", "displaced")


def loss(label, source, logits=LOGITS):
    sets = np.stack([label_sets(label, source)] * len(logits))
    return np.asarray(label_set_loss(sets, logits))


def test_three_plain_classes_are_cross_entropy():
    truth = np.arange(50) % 3
    sets = np.stack([label_sets(CLASSES[t], CLASSES) for t in truth])
    expected = keras.losses.sparse_categorical_crossentropy(truth, LOGITS, True)
    found = label_set_loss(sets, LOGITS)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_fractured_is_the_sum_of_its_classes():
    p = np.exp(LOGITS) / np.exp(LOGITS).sum(1, keepdims=True)
    np.testing.assert_allclose(
        loss("fractured", FRACATLAS), -np.log(p[:, 1] + p[:, 2]), rtol=1e-4, atol=1e-6
    )


def test_a_source_without_normals_ignores_the_normal_logit():
    shifted = LOGITS + np.float32([7, 0, 0])
    np.testing.assert_allclose(
        loss("hairline", SEVERITY), loss("hairline", SEVERITY, shifted), rtol=1e-5
    )


def test_localisation_loss():
    rng = np.random.default_rng(1)
    evidence = rng.normal(size=(3, 4, 5)).astype(np.float32)
    inside = np.zeros((3, 4, 5), np.float32)
    inside[0, 1, 2] = 1
    inside[1] = 1
    found = np.asarray(localisation_loss(inside, evidence))
    share = np.exp(evidence[0, 1, 2]) / np.exp(evidence[0]).sum()
    assert found[0] == pytest.approx(-np.log(share), rel=1e-3)
    assert found[1] == pytest.approx(0, abs=1e-4)  # everything is inside
    assert found[2] == 0  # no box, no cost
    evidence[0, 1, 2] += 5
    assert localisation_loss(inside, evidence)[0] < found[0]


def test_metrics_ask_only_what_a_source_can_say():
    logits = np.float32([[5, 1, 0], [0, 1, 2], [9, 0, 3], [0, 4, 0]])
    sets = np.stack(
        [
            label_sets("normal", FRACATLAS),
            label_sets("fractured", FRACATLAS),
            label_sets("displaced", SEVERITY),  # right among what it can say
            label_sets("displaced", SEVERITY),
        ]
    )
    accuracy, auroc = LabelSetAccuracy(), FractureAUROC()
    accuracy.update_state(sets, logits)
    auroc.update_state(sets, logits)
    assert float(accuracy.result()) == 0.75
    assert float(auroc.result()) == pytest.approx(1, abs=1e-3)
