"""`fracture predict --ray`: the rows of `predict`, whoever judges, whatever dies."""

import contextlib
import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from fracture.__main__ import app
from fracture.batch import COLUMNS
from fracture.commands.bulk import partitions
from fracture.commands.bulk.partitions import MANIFEST, Lines, Partitions
from fracture.commands.rows import JsonLines, ResumeError

os.environ |= {"RAY_worker_niceness": "0"}  # a busy machine would let them starve
pytest.importorskip("ray")
parquet = pytest.importorskip("pyarrow.parquet")

ROOT = Path(__file__).parents[2]
FILMS, BROKEN = 160, range(20, 160, 50)


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Tiny films, three of them broken."""
    folder = tmp_path_factory.mktemp("films")
    noise = np.random.default_rng(0)
    for number in range(FILMS):
        pixels = noise.integers(0, 255, (40, 40), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04d}.png")
    for number in BROKEN:
        (folder / f"{number:04d}.png").write_bytes(b"text")
    return folder


def run(*arguments):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


@pytest.fixture(scope="module")
def whole(films, weights, tmp_path_factory):
    """The lines of `predict` on this machine."""
    out = tmp_path_factory.mktemp("whole") / "out.csv"
    assert run(films, "-w", weights, "-o", out).exit_code == 1
    return out.read_text().splitlines()


def lines_of(folder):
    """The lines of all partitions, in order, with one header."""
    manifest = json.loads((folder / MANIFEST).read_text())
    found = []
    for part in manifest["partitions"]:
        lines = (folder / part["file"]).read_text().splitlines()
        assert len(lines) == part["rows"] + 1 and part["first"] == len(found)
        found += lines[1:]
    return [lines[0], *found]


@pytest.fixture(scope="module")
def answers(films, weights, tmp_path_factory):
    """A folder of partitions, made while a worker was killed."""
    out = tmp_path_factory.mktemp("far") / "answers"
    with judging(films, weights, out, workers=2) as (process, worker):
        os.kill(worker, signal.SIGKILL)
        said = process.communicate(timeout=300)[1]
    assert process.returncode == 1 and f"{len(BROKEN)} of {FILMS}" in said, said
    return out


@contextlib.contextmanager
def judging(films, weights, out, workers):
    """A run of its own, and one of its workers as soon as it holds a classifier."""
    command = [sys.executable, "-m", "fracture", "predict", films, "-w", weights]
    command += ["--ray", "local", "-o", out, "-f", "csv", "-j", str(workers)]
    mine = {**os.environ, "FRACTURE_TEST": str(out)}
    deadline, worker = time.monotonic() + 300, 0
    with subprocess.Popen(
        command, cwd=ROOT, stderr=subprocess.PIPE, env=mine, text=True
    ) as process:
        while not worker:
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
            worker = next(judges(str(out)), 0)
        yield process, worker


@pytest.mark.slow
def test_a_killed_worker_costs_no_film_and_doubles_none(answers, whole):
    assert lines_of(answers) == whole


@pytest.mark.slow
def test_ctrl_c_keeps_what_there_is(films, weights, whole, tmp_path):
    out = tmp_path / "answers"
    with judging(films, weights, out, workers=1) as (process, _):
        time.sleep(2)  # the film in hand is one of the middle
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130 and "--resume" in said, said
    assert not list(judges(str(out)))
    again = [films, "-w", weights, "--ray", "local", "-o", out, "-f", "csv"]
    resumed = run(*again, "--resume")
    assert resumed.exit_code == 1, resumed.output
    assert lines_of(out) == whole


@pytest.mark.slow
def test_a_stopped_run_goes_on_where_its_manifest_ends(
    films, weights, answers, whole, tmp_path
):
    out = Path(shutil.copytree(answers, tmp_path / "answers"))
    manifest = json.loads((out / MANIFEST).read_text())
    (part,) = manifest["partitions"]
    part["rows"], part["unreadable"] = 60, 1
    (out / MANIFEST).write_text(json.dumps(manifest))
    lines = (out / part["file"]).read_bytes().splitlines(keepends=True)
    (out / part["file"]).write_bytes(b"".join(lines[:61]))
    again = [films, "-w", weights, "--ray", "local", "-o", out, "-f", "csv"]
    refused = run(*again)
    assert refused.exit_code == 2 and "--resume" in refused.stderr
    resumed = run(*again, "--resume")
    assert resumed.exit_code == 1, resumed.output
    assert f"{len(BROKEN)} of {FILMS}" in resumed.stderr
    assert len(json.loads((out / MANIFEST).read_text())["partitions"]) == 2
    assert lines_of(out) == whole


def judges(mark):
    """Ray's workers that hold a classifier, in whose environment a mark stands."""
    for stat in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            name = stat.read_text()
            environment = (stat.parent / "environ").read_text()
        except OSError:
            continue
        if name.startswith("ray::") and "Judge" in name and mark in environment:
            yield int(stat.parent.name)


