"""`fracture leak`: the same pictures, split by file and by film."""

import dataclasses
import json

import pytest
from typer.testing import CliRunner

from fracture.__main__ import app
from fracture.data.datasets import write_phantoms
from fracture.evaluation import metrics
from fracture.experiments.leak import make_pictures
from fracture.model.recipe import Phase
from fracture.model.recipes import RECIPES

TINY = dataclasses.replace(
    RECIPES["cnn-150"],
    name="tiny",
    image_size=32,
    hidden_units=4,
    phases=(Phase(1, 1e-3, unfreeze="all"),),
)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films") / "phantoms"
    write_phantoms(folder, 20, 0)
    return folder


@pytest.fixture
def leak(films, tmp_path, monkeypatch):
    """The command with a tiny recipe; answers with its result and the folder."""
    monkeypatch.setitem(RECIPES, "tiny", TINY)
    monkeypatch.setattr(metrics, "DRAWS", 20)

    def run(*arguments):
        given = ["leak", str(films), "-o", str(tmp_path), "--recipe", "tiny"]
        result = CliRunner().invoke(app, [*given, "--films", "40", *arguments])
        return result, tmp_path

    return run


@pytest.mark.slow
def test_only_the_split_differs(leak):
    result, folder = leak("--copies", "3")
    assert result.exit_code == 0, result.output
    by_file, by_film = json.loads((folder / "leak.json").read_text())["rows"]
    for row in (by_file, by_film):
        assert row["train"] + row["test"] < 120 and row["test"] == row["auroc"]["n"]
    assert by_file["shared"] > 0.8 * by_file["test"]
    assert by_film["shared"] == 0
    text = (folder / "leak.md").read_text(encoding="utf-8")
    assert text in result.output and "--films 40 --copies 3" in text
    assert (folder / "leak.png").stat().st_size > 5000

    # What is finished is kept, and never taken for another experiment.
    (folder / "by-file" / "row.json").write_text(json.dumps({**by_file, "train": 7}))
    assert "| by file | 7 |" in leak("--copies", "3")[0].output
    result, _ = leak("--copies", "4")
    assert result.exit_code == 2 and "another experiment" in result.output


@pytest.mark.slow
def test_copies_are_turned_films(films):
    pictures = make_pictures(films, 40, 3, 0)
    assert len(pictures.films) == 120
    labels = [example.label != "normal" for example in pictures.examples]
    assert sum(labels) == 60
    first, turned, _ = pictures.films[:3]
    assert turned.shape != first.shape  # the frame grows: nothing is cut off
    names = [example.name.rpartition("/")[0] for example in pictures.examples]
    assert len(set(names)) == 40
    again = make_pictures(films, 40, 3, 0)
    assert all((a == b).all() for a, b in zip(again.films, pictures.films, strict=True))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--films", "400"], "no source has 200 normal"),
        (["--train-only", "phantom"], "no source has 20 normal"),
        (["--recipe", "tyni"], "no recipe is called 'tyni'"),
        (["--films", "2"], "40"),
    ],
)
def test_what_cannot_be_done_is_said(leak, arguments, said):
    result, _ = leak(*arguments)
    assert result.exit_code == 2 and said in result.output
