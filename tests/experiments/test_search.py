"""The search over the published grid: what is trained, kept, pruned and told."""

import dataclasses
import json
import re
import sqlite3

import optuna
import pytest

import train as command
from fracture.data.datasets import load_examples, write_phantoms
from fracture.data.film_table import FilmTable
from fracture.experiments import search as searching
from fracture.experiments.search import GRID, at_point, point_of, search
from fracture.model.recipes import RECIPES, Phase
from fracture.radiograph import read_radiograph
from fracture.training.fit import kept_epoch
from fracture.training.run import Run

PAPER = RECIPES["mobilenetv2-paper"]
TINY = dataclasses.replace(
    PAPER, image_size=32, hidden_units=8, phases=(Phase(2, 1e-3),), pretrained=False
)
PLAIN = dataclasses.replace(
    TINY, backbone="cnn"
)  # has no widths, but builds in a second
POINT = {"batch": (32,), "dropout": (0.3, 0.7), "L2": (0.01,), "alpha": (0.35,)}


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    examples = load_examples(write_phantoms(tmp_path_factory.mktemp("films"), 4))
    films = [read_radiograph(example.path).pixels for example in examples]
    return FilmTable(examples, films, ["train", "train", "validation", "test"] * 3)


@pytest.fixture(autouse=True)
def small(table, monkeypatch):
    """Four points, the published one among them, and all the time they need."""
    grid = {"learning rate": (0.01, 0.001), **POINT}
    monkeypatch.setattr(searching, "GRID", grid)
    monkeypatch.setattr(searching, "within", lambda recipe, *_: recipe)
    monkeypatch.setattr(command, "load_table", lambda *_: table)
    first = {name: values[0] for name, values in grid.items()}
    monkeypatch.setitem(RECIPES, "mobilenetv2-paper", at_point(TINY, first))


@pytest.fixture
def trained(monkeypatch):
    """Histories instead of networks: the figures of each call of `Run.train`.

    A figure of None is a loss that is no number, an exception a kill.
    """
    calls, figures = [], {}

    def train(run, checkpoint, initial, after_epoch):
        point, history = point_of(run.recipe), []
        calls.append(point)
        checkpoint.mkdir()
        for value in figures.get(len(calls), (0.5, 0.6)):
            if isinstance(value, BaseException):
                raise value
            row = {"phase": 1, "val_loss": float("nan") if value is None else 1.0}
            row |= {"val_logits_auroc": value, "val_logits_accuracy": value}
            history.append(row)
            after_epoch(history)
        text = json.dumps({"history": history})
        (checkpoint / "progress.json").write_text(text)

    monkeypatch.setattr(Run, "train", train)
    monkeypatch.setattr(searching, "plot_search", lambda *_: None)
    return calls, figures


def run_search(table, folder, trials, seed=0):
    return search(Run(TINY, table, seed), folder, 1.0, "none", trials)


def test_the_grid_is_the_published_one():
    assert GRID == {
        "learning rate": (0.1, 0.01, 0.001, 0.0001),
        "batch": (32, 64, 128),
        "dropout": (0.3, 0.5, 0.7),
        "L2": (0.1, 0.01, 0.001),
        "alpha": (0.35, 0.5, 0.75, 1.0),
    }
    point = point_of(PAPER)
    assert all(value in GRID[name] for name, value in point.items())
    assert at_point(PAPER, point) == PAPER
    other = {name: values[0] for name, values in GRID.items()}
    moved = at_point(PAPER, other)
    assert point_of(moved) == other
    assert {phase.learning_rate for phase in moved.phases} == {0.1}
    assert moved.dropout == (0.3, PAPER.dropout[1])


