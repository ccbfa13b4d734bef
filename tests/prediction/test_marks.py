"""Marks: where the map peaks, in the film's pixels, where they mean something."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from toy_films import predict

from fracture.prediction import Finding
from fracture.prediction.marks import MOST, find_marks
from fracture.radiograph import Letterbox
from fracture.weights import MARKS

PLACE = (8.0, 16.0)  # of 10 cells in a square of 160 pixels
RULES = {"side": 0.1, "least": 0.3}


def marks_of(grid, shape=(160, 160), probability=0.8, rules=RULES):
    return find_marks(Letterbox(*shape, 160), grid, PLACE, probability, rules)


def grid_with(*peaks):
    grid = np.zeros((10, 10), np.float32)
    for row, column, strength in peaks:
        grid[row, column] = strength
    return grid


def middle(mark):
    return (mark.x0 + mark.x1) / 2, (mark.y0 + mark.y1) / 2


def test_a_mark_lies_where_the_map_peaks():
    first, second = marks_of(grid_with((2, 6, 1.0), (7, 3, 0.8)))
    assert middle(first) == pytest.approx((6 * 16 + 8, 2 * 16 + 8), abs=1)
    assert middle(second) == pytest.approx((3 * 16 + 8, 7 * 16 + 8), abs=1)
    assert first.score == pytest.approx(0.8, abs=1e-6)
    assert second.score == pytest.approx(0.8 * 0.8**2, rel=0.05)
    assert first.x1 - first.x0 == pytest.approx(16, abs=1)


def test_marks_are_in_pixels_of_the_film():
    """Twice the resolution, twice the numbers; the square's padding does not count."""
    grid = grid_with((4, 7, 1.0))
    (small,), (large,) = marks_of(grid, (80, 160)), marks_of(grid, (320, 640))
    assert middle(small) == pytest.approx((7 * 16 + 8, 4 * 16 + 8 - 40), abs=1.5)
    assert middle(large) == pytest.approx(np.multiply(middle(small), 4), abs=4)


def test_weak_and_crowded_peaks_are_no_marks():
    far = grid_with((2, 2, 1.0), (7, 7, 0.2))
    assert len(marks_of(far)) == 1
    assert len(marks_of(far, rules={**RULES, "least": 0.1})) == 2
    near = grid_with((4, 3, 1.0), (4, 5, 0.95))
    assert len(marks_of(near)) == 2
    assert len(marks_of(near, rules={**RULES, "side": 0.5})) == 1


def test_nothing_peaks_on_an_empty_map():
    assert marks_of(np.zeros((10, 10), np.float32)) == ()


@given(st.integers(0, 2**32 - 1), st.integers(33, 700), st.integers(33, 700))
def test_marks_are_few_inside_apart_and_in_order(seed, height, width):
    rng = np.random.default_rng(seed)
    grid = rng.random((10, 10)).astype(np.float32) ** 4
    marks = marks_of(grid, (height, width))
    assert 1 <= len(marks) <= MOST
    scores = [mark.score for mark in marks]
    assert scores == sorted(scores, reverse=True) and max(scores) <= 0.8
    for i, one in enumerate(marks):
        assert 0 <= one.x0 < one.x1 <= width and 0 <= one.y0 < one.y1 <= height
        for other in marks[:i]:
            across = min(one.x1, other.x1) - max(one.x0, other.x0)
            down = min(one.y1, other.y1) - max(one.y0, other.y0)
            side = 0.1 * max(height, width)
            assert max(across, 0) * max(down, 0) <= 0.1 * side**2 + 4 * side + 4


@pytest.mark.parametrize(
    ("normal", "novelty", "finding", "some"),
    [
        (0.9, -1.0, Finding.NO_FRACTURE_SEEN, False),
        (0.6, -1.0, Finding.UNCERTAIN, True),
        (0.1, -1.0, Finding.FRACTURE_SUSPECTED, True),
        (0.1, 1.0, Finding.NOT_JUDGED, False),
    ],
)
def test_marks_show_only_where_the_finding_allows(normal, novelty, finding, some):
    prediction = predict((normal, 0.0, 1 - normal))
    prediction = dataclasses.replace(prediction, novelty=novelty)
    assert prediction.finding == finding
    assert bool(prediction.marks) == some
    if some:
        assert prediction.marks[0].score == pytest.approx(1 - normal, abs=1e-6)


def test_an_overlay_outlines_them_unless_told_otherwise():
    prediction = predict((0.1, 0.0, 0.9))
    values = {**prediction.config.values, "heatmap_reference": 1.0}
    config = dataclasses.replace(prediction.config, values=values)
    prediction = dataclasses.replace(prediction, config=config)
    plain = np.asarray(prediction.overlay(marks=False), int)
    marked = np.asarray(prediction.overlay(), int)
    changed = np.argwhere((plain != marked).any(-1))
    (mark,) = prediction.marks
    # Without colour, but for the rim of the number.
    assert (marked[tuple(changed.T)].std(-1) == 0).mean() > 0.7
    assert changed[:, 0].min() >= mark.y0 - 2 and changed[:, 0].max() <= mark.y1 + 12
    of_class = (prediction.overlay("normal", marks=marks) for marks in (True, False))
    np.testing.assert_array_equal(*of_class)


def test_weights_without_rules_take_the_first_ones():
    assert predict((0.1, 0.0, 0.9)).config.marks == MARKS
