"""The papers' own tables, from the figures of a comparison."""

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fracture.experiments.papers import PAPERS, averages, main
from fracture.model.recipe import Recipe
from fracture.model.recipes import RECIPES

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
HISTORY = [
    {"epoch": epoch, "phase": 1}
    | {
        f"{part}{key}": 1 / (epoch + 1)
        for part in ("", "val_")
        for key in ("loss", "logits_accuracy")
    }
    for epoch in (1, 2)
]


def counts(normal: tuple[int, int], fractured: tuple[int, int]) -> dict:
    names = ("normal", "fractured")
    rows = (normal, fractured)
    return {
        name: dict(zip(names, row, strict=True))
        for name, row in zip(names, rows, strict=True)
    }


def row(recipe: str, trained: bool = True) -> dict:
    figure = {"value": 0.81, "ci95": [0.7, 0.9], "n": 100}
    test = {
        "source": "fracatlas",
        "films": 100,
        "fractured": 20,
        "auroc": figure,
        "accuracy": {"value": 0.85, "ci95": [0.8, 0.9], "n": 100},
        "confusion": counts((75, 5), (10, 10)),
        "parts": {"hand": {"films": 40, "fractured": 9, "auroc": figure}},
        "likeliest_part": figure,
    }
    return {
        "recipe": recipe,
        "history": HISTORY if trained else [],
        "test": test if trained else None,
    }


@pytest.fixture
def written(tmp_path):
    """The page of some rows."""

    def write(*rows: dict) -> str:
        summary = {"minutes": None, "machine": "a machine", "rows": rows}
        (tmp_path / "comparison.json").write_text(json.dumps(summary))
        main([str(tmp_path), str(tmp_path / "papers.md")])
        return (tmp_path / "papers.md").read_text(encoding="utf-8")

    return write


def test_averages_of_counts_one_can_check():
    table = averages(counts((75, 5), (10, 10)))
    assert table["fractured"]["precision"] == pytest.approx(10 / 15)
    assert table["fractured"]["recall"] == pytest.approx(10 / 20)
    assert table["normal"]["support"] == 80
    assert table["macro avg"]["recall"] == pytest.approx((75 / 80 + 10 / 20) / 2)
    assert table["weighted avg"]["precision"] == pytest.approx(
        0.8 * 75 / 85 + 0.2 * 10 / 15
    )


@given(st.lists(st.integers(1, 50), min_size=4, max_size=4))
def test_the_weighted_recall_is_the_accuracy(cells):
    confusion = counts(tuple(cells[:2]), tuple(cells[2:]))
    found = averages(confusion)["weighted avg"]["recall"]
    assert found == pytest.approx((cells[0] + cells[3]) / np.sum(cells))


def test_claims_stand_beside_what_was_measured(written, tmp_path):
    text = written(
        row("mobilenetv2-paper-1.0"),
        row("mobilenetv2-paper", trained=False),
        row("cnn-150"),
    )
    one = "| mobilenetv2-paper-1.0 | 85.00 % | 83.92 % | 85.00 % | 84.16 % | 0.810 "
    assert one in text
    assert "| mobilenetv2-paper | needs ImageNet weights" in text
    assert "| mobilenetv2-paper-0.35 | not in this comparison" in text
    assert "| cnn-150 | none | 85.00 % | 0.810 (0.700 to 0.900) |" in text
    assert "| cracknet | 88.39 % | not in this comparison" in text
    for key, there in {"p1": True, "p2": True, "p3": False, "p4": False}.items():
        assert (tmp_path / "papers" / f"{key}.png").is_file() == there
        assert (f"(papers/{key}.png)" in text) == there
    assert "all of them normal has an accuracy of 80.00 %" in text
    # The paper's own arithmetic does not meet.
    assert "98.43 % of 1,018" in text and "99.21 % of 2,034" in text
    assert "89.26 % is 133 of 149" in text


def test_a_cascade_has_a_table_by_part(written):
    text = written(row("mobilenetv2-cascade"))
    ours = "66.67 % | 50.00 % | 57.14 % | 20 |"
    assert f"| fractured | 98 % | 96 % | 97 % | 525 | {ours}" in text
    assert "| hand | 40 | 9 | 0.810 (0.700 to 0.900) |" in text
    assert "by part" not in written(row("cnn-150"))


def test_every_recipe_of_a_paper_is_there():
    named = {name for paper in PAPERS.values() for name in paper.accuracy}
    own = {"mobilenetv2", "quick"}
    own |= {name for name in RECIPES if re.search("-320", name)}
    assert named == RECIPES.keys() - own


def test_the_committed_page_is_made_from_the_committed_figures(tmp_path):
    main([str(BENCHMARKS / "comparison"), str(tmp_path / "papers.md")])
    made = (tmp_path / "papers.md").read_text(encoding="utf-8")
    assert made == (BENCHMARKS / "papers.md").read_text(encoding="utf-8")


def test_the_committed_rows_are_of_the_recipes_in_code():
    summary = json.loads((BENCHMARKS / "comparison" / "comparison.json").read_text())
    assert summary["minutes"] is None
    for line in summary["rows"]:
        recipe = RECIPES[line["recipe"]]
        plan = Recipe.from_dict(line["plan"])  # a field it does not know: its default
        assert dataclasses.replace(plan, description=recipe.description) == recipe
        epochs = sum(phase.epochs for phase in recipe.phases)
        if line["test"] and not recipe.early_stopping:
            assert len(line["history"]) == epochs
