"""The explanation checks tell a faithful map from a decoy."""

import dataclasses
from pathlib import Path

import keras
import numpy as np
import pytest

from fracture import FractureClassifier
from fracture.evaluation.faithfulness import deletion, weight_randomisation
from fracture.model.backbones import BACKBONES
from fracture.model.network import build_network
from fracture.weights import WeightsConfig

GROUPS = np.arange(6)


@pytest.mark.parametrize(
    "name",
    [
        "mobilenetv2",
        "cnn",
        pytest.param("mobilenetv3small-cnn", marks=pytest.mark.slow),
        pytest.param("vgg16", marks=pytest.mark.slow),
    ],
)
def test_shuffled_weights_change_the_map_and_are_put_back(
    name, recipe, network, squares
):
    """Of every backbone: a last block that nothing shuffles would correlate fully."""
    if name != "mobilenetv2":
        keras.utils.set_random_seed(0)
        other = dataclasses.replace(recipe, backbone=name, output_stride=None)
        network = build_network(other)
    before = network.get_weights()
    figures = weight_randomisation(network, BACKBONES[name], squares, GROUPS)
    assert set(figures) == {"head", "last_block"}
    for figure in figures.values():
        assert -1 <= figure["value"] < 0.9 and figure["n"] == 6
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_has_a_last_block_with_weights(name, recipe):
    other = dataclasses.replace(recipe, backbone=name, output_stride=None)
    backbone, network = BACKBONES[name], build_network(other)
    layers = backbone.layers(network)
    last = backbone.last_block_layers(network)
    assert sum(bool(layer.weights) for layer in last) >= 1
    assert 0 < len(last) < len(layers) and last[-1] is layers[-1]


def test_a_shuffle_of_nothing_is_an_error(network, squares):
    empty = dataclasses.replace(BACKBONES["mobilenetv2"], last_block="out_relu")
    with pytest.raises(ValueError, match="no weights in its last_block"):
        weight_randomisation(network, empty, squares, GROUPS)


@pytest.mark.parametrize("honest", [True, False])
def test_deletion_finds_what_the_score_depends_on(weights, squares, honest):
    """A made-up model whose score is the light in one corner of the film."""

    class Corner:
        config = WeightsConfig(Path(), {"heatmap_grid": {"first": 16, "step": 32}})

        def run_squares(self, films):
            light = films[:, :32, :32].mean((1, 2, 3)) / 255
            probabilities = np.stack([1 - light, light / 2, light / 2], axis=1)
            strength = np.arange(9.0).reshape(3, 3)
            grid = strength[::-1, ::-1] if honest else strength
            maps = np.broadcast_to(grid[..., None], (len(films), 3, 3, 4))
            return {"probabilities": probabilities, "heatmaps": maps}

    films = np.random.default_rng(0).integers(1, 256, squares.shape).astype(np.uint8)
    films[:, 32:] //= 4  # blurring the corner darkens it
    figures = deletion(Corner(), films, GROUPS)
    assert (figures["difference"]["value"] > 0) == honest
    low, high = figures["difference"]["ci95"]
    assert low <= figures["difference"]["value"] <= high


def test_deletion_on_a_real_model(weights, squares):
    figures = deletion(FractureClassifier.from_pretrained(weights), squares, GROUPS)
    assert all(np.isfinite(figure["value"]) for figure in figures.values())
