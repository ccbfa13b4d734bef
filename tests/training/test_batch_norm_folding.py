"""Folded batch norms change neither what a network says nor what it learns."""

import dataclasses

import keras
import numpy as np
import pytest
from toy_recipes import brief

from fracture.model.network import build_network, set_trainable
from fracture.model.recipes import RECIPES
from fracture.training.batch_norm_folding import FoldedConvolution, fold_batch_norms

NAMES = ["mobilenetv2-320", "mobilenetv3-320", "cracknet"]
# Norms without a scale, behind a bias, in front of their convolutions.
LARGE = ["inception", "resnet50", "densenet121"]


def network(name: str) -> keras.Model:
    """Norms that do something, the second phase's layers trainable, no dropout."""
    keras.utils.set_random_seed(0)
    recipe = dataclasses.replace(brief(RECIPES[name]), dropout=(0.0, 0.0))
    phase, rng = recipe.phases[-1], np.random.default_rng(0)
    made = build_network(recipe, phase)
    for layer in made.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            values = layer.get_weights()
            layer.set_weights([v + rng.uniform(0, 0.5, v.shape) for v in values])
    set_trainable(made, recipe, phase.unfreeze)
    ends = {end: made.output[end] for end in ("logits", "evidence")}
    return keras.Model(made.input, ends)


def step(model: keras.Model, films: np.ndarray) -> list[np.ndarray]:
    """The trainable weights after a step downhill."""
    loss = dict.fromkeys(model.output, "mse")
    model.compile(keras.optimizers.SGD(0.1), loss, run_eagerly=True)
    model.train_on_batch(films, {end: np.zeros(1) for end in loss})
    return values(model)


def values(model: keras.Model) -> list[np.ndarray]:
    weights = model.trainable_weights
    return [keras.ops.convert_to_numpy(weight).copy() for weight in weights]


@pytest.mark.parametrize(
    "name", [*NAMES, *(pytest.param(name, marks=pytest.mark.slow) for name in LARGE)]
)
def test_a_folded_network_says_and_learns_the_same(name):
    plain = network(name)
    folded, films = fold_batch_norms(plain), np.random.default_rng(1)
    films = films.integers(0, 256, (2, *plain.input.shape[1:])).astype(np.uint8)
    answers = folded.predict(films, verbose=0)
    for end, said in plain.predict(films, verbose=0).items():
        np.testing.assert_allclose(answers[end], said, rtol=1e-3, atol=1e-5)
    paths = [weight.path for weight in plain.trainable_weights]
    assert [weight.path for weight in folded.trainable_weights] == paths
    before, start = values(plain), plain.get_weights()
    found = step(folded, films)
    plain.set_weights(start)
    after = step(plain, films)
    for path, old, new, other in zip(paths, before, after, found, strict=True):
        moved = np.abs(new - old).max()
        np.testing.assert_allclose(other, new, atol=1e-3 * moved + 1e-6, err_msg=path)


@pytest.mark.parametrize(("name", "trains"), [("mobilenetv2-320", 2), ("cracknet", 4)])
def test_exactly_the_frozen_norms_behind_convolutions_are_folded(name, trains):
    plain = network(name)
    folded = fold_batch_norms(plain)
    norms, left = (
        [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
        for model in (plain, folded)
    )
    found = [x.norm for x in folded.layers if isinstance(x, FoldedConvolution)]
    assert len(left) == trains and all(norm.trainable for norm in left)
    assert {*found, *left} == {*norms} and len(found) + len(left) == len(norms)
