"""A student learns what its teachers say of the films that it sees."""

import dataclasses

import keras
import numpy as np
import pytest
from toy_recipes import PLAIN

from fracture.data.datasets import source_labels, write_phantoms
from fracture.data.film_table import load_table
from fracture.model.network import Grid, build_network, map_grid
from fracture.model.recipe import Phase
from fracture.training.batches import FilmSequence
from fracture.training.checkpoint import Progress
from fracture.training.distillation import (
    Teacher,
    map_matching_loss,
    matching_loss,
    resampling,
    taught,
)
from fracture.training.fit import fit

BY = dataclasses.replace(PLAIN.augmentation, mixup=1.0)
STUDENT = dataclasses.replace(
    PLAIN,
    phases=(Phase(3, 3e-3, unfreeze="conv4", ema=0.5),),
    localisation_weight=0.3,
    augmentation=BY,
    dropout=(0.0, 0.0),
)


def teacher(seed, **changes):
    """A network that says something, and not the same of every film."""
    keras.utils.set_random_seed(seed)
    recipe = dataclasses.replace(PLAIN, **changes)
    network = build_network(recipe)
    kernel = network.get_layer("head").classifier.kernel
    kernel.assign(30 * kernel)
    return Teacher(recipe, network)


@pytest.fixture(scope="module")
def teachers():
    """Of the student's size, and of another with another map."""
    return [teacher(1), teacher(2, image_size=96, backbone="cnn")]


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    table = load_table(write_phantoms(folder, 24), folder / "split.csv", 0, ())
    return table.examples, table.films


def grid_of(recipe, network):
    return map_grid(recipe, network.output["evidence"].shape[1])


def test_teachers_speak_with_one_voice(teachers):
    student = build_network(STUDENT)
    model = taught(student, grid_of(STUDENT, student), teachers)
    films = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 1)).astype(np.uint8)
    both = {name: np.asarray(value) for name, value in model(films).items()}
    own = student(films, training=False)
    np.testing.assert_allclose(both["logits"][:, 0], own["logits"], atol=1e-5)
    larger = keras.ops.image.resize(films.astype("f4"), (96, 96), antialias=True)
    seen = (films, np.rint(larger).astype(np.uint8))
    said = [
        np.asarray(teacher.network(film, training=False)["logits"])
        for teacher, film in zip(teachers, seen, strict=True)
    ]
    np.testing.assert_allclose(both["logits"][:, 1], np.mean(said, 0), atol=1e-3)
    p = np.exp(np.mean(said, 0))
    fracture = 1 - p[:, 0] / p.sum(1)
    maps = both["evidence"][:, 1]
    assert maps.shape == own["evidence"].shape and maps.min() >= 0
    np.testing.assert_allclose(maps.sum((1, 2)), fracture, atol=1e-3)


def test_who_agrees_has_nothing_to_learn():
    one = teacher(3)
    model = taught(one.network, grid_of(*one), [one])
    films = np.random.default_rng(1).integers(0, 256, (5, 64, 64, 1)).astype(np.uint8)
    both = model(films)
    for loss, name in ((matching_loss, "logits"), (map_matching_loss, "evidence")):
        np.testing.assert_allclose(loss(None, both[name]), 0, atol=1e-4)
        values = np.array(both[name])
        values[:, 0] += np.random.default_rng(2).normal(0, 1, values[:, 0].shape)
        assert (np.asarray(loss(None, values)) > 0).all()


@pytest.mark.parametrize("other", [Grid(16, 32, 10), Grid(4, 8, 40), Grid(8, 16, 20)])
def test_maps_keep_their_place_on_another_grid(other):
    own = Grid(8, 16, 20)
    onto = resampling(own, 320, other, 320)
    np.testing.assert_allclose(onto.sum(1), 1, rtol=1e-6)
    if other == own:
        np.testing.assert_allclose(onto, np.eye(20), atol=1e-6)
    centres = own.first + own.step * np.arange(own.cells)
    others = other.first + other.step * np.arange(other.cells)
    bump = np.exp(-(((centres - 170) / 40) ** 2))
    moved = onto @ bump
    assert moved @ others / moved.sum() == pytest.approx(170, abs=2)


class KilledSequence(FilmSequence):
    """Dies in the middle of the last epoch."""

    def __getitem__(self, batch):
        if self.epoch == 2 and batch == 2:
            raise RuntimeError("killed here")
        return super().__getitem__(batch)


def run(folder, phantoms, teachers, sequence=FilmSequence):
    examples, films = phantoms
    labels = source_labels(examples)

    def make_sequences(size, grid):
        shared = (films, examples, size, grid, STUDENT.batch_size)
        settings = dict(seed=3, workers=1, labels_of=labels)
        return sequence(*shared, STUDENT.augmentation, **settings), None

    return fit(STUDENT, make_sequences, folder, seed=3, teachers=teachers)


@pytest.mark.slow
def test_a_student_learns_and_a_killed_lesson_resumes(tmp_path, phantoms, teachers):
    before = [teacher.network.get_weights() for teacher in teachers]
    whole = run(tmp_path / "whole", phantoms, teachers)
    with pytest.raises(Exception, match="killed here"):
        run(tmp_path / "killed", phantoms, teachers, KilledSequence)
    assert Progress.load(tmp_path / "killed").epoch == 2
    resumed = run(tmp_path / "killed", phantoms, teachers)
    for one, other in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-4, err_msg=one.path)
    history = Progress.load(tmp_path / "killed").history
    divergence = [row["logits_loss"] for row in history]
    assert len(history) == 3 and divergence[-1] < 0.8 * divergence[0]
    for teacher, weights in zip(teachers, before, strict=True):
        for one, other in zip(weights, teacher.network.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)