@pytest.mark.slow
def test_the_value_is_a_figure_of_the_validation_films(table, tmp_path, monkeypatch):
    histories, seen, of = [], [], FilmTable.of

    def remember(recipe, history):
        histories.append(history)
        return kept_epoch(recipe, history)

    monkeypatch.setattr(searching, "kept_epoch", remember)
    monkeypatch.setattr(
        FilmTable, "of", lambda t, name: seen.append(name) or of(t, name)
    )
    rows = search(Run(PLAIN, table), tmp_path, 1.0, "none", 2)
    assert set(seen) == {"train", "validation"}
    for row, history in zip(rows, histories, strict=True):
        assert len(history) == row["epochs"] == row["planned_epochs"] == 2
        assert row["value"] == kept_epoch(PLAIN, history)["val_logits_auroc"]
        assert row["state"] == "complete" and not row["pretrained"]
    assert not (tmp_path / "checkpoint").exists()
    assert (tmp_path / "search.png").stat().st_size > 10_000
    with sqlite3.connect(tmp_path / "search.db") as database:
        found = database.execute("select value from trial_values").fetchall()
    assert set(found) == {(row["value"],) for row in rows}


def test_the_command_writes_table_figures_and_plot(tmp_path, trained, capsys):
    calls, figures = trained
    figures[2] = (0.7, 0.8)
    arguments = ["--search", "--trials", "2", "--data", "films", "--out", str(tmp_path)]
    command.main(arguments)
    text = (tmp_path / "search.md").read_text()
    summary = json.loads((tmp_path / "search.json").read_text())
    assert text in capsys.readouterr().out
    assert "The best of 2 trials of `mobilenetv2-paper`, of 5 minutes" in text
    last = summary["rows"][1]["trial"]
    found = re.findall(r"^\| (\d+) \| ([\d.]+) \| complete \|", text, re.M)
    assert found == [(str(last), "0.800"), ("0", "0.600")]  # the best first
    assert [row["point"] for row in summary["rows"]] == calls
    assert calls[0] == summary["published"]
    assert summary["films"] == {"films": 3, "fractured": 2}

    with pytest.raises(ValueError, match="holds a run: add --resume"):
        command.main(arguments)
    with pytest.raises(ValueError, match="is of another minutes"):
        command.main([*arguments, "--resume", "--minutes", "7"])


def test_a_killed_search_goes_on_with_what_is_missing(table, tmp_path, trained):
    calls, figures = trained
    figures |= {1: (0.5, 0.7), 2: (0.5, MemoryError())}
    with pytest.raises(MemoryError):
        run_search(table, tmp_path, 3)
    (first,) = json.loads((tmp_path / "search.json").read_text())["rows"]
    rows = run_search(table, tmp_path, 3)
    assert rows[0] == first and first["value"] == 0.7
    assert [row["point"] for row in rows] == [calls[0], calls[1], calls[3]]
    assert calls[2] == calls[1]  # from its beginning
    states = [t.state.name for t in stored(tmp_path) if "repeats" not in t.user_attrs]
    assert states == ["COMPLETE", "FAIL", "COMPLETE", "COMPLETE"]
    assert run_search(table, tmp_path, 3) == rows and len(calls) == 4


def stored(folder):
    storage = f"sqlite:///{folder / 'search.db'}"
    return optuna.load_study(study_name="search", storage=storage).trials


@pytest.mark.slow
def test_a_resumed_search_draws_as_an_unbroken_one(table, tmp_path, trained):
    whole = run_search(table, tmp_path / "whole", 4)
    for trials in (1, 4):
        rows = run_search(table, tmp_path / "stopped", trials)
    points = [row["point"] for row in whole]
    assert [row["point"] for row in rows] == points
    draws = {
        tuple(str(row["point"]) for row in run_search(table, tmp_path / str(s), 4, s))
        for s in (1, 2)
    }
    assert len(draws | {tuple(map(str, points))}) > 1


def test_a_point_is_trained_once(table, tmp_path, trained):
    calls, figures = trained
    figures[2] = (0.5, None)
    rows = run_search(table, tmp_path, 9)
    assert len(rows) == len(calls) == 4  # the whole grid
    assert len({str(point) for point in calls}) == 4
    trials = {trial.number: trial for trial in stored(tmp_path)}
    repeats = [t for t in trials.values() if "repeats" in t.user_attrs]
    assert repeats
    for trial in repeats:
        former = trials[trial.user_attrs["repeats"]]
        assert (trial.params, trial.value) == (former.params, former.value)
        assert trial.state == former.state


