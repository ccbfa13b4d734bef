"""`train.py --compare`: the same films for each recipe, to its end or for a time."""

import dataclasses
import json
import os
from types import SimpleNamespace

import numpy as np
import pytest
from child import die, process_of

import train as command
from fracture.data.datasets import write_phantoms
from fracture.data.film_table import load_table
from fracture.evaluation import metrics
from fracture.experiments import comparison
from fracture.experiments.budget import within
from fracture.experiments.comparison import ComparisonError, multiply_accumulates
from fracture.experiments.papers import PAPERS
from fracture.model.network import build_network
from fracture.model.recipe import Phase
from fracture.model.recipes import RECIPES
from fracture.training.run import Run

TINY = dataclasses.replace(
    RECIPES["cnn-150"],
    name="tiny",
    image_size=32,
    hidden_units=4,
    batch_size=8,
    phases=(Phase(2, 1e-3, unfreeze="all"),),
    non_radiographs=20,
)
OTHER = dataclasses.replace(TINY, name="other", head="dense", backbone="cnn-norm")
LENT = dataclasses.replace(TINY, name="lent", backbone="mobilenetv2", pretrained=True)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    return write_phantoms(folder / "phantoms", 24, 0)


@pytest.fixture
def compare(films, tmp_path, monkeypatch):
    """Compares them, in this process; answers with the rows and the folder."""
    monkeypatch.setattr(comparison, "_in_own_process", lambda train, *of: train(*of))
    monkeypatch.setattr(metrics, "DRAWS", 20)
    for recipe in (TINY, OTHER, LENT):
        monkeypatch.setitem(RECIPES, recipe.name, recipe)

    def run(*arguments):
        given = ("--data", str(films), "--out", str(tmp_path), *arguments)
        command.main(
            ["--compare", "tiny,other,lent", "--backbone-weights", "none", *given]
        )
        summary = json.loads((tmp_path / "comparison.json").read_text())
        return summary["rows"], tmp_path

    return run


@pytest.mark.slow
def test_a_comparison_is_a_table_and_a_plot(compare, capsys):
    rows, folder = compare()
    assert [row["recipe"] for row in rows] == ["tiny", "other", "lent"]
    for row in rows:
        assert row["export_difference"] <= 1e-4 and row["gradcam_difference"] <= 1e-4
        assert row["latency_ms"] > 0 and row["model_bytes"] > 1000
    *trained, lent = rows
    assert len({row["test"]["films"] for row in trained}) == 1
    for row in trained:
        assert row["initialisation"] == "from scratch"
        assert row["test"]["auroc"]["n"] == row["test"]["films"]
        # To the end of its recipe, which is in the row as it was trained.
        assert len(row["history"]) == sum(p["epochs"] for p in row["plan"]["phases"])
        assert row["films_shown"] == sum(epoch["films"] for epoch in row["history"])
    assert lent["initialisation"] is lent["test"] is None and not lent["history"]
    text = (folder / "comparison.md").read_text(encoding="utf-8")
    assert text in capsys.readouterr().out
    assert "trained to its end" in text and "| other | from scratch |" in text
    assert "| needs ImageNet weights" in text
    assert (folder / "comparison.png").stat().st_size > 5000

    # Resumed, it keeps what is finished; timed anew, for only so they are comparable.
    again, _ = compare("--resume")
    for one, other in zip(rows, again, strict=True):
        assert one | {"latency_ms": 0} == other | {"latency_ms": 0}
    with pytest.raises(ValueError, match="is of another minutes"):
        compare("--resume", "--minutes", "7")


@pytest.mark.slow
def test_weights_that_were_trained_before_are_measured_as_they_are(
    compare, films, tmp_path, capsys
):
    trained = tmp_path / "tiny"
    command.main(["--data", str(films), "--recipe", "tiny", "--out", str(trained)])
    weights = (trained / "model.onnx").read_bytes()
    rows, _ = compare()
    assert "=== tiny, from scratch, trained before ===" in capsys.readouterr().out
    assert len(rows[0]["history"]) == 2 and rows[0]["films_shown"] > 0
    assert (trained / "model.onnx").read_bytes() == weights
    report = json.loads((trained / "metrics.json").read_text())["test"]["fracture"]
    assert rows[0]["test"]["auroc"] == report["phantom"]["auroc"]

    (trained / "row.json").unlink()
    lines = (trained / "split.csv").read_text().replace("test,", "train,")
    (trained / "split.csv").write_text(lines)
    with pytest.raises(ComparisonError, match="trained on another split"):
        compare("--resume")


@pytest.mark.slow
def test_a_quick_look_says_that_it_is_one(compare):
    rows, folder = compare("--minutes", "0.02")
    text = (folder / "comparison.md").read_text(encoding="utf-8")
    assert "0.02 minutes" in text and "trained to its end" not in text
    plans = [sum(p["epochs"] for p in row["plan"]["phases"]) for row in rows[:2]]
    assert [len(row["history"]) for row in rows[:2]] == plans


def test_a_recipe_has_a_process_of_its_own_whose_end_is_told():
    run = SimpleNamespace(recipe=TINY)
    assert comparison._in_own_process(process_of, run) != os.getpid()
    with pytest.raises(ComparisonError, match="training tiny was killed"):
        comparison._in_own_process(die, run)


def test_a_paper_names_its_recipes():
    for key, paper in PAPERS.items():
        assert command.recipe_names(key) == [*paper.accuracy]
    named = {name for paper in PAPERS.values() for name in paper.accuracy}
    assert set(command.recipe_names("all")) == {"mobilenetv2"} | named


@pytest.mark.parametrize("names", ["tiny", "cnn-150,tyni"])
def test_an_unknown_recipe_is_named(names, capsys):
    with pytest.raises(SystemExit):
        command.main(["--compare", names])
    assert "there are mobilenetv2" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("minutes", [0.02, 60.0])
def test_a_recipe_is_cut_to_its_time(films, tmp_path, minutes):
    table = load_table(films, tmp_path / "split.csv", 0, ())
    phases = (Phase(10, 1e-3), Phase(30, 1e-3, unfreeze="all", ema=0.99))
    recipe = dataclasses.replace(TINY, phases=phases)
    cut = within(recipe, minutes, Run(recipe, table).sequences)
    if minutes == 60:
        assert cut == recipe
        return
    first, second = cut.phases
    assert 1 <= first.epochs <= second.epochs < 30
    assert TINY.batch_size <= cut.epoch_films <= len(table.of("train").films)
    steps = second.epochs * cut.epoch_films / TINY.batch_size
    assert second.ema == 0 or 1 / (1 - second.ema) <= steps / 10 + 1e-9
    assert dataclasses.replace(cut, phases=phases, epoch_films=None) == recipe


def test_multiply_accumulates_of_a_network_one_can_count():
    network = build_network(TINY, parts=("hand", "leg"))
    sides, widths = (32, 16, 8, 4), (1, 32, 64, 128, 128)
    convolutions = sum(
        side**2 * 9 * widths[i] * widths[i + 1] for i, side in enumerate(sides)
    )
    body_parts = network.get_layer("body_parts").kernel
    expected = convolutions + np.prod(body_parts.shape)
    assert multiply_accumulates(network) == expected
