"""`train.py --compare`: the same films and the same time for each recipe."""

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
from fracture.model.network import build_network
from fracture.model.recipe import Phase
from fracture.model.recipes import RECIPES
from fracture.training.run import Run

TINY = dataclasses.replace(
    RECIPES["cnn-150"], name="tiny", image_size=32, hidden_units=4, batch_size=8
)
OTHER = dataclasses.replace(TINY, name="other", head="dense", backbone="cnn-norm")


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    return write_phantoms(folder / "phantoms", 24, 0)


@pytest.fixture
def compare(films, tmp_path, monkeypatch):
    """Compares both, in this process; answers with the rows and the folder."""
    monkeypatch.setattr(comparison, "_in_own_process", lambda train, *of: train(*of))
    monkeypatch.setattr(metrics, "DRAWS", 20)
    for recipe in (TINY, OTHER):
        monkeypatch.setitem(RECIPES, recipe.name, recipe)

    def run(*arguments):
        given = ("--minutes", "0.02", "--data", str(films), "--out", str(tmp_path))
        command.main(["--compare", "tiny,other", *given, *arguments])
        summary = json.loads((tmp_path / "comparison.json").read_text())
        return summary["rows"], tmp_path

    return run


@pytest.mark.slow
def test_a_comparison_is_a_table_and_a_plot(compare, capsys):
    rows, folder = compare()
    assert [row["recipe"] for row in rows] == ["tiny", "other"]
    assert len({row["films"] for row in rows}) == 1
    for row in rows:
        assert row["initialisation"] == "from scratch"
        assert row["export_difference"] <= 1e-4 and row["gradcam_difference"] <= 1e-4
        assert row["auroc"]["n"] == row["films"] and row["films_shown"] > 0
        assert row["latency_ms"] > 0 and row["model_bytes"] > 1000
    text = (folder / "comparison.md").read_text(encoding="utf-8")
    assert text in capsys.readouterr().out
    assert "0.02 minutes" in text and "| other | from scratch |" in text
    assert (folder / "comparison.png").stat().st_size > 5000

    # Resumed, it keeps what is finished; timed anew, for only so they are comparable.
    again, _ = compare("--resume")
    for one, other in zip(rows, again, strict=True):
        assert one | {"latency_ms": 0} == other | {"latency_ms": 0}
    with pytest.raises(ValueError, match="is of another minutes"):
        compare("--resume", "--minutes", "7")


def test_a_recipe_has_a_process_of_its_own_whose_end_is_told():
    run = SimpleNamespace(recipe=TINY)
    assert comparison._in_own_process(process_of, run) != os.getpid()
    with pytest.raises(ComparisonError, match="training tiny was killed"):
        comparison._in_own_process(die, run)


@pytest.mark.parametrize("names", ["tiny", "cnn-150,tyni"])
def test_an_unknown_recipe_is_named(names, capsys):
    with pytest.raises(SystemExit):
        command.main(["--compare", names])
    assert "there are mobilenetv2" in capsys.readouterr().err


@pytest.mark.parametrize("minutes", [0.02, pytest.param(60.0, marks=pytest.mark.slow)])
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
