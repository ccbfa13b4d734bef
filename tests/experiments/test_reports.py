"""What experiments found, as people read it: text and plot of their summaries."""

import json
from pathlib import Path

import pytest

from fracture.experiments.comparison_report import plot_comparison, render_comparison
from fracture.experiments.leak import plot_leak, render_leak
from fracture.experiments.search_report import (
    importance,
    plot_search,
    render_search,
)

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def plot_rows(summary, path):
    plot_comparison(summary["rows"], path)


@pytest.mark.parametrize(
    ("name", "render", "plot"),
    [
        ("comparison", render_comparison, plot_rows),
        ("leak", render_leak, plot_leak),
        ("search", render_search, plot_search),
    ],
)
def test_what_is_committed_is_made_from_its_figures(name, render, plot, tmp_path):
    folder = BENCHMARKS / name
    summary = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    assert render(summary) == (folder / f"{name}.md").read_text(encoding="utf-8")
    plot(summary, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 5000


def test_the_card_cites_the_experiment():
    summary = json.loads((BENCHMARKS / "leak" / "leak.json").read_text())
    card = (BENCHMARKS.parent / "MODEL_CARD.md").read_text(encoding="utf-8")
    by_file, by_film = summary["rows"]
    low, high = by_film["auroc"]["ci95"]
    for said in (
        f"{summary['films']} FracAtlas films in {summary['copies']} turned copies",
        f"{100 * by_file['accuracy']['value']:.1f} % of the test pictures",
        f"(AUROC {by_file['auroc']['value']:.3f}) when the split is by file",
        f"{100 * by_film['accuracy']['value']:.1f} % (AUROC "
        f"{by_film['auroc']['value']:.3f}, {low:.3f} to {high:.3f}) when it is by film",
    ):
        assert said in card


def trial(number, state, value, pretrained=False):
    rate = 0.1 / 10**number
    return {
        "trial": number,
        "state": state,
        "value": value,
        "epochs": 2,
        "planned_epochs": 9,
        "pretrained": pretrained,
        "point": {"learning rate": rate, "alpha": 0.35},
    }


GOOD = trial(0, "complete", 0.7123, pretrained=True)
BETTER = trial(1, "complete", 0.8)
PRUNED = trial(2, "pruned", 0.6)
DIVERGED = trial(3, "diverged", None)


@pytest.mark.parametrize(
    ("rows", "published", "conclusion"),
    [
        (
            [GOOD, PRUNED],
            GOOD,
            "The best of 2 trials of `some`, of 4.5 minutes of training each on a "
            "machine, is learning rate 0.1, alpha 0.35 (pretrained) with AUROC 0.712: "
            "the published choice.",
        ),
        (
            [BETTER],
            GOOD,
            "The best of 1 trial of `some`, of 4.5 minutes of training each on a "
            "machine, is learning rate 0.01, alpha 0.35 (from scratch) with AUROC "
            "0.800; the published choice was not tried.",
        ),
        (
            [GOOD, BETTER, PRUNED],
            PRUNED,
            "; the published choice is learning rate 0.001, alpha 0.35 (from scratch, "
            "pruned) with AUROC 0.600.",
        ),
        (
            [BETTER, DIVERGED],
            DIVERGED,
            "; the published choice is learning rate 0.0001, alpha 0.35 (from scratch)"
            ", which diverged.",
        ),
        (
            [PRUNED, DIVERGED],
            GOOD,
            "None of 2 trials of `some`, of 4.5 minutes of training each on a machine, "
            "came to its end.",
        ),
    ],
)
def test_a_search_is_concluded_in_a_sentence(rows, published, conclusion, tmp_path):
    grid = {"learning rate": [0.1, 0.01, 0.001, 0.0001], "alpha": [0.35]}
    summary = {
        "recipe": "some",
        "minutes": 4.5,
        "machine": "a machine",
        "films": {"films": 10, "fractured": 3},
        "grid": grid,
        "left_out": [],
        "paper_alpha": 0.35,
        "published": published["point"],
        "rows": rows,
    }
    text = render_search(summary)
    pruned = rows.count(PRUNED)
    told = f"Pruned: {pruned} of them ended before their time, where the median of the "
    told += "earlier trials was better at the same epoch.\n\n"
    lines = f"{told if pruned else ''}AUROC: fracture against normal"
    assert f"{conclusion}\n\n{lines}" in text
    assert text.count("\n| ") == 2 + len(rows)
    plot_search(summary, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 10_000


def test_what_explains_the_differences_comes_first(tmp_path):
    grid = {"learning rate": [0.1, 0.001], "batch": [32, 64], "alpha": [0.35]}
    rows = []
    for number, (rate, batch) in enumerate([(0.1, 32), (0.1, 64), (0.001, 32)] * 2):
        row = trial(number, "complete", 0.6 + 0.2 * (rate < 0.1) + batch / 1e4)
        point = {"learning rate": rate, "batch": batch, "alpha": 0.35}
        rows.append({**row, "point": point})
    found = importance({"grid": grid, "rows": rows})
    assert list(found) == ["learning rate", "batch"]
    assert sum(found.values()) == pytest.approx(1) and found["learning rate"] > 0.8
    assert not importance({"grid": grid, "rows": rows[:3]})
