"""Closed-form Grad-CAM equals autodiff, map by map; exported equals Keras."""

import dataclasses

import numpy as np
import pytest

from fracture.classes import CLASSES, MAPS


@pytest.mark.parametrize("index", range(len(MAPS)), ids=MAPS)
def test_closed_form_equals_autodiff(network, squares, index):
    from fracture.training.gradcam import autodiff_gradcam

    closed = np.asarray(network(squares, training=False)["heatmaps"])[..., index]
    reference = autodiff_gradcam(network, squares)[..., index]
    assert reference.max() > 1e-3  # a map of zeros would prove nothing
    assert np.abs(closed - reference).max() <= 1e-5 * reference.max()


def test_maps_explain_the_logits(network, squares):
    """A map's cells, before the ReLU, sum to the logit's part through the features."""
    head = network.get_layer("head")
    layers = (head.hidden, head.classifier)
    biases = [np.asarray(layer.bias) for layer in layers]
    # With the biases at zero the whole logit comes through the map.
    for layer, bias in zip(layers, biases, strict=True):
        layer.bias.assign(0 * bias)
    try:
        outputs = network(squares, training=False)
        logits = np.asarray(outputs["logits"])
        evidence = np.asarray(outputs["evidence"]).sum((1, 2))
        cells = np.prod(outputs["evidence"].shape[1:])
        severity = np.exp(logits[:, 1:]) / np.exp(logits[:, 1:]).sum(1, keepdims=True)
        expected = (severity * logits[:, 1:]).sum(1) - logits[:, 0]
        np.testing.assert_allclose(evidence / cells, expected, rtol=1e-4, atol=1e-4)
    finally:
        for layer, bias in zip(layers, biases, strict=True):
            layer.bias.assign(bias)


def test_export_equals_keras(weights, squares):
    from fracture.training.export import TOLERANCE, load_keras_model, measure_parity

    model = load_keras_model(weights)
    outputs = model(squares, training=False)
    probabilities = np.asarray(outputs["probabilities"])
    assert probabilities.std(axis=0).min() > 1e-3  # the films differ
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    assert probabilities.shape[1] == len(CLASSES)
    assert measure_parity(weights, model, squares) <= TOLERANCE


def test_parity_check_can_fail(weights, network, squares):
    from fracture.training.calibration import Calibration
    from fracture.training.export import TOLERANCE, measure_parity, serving_model

    other = serving_model(network, Calibration(temperature=1.0))
    assert measure_parity(weights, other, squares) > TOLERANCE


@pytest.mark.parametrize(("channels", "cells"), [(0, 3), (32, 6)])
def test_closed_form_holds_with_and_without_the_pyramid(
    recipe, squares, channels, cells
):
    from fracture.training.gradcam import gradcam_difference
    from fracture.training.networks import build_network

    model = build_network(dataclasses.replace(recipe, pyramid_channels=channels))
    outputs = model(squares, training=False)
    assert outputs["heatmaps"].shape[1:3] == (cells, cells)
    assert gradcam_difference(model, squares) <= 1e-5
