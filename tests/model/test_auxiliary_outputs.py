"""Body part and novelty, read out of embeddings."""

from pathlib import Path

import numpy as np
import pytest

from fracture.data.datasets import Example
from fracture.evaluation.novelty import unseen_kinds
from fracture.model.auxiliary_outputs import fit_body_parts, named_parts
from fracture.model.novelty import NoveltyDetector


def embeddings(count, shift=0.0, channels=40, seed=0):
    rng = np.random.default_rng(seed)
    return np.abs(
        rng.normal(1, 0.3, (count, channels)) + shift * rng.normal(size=channels)
    )


@pytest.fixture(scope="module")
def detector():
    return NoveltyDetector.fit(embeddings(200), embeddings(60, 1.0, seed=1), 64)


def test_negatives_score_higher_than_films(detector):
    films, strange = embeddings(100, seed=2), embeddings(100, 1.0, seed=1)
    assert np.median(detector.score(strange)) > detector.score(films).max()


def test_what_lies_very_far_out_is_strange_however_far(detector):
    """Squares are capped, so no single wild feature rules the score."""
    far, farther = (detector.score(embeddings(5) * factor) for factor in (30, 3000))
    assert np.isfinite(farther).all()
    assert far.min() > detector.score(embeddings(200)).max()


def test_the_layer_is_the_detector(network, squares):
    """What the graph says equals the fitted numbers on the same embeddings."""
    outputs = network.predict(squares, verbose=0)
    centre, directions, linear, square, bias = network.get_layer(
        "novelty"
    ).get_weights()
    detector = NoveltyDetector(centre, directions, linear, square, bias)
    np.testing.assert_allclose(
        outputs["novelty"], detector.score(outputs["embedding"]), rtol=1e-3, atol=1e-3
    )


def test_a_kind_is_measured_by_a_detector_that_never_saw_it():
    films, test = embeddings(200), embeddings(50, seed=3)
    kinds = {
        "far": embeddings(30, 1.5, seed=4),
        "near": embeddings(30, 0.0, seed=5),
    }
    found = unseen_kinds(films, kinds, test, [str(i) for i in range(50)], 64)
    assert set(found) == set(kinds)
    assert all(figure["n"] == 80 for figure in found.values())
    assert found["near"]["value"] < 0.9  # films called strange cannot be told apart


def films(*tags):
    return [Example(Path(), "", "", "normal", tags=frozenset(t.split())) for t in tags]


def test_a_part_is_named_from_twenty_films_on():
    tags = ["hand frontal"] * 20 + ["elbow hand"] * 19 + ["wrist"] * 20 + ["mixed"] * 50
    assert named_parts(films(*tags)) == ("hand", "wrist")
    assert named_parts(films("hardware", "multiscan", "") * 40) == ()


@pytest.fixture
def layer(network):
    layer = network.get_layer("body_parts")
    kept = layer.get_weights()
    yield layer
    layer.set_weights(kept)


def test_body_parts_are_learned_where_films_name_them(network, layer):
    """Films without a named part teach nothing."""
    rng = np.random.default_rng(0)
    hand = np.arange(60) % 2 == 0
    embedding = rng.normal(0, 0.1, (90, layer.kernel.shape[0]))
    embedding[:60, 0] += 3 * hand
    examples = films(*(["hand frontal", "leg"] * 30), *["frontal"] * 30)
    fit_body_parts(network, embedding, examples, ("hand", "leg"))
    said = np.asarray(layer(embedding[:60].astype(np.float32)))
    assert ((said[:, 0] > 0.5) == hand).all() and ((said[:, 1] > 0.5) != hand).all()


def test_a_part_that_every_film_shows_is_said_of_every_film(network, layer):
    """As surely as so many films allow: (n + 1) / (n + 2)."""
    embedding = np.random.default_rng(0).normal(size=(40, layer.kernel.shape[0]))
    examples = films(*["leg", "leg hand"] * 15, *[""] * 10)
    fit_body_parts(network, embedding, examples, ("hand", "leg"))
    said = np.asarray(layer(embedding.astype(np.float32)))
    np.testing.assert_allclose(said[:, 1], 31 / 32, rtol=1e-5)
    assert said[:, 0].std() > 0
