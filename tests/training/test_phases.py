"""Which variables a phase of a recipe moves: all of them, by name."""

import dataclasses
import re

import keras
import numpy as np
import pytest
from toy_recipes import PLAIN as NORMED_RECIPE
from toy_recipes import brief

from fracture.data.datasets import write_phantoms
from fracture.data.film_table import load_table
from fracture.model.network import build_network
from fracture.model.recipe import Phase
from fracture.model.recipes import RECIPES
from fracture.training.batches import FilmSequence
from fracture.training.fit import compile_phase, fit

# Large networks, and sisters of others.
SLOW = ("resnet50-cascade", "resnet50", "densenet121", "vgg16", "inception")
SLOW += ("quick", "mobilenetv2-paper-1.0", "mobilenetv2-paper-0.35")
PARTS = ("hand", "leg")
SLOW += ("mobilenetv2-320-student", "mobilenetv2-320-tuned-student")
SLOW += ("mobilenetv3-320", "mobilenetv3-320-student")
HEAD = r"head/(hidden|classifier)/(kernel|bias)"
TAUGHT = rf"{HEAD}|head/log_sharpness"  # by boxes
CASCADE = "head/(kernels|biases)"  # the general classifier and those of the parts
MOBILE = "(expand|depthwise|project)/kernel|Conv_1/kernel"
PLAIN = r"conv\d/.*"
NORMED = r"conv\d(_bn)?/.*"  # with their statistics
SMALL = r"conv(_1)?/kernel|expanded_conv\w*(?<!_bn)/(kernel|bias)"
PYRAMID = rf"pyramid_\w+/.*|{TAUGHT}"
ADDED = rf"added\d(_bn)?/.*|{HEAD}"
WHOLE = rf"Conv1/kernel|(block_\d+|expanded_conv)_{MOBILE}|{PYRAMID}"
LAST_30 = rf"block_1[456]_{MOBILE}|{HEAD}"  # ten of them: batch norms stay
# Recipe -> what moves in each phase, as patterns of whole names.
MOVES = {
    "mobilenetv2": (TAUGHT, *[rf"block_([3-9]|1\d)_{MOBILE}|{TAUGHT}"] * 2),
    "quick": (TAUGHT, rf"block_1[3-6]_{MOBILE}|{TAUGHT}"),
    "mobilenetv2-320": (PYRAMID, rf"block_([3-9]|1\d)_{MOBILE}|{PYRAMID}"),
    "mobilenetv2-320-tuned": (PYRAMID, rf"block_([3-9]|1\d)_{MOBILE}|{PYRAMID}"),
    "mobilenetv2-320-student": (WHOLE,),
    "mobilenetv2-320-tuned-student": (WHOLE,),
    "mobilenetv3-320": (PYRAMID, rf"{SMALL}|{PYRAMID}"),
    "mobilenetv3-320-student": (rf"{SMALL}|{PYRAMID}",),
    "mobilenetv2-paper": (HEAD, LAST_30),
    "mobilenetv2-paper-1.0": (HEAD, LAST_30),
    "mobilenetv2-paper-0.35": (HEAD, LAST_30),
    "cnn-150": (rf"{PLAIN}|{HEAD}",),
    "resnet50-cascade": (CASCADE, rf"conv5_.*conv/(kernel|bias)|{CASCADE}"),
    "mobilenetv2-cascade": (
        CASCADE,
        # What names the part, up to block_13_expand, stays as it was fitted.
        rf"block_13_(depthwise|project)/kernel|block_1[456]_{MOBILE}|{CASCADE}",
    ),
    "inception": (HEAD, rf"after mixed8|{HEAD}"),
    "dilated-cnn": (rf"{NORMED}|{HEAD}",),
    "cracknet": (rf"{NORMED}|{HEAD}",),
    "mobilenetv3-hybrid": (
        ADDED,
        rf"{SMALL}|{ADDED}",
    ),
    "densenet121": (
        HEAD,
        rf"(conv\d_(conv|block\d+_\d_conv)|pool\d_conv)/kernel|{HEAD}",
    ),
    "vgg16": (HEAD, rf"block\d_conv\d/(kernel|bias)|{HEAD}"),
    "resnet50": (HEAD, rf"conv\d_(block\d_\d_)?conv/(kernel|bias)|{HEAD}"),
}