@pytest.mark.slow
def test_parquet_has_types(films, whole, weights, tmp_path):
    out = tmp_path / "answers"
    some = [films / f"{number:04d}.png" for number in (19, 20, 21)]
    result = run(*some, "-w", weights, "--ray", "local", "-o", out, "-j", "1")
    assert result.exit_code == 1, result.output
    (part,) = json.loads((out / MANIFEST).read_text())["partitions"]
    table = parquet.read_table(out / part["file"])
    assert tuple(table.column_names) == COLUMNS
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds["fracture_probability"] == kinds["probability_normal"] == "double"
    assert kinds["peak_x"] == "int64" and kinds["in_distribution"] == "bool"
    assert kinds["finding"] == kinds["severity"] == kinds["warnings"] == "string"
    expected = list(csv.DictReader(whole))[19:22]
    for row, cells in zip(table.to_pylist(), expected, strict=True):
        shown = {k: "" if v is None else str(v) for k, v in row.items()}
        assert shown == cells


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--ray", "local"], "--out"),
        (["--ray", "local", "-o", "out", "--overlays", "x"], "draws nothing"),
        (["-o", "out.parquet"], "--ray"),
        (["--ray", "local", "-o", "out", "-f", "table"], "csv or jsonl"),
    ],
)
def test_wrong_usage(films, weights, arguments, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(films, "-w", weights, *arguments)
    assert result.exit_code == 2 and reason in result.stderr


def test_without_ray_it_says_what_to_install(films, weights, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    result = run(films, "-w", weights, "--ray", "local", "-o", tmp_path / "out")
    assert result.exit_code == 2 and 'fracture[bulk]"' in result.stderr


# === The manifest ===


def begin(folder, films=("a", "b", "c", "d", "e"), **run):
    return Partitions(
        folder, Lines(JsonLines()), ".jsonl", films, {"engine": "x"} | run
    )


def rows(*names):
    return [{"name": name} for name in names]


def test_what_came_before_a_stop_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(partitions, "_ROWS", 2)

    def stopped():
        yield from rows("a", "b", "c")
        raise KeyboardInterrupt

    parts = begin(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        parts.write(stopped())
    assert begin(tmp_path).done == 3
    (tmp_path / "part-00002.jsonl").write_text("half a")  # killed while it wrote
    begin(tmp_path).write([{"name": "d"}, {"name": "e", "error_code": "x"}])
    done = begin(tmp_path)
    assert (done.done, done.unreadable) == (5, 1)
    found = [
        json.loads(line)["name"]
        for path in sorted(tmp_path.glob("part-*"))
        for line in path.read_text().splitlines()
    ]
    assert found == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda folder: begin(folder, ("a", "x")), "films"),
        (lambda folder: begin(folder, engine="y"), "engine"),
        (lambda folder: (folder / "part-00000.jsonl").unlink(), "lacks"),
        (lambda folder: (folder / MANIFEST).write_text("{"), "damaged"),
        (lambda folder: (folder / MANIFEST).write_text("[]"), "damaged"),
    ],
)
def test_a_folder_of_another_run_is_left_alone(tmp_path, change, reason):
    begin(tmp_path).write(rows("a", "b"))
    with pytest.raises(ResumeError, match=reason):
        change(tmp_path)
        begin(tmp_path)


# === Films at addresses ===


def test_films_at_an_address(films, weights, whole, tmp_path):
    """A folder, a pattern, one film, one that is not there."""
    folder = tmp_path / "some"
    folder.mkdir()
    for name in ("0001.png", "0002.png"):
        (folder / name).write_bytes((films / name).read_bytes())
    (folder / "notes.txt").write_text("not a film")
    root = f"file://{folder}"
    asked = [root, f"{root}/*1.png", f"{root}/0002.png", f"{root}/gone.png"]
    result = run(*asked, "-w", weights, "-f", "csv")
    found = list(csv.DictReader(result.stdout.splitlines()))
    names = ["0001", "0002", "0001", "0002", "gone"]
    assert [Path(row["name"]).stem for row in found] == names
    assert all(row["name"].startswith("file://") for row in found)
    expected = list(csv.DictReader(whole))[1]
    assert {**found[0], "name": ""} == {**expected, "name": ""}
    assert found[-1]["error_code"] == "file_not_found"


@pytest.mark.parametrize("address", ["nothing://films", "file:///nowhere/x/*.png"])
def test_an_address_that_leads_nowhere(weights, address):
    result = run(address, "-w", weights)
    assert result.exit_code == 2
    assert "unreadable_source" in result.stderr or "no film found" in result.stderr
