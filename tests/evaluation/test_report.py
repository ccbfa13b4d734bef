"""`python -m fracture evaluate` on folders that people bring."""

import json
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fracture.__main__ import app
from fracture.data.datasets import write_phantoms
from fracture.evaluation import metrics

WEIGHTS = Path(__file__).parents[2] / "weights"


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(metrics, "DRAWS", 20)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phantoms")
    write_phantoms(folder, 3)
    (folder / "hairline" / "00001.png").write_bytes(b"no film")
    return folder


def run(*arguments):
    if "--weights" not in arguments:
        arguments = [*arguments, "--weights", WEIGHTS]
    return CliRunner().invoke(app, ["evaluate", *map(str, arguments)])


@pytest.mark.parametrize("manifest", [True, False])
def test_a_folder_or_its_manifest_is_measured(phantoms, tmp_path, manifest):
    data = phantoms / "manifest.csv" if manifest else phantoms
    out = tmp_path / "out" / "report.json"
    result = run(data, "--out", out)
    assert result.exit_code == 0, result.output
    assert "AUROC, fracture against normal" in result.output
    assert "left out hairline/00001.png" in result.output
    report = json.loads(out.read_text(encoding="utf-8"))
    assert [film["name"] for film in report["unreadable"]] == ["hairline/00001.png"]
    assert report["unreadable"][0]["code"] in result.output
    assert report["fracture"]["phantom"]["films"] == 8
    assert report["classes"]["phantom"]["accuracy"]["n"] == 8
    assert (
        "Marks against boxes" in result.output and report["marks"]["phantom"]["boxes"]
    )
    assert len(list((tmp_path / "out" / "report_figures").glob("*.png"))) == 5


def test_a_source_without_normals_and_without_groups(phantoms, tmp_path):
    for label in ("hairline", "displaced"):
        (tmp_path / label).symlink_to(phantoms / label)
    result = run(tmp_path)
    assert result.exit_code == 0, result.output
    assert "AUROC, displaced against hairline" in result.output
    assert "AUROC, fracture against normal" not in result.output


def test_one_split_of_a_folder(phantoms, tmp_path):
    split = tmp_path / "split.csv"
    split.write_text(
        "split,name,sha256\ntest,normal/00000.png,x\ntest,displaced/00002.png,x\n"
    )
    out = tmp_path / "report.json"
    arguments = ("--split-file", split, "--out", out)
    assert run(phantoms, *arguments, "--split", "test").exit_code == 0
    films = json.loads(out.read_text(encoding="utf-8"))["films"]["phantom"]
    assert set(films) == {"normal", "displaced"}
    result = run(phantoms, *arguments, "--split", "validation")
    assert result.exit_code == 2 and "puts no film" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["missing"], "there is no"),
        (["films", "--weights", "missing"], "[weights_missing]"),
        (["films", "--split", "test", "--split-file", "missing"], "no split file"),
        (["films", "--split-file", "x"], "needs the name of a split"),
        (["broken"], "none of the 1 films"),
        (["empty"], "holds none of"),
        (["films", "--out", "empty"], "is a directory"),
        (["films", "--out", "broken/normal/a.png/report.json"], "broken/normal/a.png"),
    ],
)
def test_bad_input_says_why(phantoms, tmp_path, monkeypatch, arguments, reason):
    (tmp_path / "broken" / "normal").mkdir(parents=True)
    (tmp_path / "broken" / "normal" / "a.png").write_bytes(b"no film")
    (tmp_path / "empty").mkdir()
    (tmp_path / "films").symlink_to(phantoms)
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2
    assert reason in result.stderr and "Traceback" not in result.output


def test_what_only_training_brings_is_named(phantoms, monkeypatch):
    monkeypatch.setitem(sys.modules, "fracture.evaluation.report", None)
    result = run(phantoms)
    assert result.exit_code == 2 and 'pip install "fracture[train]"' in result.stderr
