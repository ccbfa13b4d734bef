"""Batches and augmentation: pixels and boxes move together, and repeatably."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from fracture.data.datasets import Example
from fracture.model.network import Grid, build_network, map_grid
from fracture.model.recipe import Augmentation
from fracture.training.augmentation import augment, box_grid
from fracture.training.batches import FilmSequence

STILL = Augmentation(0, 0, 0, 0, horizontal_flip=False, vertical_flip=False)
SIZE = 160
GRID = Grid(16, 32, 5)


def spot(x, y, half=12):
    """A black square with one bright spot, and the spot's box."""
    square = np.zeros((SIZE, SIZE), np.uint8)
    square[y - half : y + half, x - half : x + half] = 255
    return square, np.float32([[x - half, y - half, x + half, y + half]])


def test_identity_leaves_the_film():
    square = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE)).astype(np.uint8)
    found, grid = augment(
        square, np.zeros((0, 4)), GRID, STILL, np.random.default_rng(0)
    )
    np.testing.assert_array_equal(found, square)
    assert not grid.any()


@pytest.mark.parametrize(
    "change",
    [
        {"rotation": 40.0},
        {"zoom": 0.4},
        {"shift": 0.2},
        {"horizontal_flip": True, "vertical_flip": True},
        dataclasses.asdict(Augmentation(brightness=0)),
    ],
    ids=["rotation", "zoom", "shift", "flips", "published"],
)
@pytest.mark.parametrize("seed", range(8))
def test_boxes_follow_the_pixels(change, seed):
    square, boxes = spot(100, 60)
    augmentation = dataclasses.replace(STILL, **change)
    found, grid = augment(
        square, boxes, GRID, augmentation, np.random.default_rng(seed)
    )
    if not found.any():
        pytest.fail("the spot left the frame")
    y, x = np.argwhere(found > 128).mean(0)
    assert grid.max() == 1
    assert grid[int(y // 32), int(x // 32)] > 0.2


def test_a_box_is_never_pushed_out():
    square, boxes = spot(14, 14)
    wild = dataclasses.replace(STILL, shift=0.5, rotation=90.0)
    for seed in range(50):
        _, grid = augment(square, boxes, GRID, wild, np.random.default_rng(seed))
        assert grid.any()


@pytest.mark.parametrize("field", ["brightness", "contrast", "gamma", "noise"])
def test_grey_changes_stay_in_range(field):
    ramp = np.tile(np.linspace(0, 255, SIZE), (SIZE, 1)).astype(np.uint8)
    strong = dataclasses.replace(STILL, **{field: 50.0 if field == "noise" else 0.5})
    found = [
        augment(ramp, np.zeros((0, 4)), GRID, strong, np.random.default_rng(seed))[0]
        for seed in range(5)
    ]
    assert all(f.dtype == np.uint8 and f.shape == ramp.shape for f in found)
    assert any((f != ramp).any() for f in found)
    # Brighter stays brighter: no wrap-around at the ends of the range.
    if field != "noise":
        assert all((np.diff(f[0].astype(int)) >= 0).all() for f in found)


@pytest.mark.parametrize(("stride", "cells"), [(32, 5), (16, 11)])
def test_a_grid_has_the_cells_of_the_map(recipe, stride, cells):
    _, boxes = spot(96, 64)
    recipe = dataclasses.replace(recipe, image_size=SIZE, output_stride=stride)
    network = build_network(recipe)
    assert network.output["evidence"].shape[1:] == (cells, cells)
    where = map_grid(recipe, cells)
    grid = box_grid(boxes, where)
    assert grid.shape == (cells, cells)
    x, y = (round((at - where.first) / where.step) for at in (96, 64))
    assert grid[y, x] == 1


def test_thin_box_marks_a_cell():
    grid = box_grid(np.float32([[33.0, 40.0, 33.1, 90.0]]), GRID)
    assert grid.max() == 1 and grid[:, 1].sum() == grid.sum()


def make_sequence(**changes):
    films = [spot(60 + 4 * i, 80)[0] for i in range(7)]
    labels = ["normal", "fractured"] * 3 + ["normal"]
    examples = [
        Example(Path("x"), f"{i}", "s", label, boxes=((0.3, 0.4, 0.6, 0.6),))
        for i, label in enumerate(labels)
    ]
    settings = {"augmentation": Augmentation(), "seed": 1} | changes
    return FilmSequence(films, examples, SIZE, GRID, 4, **settings)


def test_an_epoch_is_repeatable_and_epochs_differ():
    one, two = make_sequence(), make_sequence()
    first = [one[i][0] for i in range(len(one))]
    one.start_epoch(1)
    assert any((one[i][0] != first[i]).any() for i in range(len(one)))
    two.start_epoch(1)
    for i in range(len(one)):
        np.testing.assert_array_equal(one[i][0], two[i][0])
        for key in ("logits", "evidence"):
            np.testing.assert_array_equal(one[i][1][key], two[i][1][key])


def test_repeats_and_labels():
    sequence = make_sequence(repeats=[1, 3, 1, 3, 1, 3, 1])
    sets = np.concatenate([sequence[i][1]["logits"] for i in range(len(sequence))])
    assert len(sets) == 13
    assert (sets[:, 0, 0] == 0).sum() == 9  # fractured films, three times each


def test_a_short_epoch_draws_other_films_each_time():
    sequence = make_sequence(limit=5)
    shown = []
    for epoch in range(20):
        sequence.start_epoch(epoch)
        assert sum(len(sequence[i][0]) for i in range(len(sequence))) == 5
        shown.extend(sequence.order)
    assert set(shown) == set(range(7))


def test_without_augmentation_films_come_as_served_in_order():
    sequence = make_sequence(augmentation=None)
    films = np.concatenate([sequence[i][0] for i in range(len(sequence))])
    assert films.shape == (7, SIZE, SIZE, 1)
    np.testing.assert_array_equal(films[3, ..., 0], spot(72, 80)[0])
