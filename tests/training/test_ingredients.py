"""Scale, blur, compression, collimation, pasted fractures and mixtures."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from fracture.data.datasets import Example
from fracture.data.labels import label_sets
from fracture.data.phantom import draw_phantom
from fracture.model.network import Grid
from fracture.model.recipe import Augmentation
from fracture.model.recipes import RECIPES
from fracture.radiograph.letterbox import Letterbox
from fracture.training import paste
from fracture.training.augmentation import augment, box_grid
from fracture.training.batches import FilmSequence, mix
from fracture.training.losses import LabelSetAccuracy, label_set_loss

STILL = Augmentation(0, 0, 0, 0, horizontal_flip=False, vertical_flip=False)
SIZE, GRID = 160, Grid(16, 32, 5)
NOTHING = np.zeros((0, 4))
EVERYTHING = dict(scale=(0.5, 1.6), blur=1.5, jpeg=30, collimation=0.9)


def changed(square, boxes, seed, kept=None, **by):
    augmentation = dataclasses.replace(STILL, **by)
    rng = np.random.default_rng(seed)
    return augment(square, boxes, GRID, augmentation, rng, kept)


def spot(x, y, half=12):
    """A grey square with one bright spot, and the spot's box."""
    square = np.full((SIZE, SIZE), 40, np.uint8)
    square[y - half : y + half, x - half : x + half] = 255
    return square, np.float32([[x - half, y - half, x + half, y + half]])


@pytest.mark.parametrize("noise", [0.0, 6.0])
def test_older_recipes_draw_what_they_drew(noise):
    """In this order, and nothing else, from the stream that is handed in."""
    by = dataclasses.replace(RECIPES["mobilenetv2"].augmentation, noise=noise)
    ramp = np.tile(np.linspace(0, 255, SIZE), (SIZE, 1)).astype(np.uint8)
    used, rng = np.random.default_rng(5), np.random.default_rng(5)
    found, grid = augment(ramp, NOTHING, GRID, by, used)
    angle = np.deg2rad(rng.uniform(-1, 1) * by.rotation)
    scale = 1 / (1 + rng.uniform(-1, 1) * by.zoom)
    flips = np.where(rng.random(2) < 0.5, -1, 1)
    shift = rng.uniform(-1, 1, 2) * by.shift * SIZE
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cos, sin], [-sin, cos]]) * flips
    middle = np.full(2, SIZE / 2)
    matrix = np.column_stack([linear, middle - linear @ (middle + shift)])
    grey = np.linspace(0, 1, 256, dtype=np.float32)
    gamma = (1 + by.gamma) ** rng.uniform(-1, 1)
    contrast = 1 + rng.uniform(-1, 1) * by.contrast
    brightness = 1 + rng.uniform(-1, 1) * by.brightness
    curve = ((grey**gamma - 0.5) * contrast + 0.5) * brightness * 255
    film = Image.fromarray(ramp).transform(
        (SIZE, SIZE), Image.AFFINE, tuple(matrix.ravel()), Image.BILINEAR
    )
    expected = curve[np.asarray(film)]
    if noise:
        sigma = np.float32(rng.uniform(0, noise))
        expected += sigma * rng.standard_normal(expected.shape, np.float32)
    expected = np.clip(np.rint(expected), 0, 255).astype(np.uint8)
    np.testing.assert_array_equal(found, expected)
    assert used.random() == rng.random() and not grid.any()


def test_what_is_new_moves_no_older_draw():
    square, boxes = spot(90, 70)
    by = RECIPES["mobilenetv2"].augmentation
    before, after = np.random.default_rng(3), np.random.default_rng(3)
    augment(square, boxes, GRID, by, before)
    augment(square, boxes, GRID, dataclasses.replace(by, **EVERYTHING), after)
    assert before.random() == after.random()


