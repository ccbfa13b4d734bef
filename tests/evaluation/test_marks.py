"""Marks scored as detections are: free-response curves that one can count."""

import dataclasses

import numpy as np
import pytest
from toy_films import example, predict

from fracture.evaluation import metrics
from fracture.evaluation.cohort import Cohort
from fracture.evaluation.evaluate import evaluate
from fracture.evaluation.marks import HITS, mark_figures
from fracture.prediction.marks import Mark

HIT, NEAR, FAR = (10, 10, 20, 20), (20, 10, 30, 20), (60, 40, 70, 50)
BOX = (8 / 96, 8 / 60, 22 / 96, 22 / 60)  # of a film of 60 x 96


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(metrics, "DRAWS", 20)


def film(index, label, marks, boxes=()):
    """A film, and a prediction whose marks are made up."""
    prediction = dataclasses.replace(predict((0.1, 0.0, 0.9)))
    prediction.__dict__["marks"] = tuple(Mark(*box, score) for box, score in marks)
    return example(index, "atlas", label, boxes=boxes), prediction


def figures(*films):
    examples, predictions = zip(*films, strict=True)
    groups = np.arange(len(films)).astype(str)
    return mark_figures(Cohort(list(examples), groups, list(predictions)))


def test_a_curve_that_one_can_count():
    """Two boxes in four films; true at 0.9 and 0.4, false at 0.8, 0.6, 0.5 and 0.1."""
    found = figures(
        film(0, "fractured", [(HIT, 0.9), (FAR, 0.6)], (BOX,)),
        film(1, "fractured", [(FAR, 0.5), (HIT, 0.4)], (BOX,)),
        film(2, "normal", [(FAR, 0.8), (HIT, 0.1)]),
        film(3, "normal", []),
    )
    assert (found["films"], found["boxes"], found["marks_per_film"]) == (4, 2, 1.5)
    for hit in HITS:
        row = found[hit]
        assert row["false_per_film"] == 1.0
        # One false mark may be had, then two, then all four.
        values = [row[f"at_{rate}"]["value"] for rate in ("0.25", "0.5", "1", "most")]
        assert values == [0.5, 0.5, 1.0, 1.0]
        assert row["at_0.5"]["n"] == 2
        curve = row["curve"]
        assert curve["false_per_film"][0] == 0 and curve["sensitivity"][0] == 0.5
        assert curve["false_per_film"][-1] == 1 and curve["sensitivity"][-1] == 1


@pytest.mark.parametrize(
    ("mark", "met"),
    [
        (HIT, {"strict", "tolerant", "overlap"}),
        ((20, 16, 26, 22), {"tolerant", "overlap"} - {"overlap"}),
        (NEAR, {"tolerant"}),
        ((0, 0, 96, 60), set()),  # everything is no place
        (FAR, set()),
    ],
)
def test_when_a_mark_has_a_box(mark, met):
    found = figures(film(0, "fractured", [(mark, 0.9)], (BOX,)), film(1, "normal", []))
    assert {hit for hit in HITS if found[hit]["at_most"]["value"] == 1} == met
    for hit in HITS:
        assert found[hit]["false_per_film"] == (0 if hit in met else 0.5)


def test_a_box_counts_once_and_a_mark_may_have_two():
    twice = figures(film(0, "fractured", [(HIT, 0.9), (HIT, 0.3)], (BOX, BOX)))
    assert twice["boxes"] == 2
    assert twice["strict"]["at_0.25"]["value"] == 1
    assert twice["strict"]["false_per_film"] == 0


def test_films_whose_fracture_is_nowhere_do_not_count():
    known = [film(0, "fractured", [(HIT, 0.9)], (BOX,)), film(1, "normal", [])]
    assert figures(*known, film(2, "hairline", [(FAR, 0.99)])) == figures(*known)


def test_sizes_are_told_apart():
    small = (0.1, 0.1, 0.14, 0.15)
    found = figures(
        film(0, "fractured", [(HIT, 0.9)], (BOX,)),
        film(1, "fractured", [(FAR, 0.9)], (small,)),
        film(2, "normal", []),
    )
    sizes = found["tolerant"]["by_size"]
    assert {name: row["boxes"] for name, row in sizes.items()} == {
        **{"small": 1, "large": 1}
    }
    assert sizes["large"]["at_1"]["value"] == 1
    assert sizes["small"]["at_1"]["value"] == 0


def test_no_marks_at_all_are_no_error():
    found = figures(film(0, "fractured", [], (BOX,)), film(1, "normal", []))
    assert found["strict"]["at_0.5"]["value"] == 0
    assert found["marks_per_film"] == 0


def test_evaluation_scores_the_marks_that_are_shown():
    """Of predictions themselves: a film that is ruled out has none."""
    examples = [
        example(i, "atlas", label, boxes=boxes)
        for i, (label, boxes) in enumerate(
            [("fractured", ((0.0, 0.0, 0.3, 0.3),)), ("normal", ()), ("normal", ())]
        )
    ]
    shares = [(0.1, 0.0, 0.9), (0.5, 0.0, 0.5), (0.95, 0.0, 0.05)]
    report = evaluate(examples, ["a", "b", "c"], [predict(share) for share in shares])
    found = report["marks"]["atlas"]
    assert found["marks_per_film"] == pytest.approx(2 / 3, abs=1e-3)
    assert found["tolerant"]["at_0.5"]["value"] == 1