def test_every_recipe_is_listed():
    assert MOVES.keys() == RECIPES.keys()
    for name, moves in MOVES.items():
        assert len(moves) == len(RECIPES[name].phases)


def named(network, pattern):
    """The paths of the weights that a pattern means."""
    if "after mixed8" in pattern:  # its layers have numbers for names
        ends = (network.get_layer(end).output for end in ("mixed8", "features"))
        layers = keras.Model(*ends).layers
        kernels = "|".join(f"{layer.name}/kernel" for layer in layers)
        pattern = pattern.replace("after mixed8", kernels)
    paths = {weight.path for weight in network.weights}
    return {path for path in paths if re.fullmatch(pattern, path)}


def learns(layer):
    """What a step may change: trainable weights, and the statistics with them."""
    norm = isinstance(layer, keras.layers.BatchNormalization) and layer.trainable
    return layer.weights if norm else layer.trainable_weights


@pytest.mark.parametrize("name", RECIPES)
def test_exactly_these_variables_train(name):
    recipe = brief(RECIPES[name])
    network = build_network(recipe, recipe.phases[0], parts=PARTS)
    for phase, pattern in zip(recipe.phases, MOVES[name], strict=True):
        compile_phase(recipe, phase, network, steps=1)
        found = {weight.path for layer in network.layers for weight in learns(layer)}
        # Of a map that no box teaches it has no gradient.
        assert found == named(network, pattern) | {"head/log_sharpness"}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else [])
        for name in RECIPES
    ],
)
def test_exactly_these_variables_move(name):
    recipe = brief(RECIPES[name])
    keras.utils.set_random_seed(0)
    network = build_network(recipe, recipe.phases[0], parts=PARTS)
    size, cells = network.input.shape[1], network.output["evidence"].shape[1]
    rng = np.random.default_rng(0)
    films = rng.integers(0, 256, (2, size, size, 1), np.uint8)
    sets = np.array([[[1, 0, 0], [1, 1, 1]], [[0, 0, 1], [1, 1, 1]]], np.float32)
    boxes = np.zeros((2, cells, cells), np.float32)
    boxes[1, 0, 0] = 1
    start = network.get_weights()
    for phase, pattern in zip(recipe.phases, MOVES[name], strict=True):
        network.set_weights(start)
        model = compile_phase(recipe, phase, network, steps=1)
        model.run_eagerly = True
        model.train_on_batch(films, {"logits": sets, "evidence": boxes})
        found = {
            weight.path
            for weight, old in zip(network.weights, start, strict=True)
            if not np.array_equal(weight, old, equal_nan=True)
        }
        assert found == named(network, pattern)


def test_a_phase_without_a_stride_has_the_backbones_own(recipe):
    """Whatever is served: the same None must not mean two things."""
    recipe = dataclasses.replace(recipe, image_size=96, output_stride=16)
    phase = dataclasses.replace(recipe.phases[0], image_size=None, output_stride=None)
    assert build_network(recipe).output["evidence"].shape[1] == 7
    assert build_network(recipe, phase).output["evidence"].shape[1] == 3


def test_batch_norms_end_with_the_statistics_of_the_averaged_weights(tmp_path):
    recipe = dataclasses.replace(
        NORMED_RECIPE,
        phases=(Phase(2, 1e-2, unfreeze="all", ema=0.9),),
        batch_size=6,
    )
    table = load_table(write_phantoms(tmp_path, 24), tmp_path / "split.csv", 0, ())
    made = []

    def make_sequences(size, grid):
        shared = (table.films, table.examples, size, grid, recipe.batch_size)
        made.append(FilmSequence(*shared, recipe.augmentation, seed=3, workers=1))
        return made[0], FilmSequence(*shared)

    network = fit(recipe, make_sequences, tmp_path, seed=3)
    films = made[0]
    films.start_epoch(0)
    norm = network.get_layer("conv1_bn")
    enters = keras.Model(network.input, network.get_layer("conv1").output)
    maps = [np.array(enters(films[index][0])) for index in range(len(films))]
    means = np.mean([m.mean((0, 1, 2)) for m in maps], axis=0)
    spreads = np.mean([m.var((0, 1, 2)) for m in maps], axis=0)
    np.testing.assert_allclose(norm.moving_mean, means, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(norm.moving_variance, spreads, rtol=1e-3, atol=1e-5)