@pytest.mark.parametrize("corner", [(14, 14), (146, 20), (80, 145)])
@pytest.mark.parametrize("seed", range(10))
def test_boxes_stay_in_view_at_every_scale(corner, seed):
    square, boxes = spot(*corner)
    by = dict(scale=(0.5, 1.6), rotation=30.0, shift=0.3, horizontal_flip=True)
    film, grid = changed(square, boxes, seed, **by, collimation=1.0)
    bright = np.argwhere(film > 150)
    # All of the spot is there, whatever the borders hide, and its grid goes with it.
    assert len(bright) >= 0.9 * (24 * 0.5) ** 2
    y, x = bright.mean(0)
    assert grid[min(4, int(y // 32)), min(4, int(x // 32))] > 0.1
    assert bright.min() >= 0 and np.ptp(bright, axis=0).max() >= 0.9 * 24 * 0.5


def test_a_fracture_at_an_unknown_place_keeps_its_film_in_view():
    square = np.zeros((SIZE, SIZE), np.uint8)
    square[20:140] = 200
    frame = np.array([[0.0, 20, SIZE, 140]])
    for seed in range(10):
        by = dict(scale=(0.7, 3.0), shift=0.3, collimation=1.0)
        film, _ = changed(square, NOTHING, seed, kept=frame, **by)
        rows, columns = (np.flatnonzero((film > 150).any(axis)) for axis in (1, 0))
        aspect = len(rows) / len(columns)
        assert aspect == pytest.approx(120 / SIZE, abs=0.06)


def test_a_film_made_smaller_does_not_alias():
    """Stripes of one pixel become even grey, not a pattern."""
    stripes = np.zeros((SIZE, SIZE), np.uint8)
    stripes[:, ::2] = 255
    film, _ = changed(stripes, NOTHING, 0, scale=(0.5, 0.5))
    inner = film[50:110, 50:110].astype(float)
    assert inner.mean() == pytest.approx(127, abs=8) and inner.std() < 12


def test_scales_are_drawn_evenly():
    square, sides = spot(80, 80)[0], []
    for seed in range(200):
        film, _ = changed(square, NOTHING, seed, scale=(0.5, 1.6))
        sides.append(np.sqrt((film > 150).sum()) / 24)
    assert 0.48 < min(sides) < 0.56 and 1.4 < max(sides) < 1.65
    assert np.median(sides) == pytest.approx(np.sqrt(0.5 * 1.6), abs=0.1)


def test_half_the_films_are_blurred_and_half_compressed():
    noise = np.random.default_rng(0).integers(0, 256, (SIZE, SIZE)).astype(np.uint8)
    for by in (dict(blur=1.5), dict(jpeg=20)):
        films = [changed(noise, NOTHING, seed, **by)[0] for seed in range(60)]
        same = [np.array_equal(film, noise) for film in films]
        assert 0.3 < np.mean(same) < 0.7
    plain = np.asarray(Image.fromarray(noise).filter(ImageFilter.GaussianBlur(1.5)))
    blurred = [changed(noise, NOTHING, seed, blur=1.5)[0] for seed in range(60)]
    assert min(film.std() for film in blurred) >= plain.std() - 1


def test_borders_are_straight_even_and_outside():
    film = np.full((SIZE, SIZE), 200, np.uint8)
    shut = [changed(film, NOTHING, seed, collimation=1.0)[0] for seed in range(40)]
    assert all(found[72:88, 72:88].min() == 200 for found in shut)  # not the middle
    assert all(found.max() == 200 for found in shut)
    covered = [np.mean(found < 199) for found in shut]
    assert 0.1 < np.mean(covered) < 0.8
    levels = [found.min() for found in shut if found.min() < 199]
    assert min(levels) == 0 and max(levels) > 10  # black, and grey
    open_ = [changed(film, NOTHING, seed, collimation=0.3)[0] for seed in range(60)]
    assert 0.5 < np.mean([found.min() == 200 for found in open_]) < 0.9


# --- pasted fractures ---


def phantoms(size=SIZE):
    """Normal and fractured phantoms as squares, with boxes and examples."""
    squares, boxes, examples = [], [], []
    for label in ("normal", "displaced") * 4:
        drawn = draw_phantom(label, 3 * len(squares))
        letterbox = Letterbox(*drawn.pixels.shape, size)
        squares.append(letterbox.apply(drawn.pixels))
        scale = max(drawn.pixels.shape)
        left, top, *_ = letterbox.inner
        boxes.append(drawn.boxes * size / scale + (left, top, left, top))
        tags = frozenset({"hand"} if len(squares) <= 6 else {"leg"})
        name = str(len(squares))
        examples.append(Example(Path("x"), name, "s", label, tags=tags))
    return np.stack(squares), boxes, examples


def test_a_pasted_fracture_is_where_its_box_is():
    squares, boxes, examples = phantoms()
    donors, found = paste.Donors(squares, boxes, examples), []
    for seed in range(30):
        index = 2 * (seed % 3)
        lent = donors.lend(index, np.random.default_rng(seed))
        if lent is None:
            continue
        film, box, donor = lent
        assert examples[donor].label == "displaced"
        assert examples[donor].tags == examples[index].tags
        rows, columns = np.nonzero(film != squares[index])
        x0, y0, x1, y1 = box[0]
        middle = np.array([columns.mean(), rows.mean()]) + 0.5
        rim = 0.4 * max(x1 - x0, y1 - y0) + 4
        np.testing.assert_allclose(middle, ((x0 + x1) / 2, (y0 + y1) / 2), atol=rim)
        assert columns.min() >= x0 - rim and columns.max() <= x1 + rim
        found.append(donor)
    assert len(found) >= 5


def test_where_nothing_fits_nothing_is_pasted():
    squares, boxes, examples = phantoms()
    flat = np.full_like(squares, 90)
    flat[1::2] = squares[1::2]
    donors = paste.Donors(flat, boxes, examples)
    assert all(donors.lend(0, np.random.default_rng(s)) is None for s in range(10))
    # Of a part that no donor shows, of no known part, of donors with hardware.
    for tags in ({"hip"}, set()):
        other = [dataclasses.replace(examples[0], tags=frozenset(tags)), *examples[1:]]
        donors = paste.Donors(squares, boxes, other)
        assert donors.lend(0, np.random.default_rng(0)) is None
    screwed = [dataclasses.replace(e, tags=e.tags | {"hardware"}) for e in examples]
    donors = paste.Donors(squares, boxes, screwed)
    assert donors.lend(0, np.random.default_rng(0)) is None


def sequence(**changes):
    squares, boxes, examples = phantoms()
    fractions = [tuple(map(tuple, box / SIZE)) for box in boxes]
    examples = [
        dataclasses.replace(example, boxes=box if example.label != "normal" else ())
        for example, box in zip(examples, fractions, strict=True)
    ]
    by = dataclasses.replace(STILL, **changes)
    return FilmSequence(list(squares), examples, SIZE, GRID, 8, by, repeats=[4] * 8)


def test_label_and_map_follow_a_pasted_fracture():
    before, after = sequence(), sequence(paste=1.0)
    plain, pasted = (
        [np.concatenate(part) for part in zip(*map(unpacked, batches), strict=True)]
        for batches in (before, after)
    )
    moved = (plain[0] != pasted[0]).any((1, 2, 3))
    normal = plain[1][:, 0, 0] == 1
    assert moved.any() and not moved[~normal].any()
    fractured = label_sets("displaced", ("normal", "displaced"))
    assert (pasted[1][moved] == fractured).all()
    assert (pasted[2][moved].max((1, 2)) == 1).all()
    assert (pasted[1][~moved] == plain[1][~moved]).all()


def unpacked(batch):
    films, truth = batch
    return films, truth["logits"], truth["evidence"]


# --- mixtures ---


def test_a_mixture_is_of_both_films_by_their_shares():
    rng = np.random.default_rng(0)
    squares = rng.integers(0, 256, (6, 8, 8)).astype(np.uint8)
    grids = rng.random((6, 2, 2)).astype(np.float32)
    sets = np.stack(
        [label_sets(label, ("normal", "fractured")) for label in ["normal"] * 3]
        + [label_sets("hairline", ("hairline", "displaced"))] * 3
    )
    films, maps, both = mix(squares, grids, sets, 1.0, np.random.default_rng(1))
    share = both[:, 0].max((1, 2))
    assert (share >= 0.5).all()
    np.testing.assert_allclose(share + both[:, 1].max((1, 2)), 1, rtol=1e-6)
    np.testing.assert_array_equal(np.sign(both[:, 0]), sets)
    for i in range(6):
        others = [
            j
            for j in range(6)
            if np.allclose(
                films[i], share[i] * squares[i] + (1 - share[i]) * squares[j], atol=1
            )
        ]
        assert any(
            np.allclose(maps[i], share[i] * grids[i] + (1 - share[i]) * grids[j])
            and np.array_equal(np.sign(both[i, 1]), sets[j])
            for j in others
        )


def test_the_loss_of_a_mixture_is_that_of_its_parts():
    logits = np.random.default_rng(2).normal(0, 2, (4, 3)).astype(np.float32)
    one = np.stack([label_sets("normal", ("normal", "fractured"))] * 4)
    other = np.stack([label_sets("hairline", ("hairline", "displaced"))] * 4)
    both = np.stack([0.7 * one, 0.3 * other], axis=1).astype(np.float32)
    parts = (np.asarray(label_set_loss(sets, logits)) for sets in (one, other))
    expected = 0.7 * next(parts) + 0.3 * next(parts)
    np.testing.assert_allclose(label_set_loss(both, logits), expected, rtol=1e-5)
    accuracy, plain = LabelSetAccuracy(), LabelSetAccuracy()
    accuracy.update_state(both, logits)
    plain.update_state(one, logits)
    assert float(accuracy.result()) == float(plain.result())


@pytest.mark.parametrize("processes", [False, True])
def test_batches_do_not_depend_on_who_makes_them(processes):
    from keras.src.trainers.data_adapters.py_dataset_adapter import OrderedEnqueuer

    films = sequence(paste=0.5, mixup=0.4, **EVERYTHING)
    expected = [films[i] for i in range(len(films))]
    queue = OrderedEnqueuer(films, workers=2, use_multiprocessing=processes)
    queue.start()
    found = [batch for _, batch in zip(expected, queue.get(), strict=False)]
    queue.stop()
    for one, other in zip(expected, found, strict=True):
        for wanted, part in zip(unpacked(one), unpacked(other), strict=True):
            np.testing.assert_array_equal(wanted, part)


def test_box_grid_is_untouched_by_new_fields():
    _, boxes = spot(80, 48)
    np.testing.assert_array_equal(changed(*spot(80, 48), 0)[1], box_grid(boxes, GRID))
