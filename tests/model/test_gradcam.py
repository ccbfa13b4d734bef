"""Closed-form Grad-CAM equals autodiff, map by map; exported equals Keras."""

import dataclasses

import numpy as np
import pytest

from fracture.classes import CLASSES, MAPS


@pytest.mark.parametrize("index", range(len(MAPS)), ids=MAPS)
def test_closed_form_equals_autodiff(network, squares, index):
    from fracture.model.gradcam import autodiff_gradcam

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
    from fracture.model.export import TOLERANCE, load_keras_model, measure_parity

    model = load_keras_model(weights)
    outputs = model(squares, training=False)
    probabilities = np.asarray(outputs["probabilities"])
    assert probabilities.std(axis=0).min() > 1e-3  # the films differ
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    assert probabilities.shape[1] == len(CLASSES)
    assert measure_parity(weights, model, squares) <= TOLERANCE


def test_parity_check_can_fail(weights, network, squares):
    from fracture.model.calibration import Calibration
    from fracture.model.export import TOLERANCE, measure_parity, serving_model

    other = serving_model(network, Calibration(temperature=1.0))
    assert measure_parity(weights, other, squares) > TOLERANCE


def test_stride_16_refines_the_map_of_stride_32(recipe, network, squares):
    """Every second cell is a cell of the network that was trained."""
    import keras

    from fracture.model.network import build_network

    coarse = dataclasses.replace(recipe, output_stride=32)
    coarse = build_network(coarse, parts=("hand", "leg"))
    coarse.set_weights(network.get_weights())
    features = [
        np.asarray(keras.Model(m.input, m.get_layer("features").output)(squares))
        for m in (coarse, network)
    ]
    assert features[0].shape[1:3] == (3, 3) and features[1].shape[1:3] == (7, 7)
    np.testing.assert_allclose(features[1][:, 1::2, 1::2], features[0], atol=1e-4)