def test_hopeless_trials_are_marked_and_not_the_best(
    table, tmp_path, trained, monkeypatch
):
    pruner = optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=1)
    monkeypatch.setattr(searching, "PRUNER", pruner)
    _, figures = trained
    figures |= {2: (0.4, 0.9), 3: (None,), 4: (0.6, 0.1)}
    rows = run_search(table, tmp_path, 4)
    found = [(row["state"], row["value"], row["epochs"]) for row in rows]
    assert found == [
        ("complete", 0.6, 2),
        ("pruned", 0.4, 1),
        ("diverged", None, 0),
        ("complete", 0.6, 2),  # the kept epoch is the best one, not the last
    ]
    text = (tmp_path / "search.md").read_text()
    assert "with AUROC 0.600: the published choice." in text
    assert "| pruned | 1 of 2 | from scratch |" in text
    assert "| - | diverged | 0 of 2 |" in text


def test_the_kept_epoch_is_of_the_last_phase():
    history = [
        {"phase": phase, "val_logits_accuracy": accuracy}
        for phase, accuracy in ((1, 0.9), (2, 0.7), (2, 0.8), (2, 0.8), (2, 0.6))
    ]
    assert kept_epoch(PAPER, history) is history[2]
    assert kept_epoch(dataclasses.replace(PAPER, keep="last"), history) is history[4]


@pytest.mark.parametrize(
    ("lent", "widths", "published"),
    [
        ({0.35, 1.0}, [0.35, 1.0], 0.35),
        ({0.5, 1.0}, [0.5, 1.0], 0.5),
        (set(), [0.35, 0.5, 1.0], 0.35),
    ],
)
def test_widths_without_weights_are_left_out_if_others_have_some(
    lent, widths, published, table, tmp_path, trained, monkeypatch
):
    monkeypatch.setattr(
        searching,
        "backbone_weights",
        lambda recipe, _: "a.weights.h5" if recipe.alpha in lent else None,
    )
    grid = {"learning rate": (0.01,), **POINT, "dropout": (0.3,)}
    monkeypatch.setattr(searching, "GRID", {**grid, "alpha": (0.35, 0.5, 1.0)})
    recipe = dataclasses.replace(TINY, pretrained=True)
    rows = search(Run(recipe, table), tmp_path, 1.0, "folder", 9)
    assert sorted(row["point"]["alpha"] for row in rows) == widths
    assert rows[0]["point"]["alpha"] == published
    assert {row["pretrained"] for row in rows} == {bool(lent)}
    for trial in stored(tmp_path):
        if "repeats" not in trial.user_attrs:
            phase = trial.user_attrs["recipe"]["phases"][0]
            assert phase["learning_rate"] == 0.01
            assert phase["unfreeze"] == (None if lent else "all")
    text = (tmp_path / "search.md").read_text()
    assert ("Left out: width" in text) == bool(lent)
    moved = "the published choice, of width 0.35, stands at 0.5"
    assert (moved in text) == (0.35 not in widths)


def test_a_stopped_search_says_how_to_go_on(tmp_path, trained, capsys):
    _, figures = trained
    figures[2] = (KeyboardInterrupt(),)
    arguments = ["--search", "--trials", "2", "--data", "films", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as stopped:
        command.run(arguments)
    assert stopped.value.code == 130
    assert "add --resume to go on" in capsys.readouterr().out
    command.main([*arguments, "--resume"])
    assert len(json.loads((tmp_path / "search.json").read_text())["rows"]) == 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (["--recipe", "vgg16"], "needs a recipe of MobileNetV2"),
        (["--trials", "0"], "at least one"),
        (["--compare", "all"], "not allowed with"),
    ],
)
def test_what_cannot_be_searched_is_said_at_once(wrong, message, capsys):
    with pytest.raises(SystemExit) as refused:
        command.main(["--search", *wrong])
    assert refused.value.code == 2
    assert message in capsys.readouterr().err
