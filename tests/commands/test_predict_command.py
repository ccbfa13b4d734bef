"""`fracture predict`: many films, one row each, whatever happens."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from fracture import FractureClassifier
from fracture.__main__ import app
from fracture.commands.rows import COLUMNS

ROOT = Path(__file__).parents[2]
FILMS, BROKEN = 1000, range(50, 1000, 100)


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """A thousand tiny films, ten of them broken in five ways."""
    folder = tmp_path_factory.mktemp("films")
    noise = np.random.default_rng(0)
    for number in range(FILMS):
        pixels = noise.integers(0, 255, (40, 40), np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:04d}.png")
    kinds = (b"", b"text", b"\x89PNG\r\n\x1a\n", b"%PDF-1.7", b"\0" * 500)
    for number, data in zip(BROKEN, kinds * 2, strict=True):
        (folder / f"{number:04d}.png").write_bytes(data)
    return folder


def run(*arguments, stdin=None):
    return CliRunner().invoke(app, ["predict", *map(str, arguments)], input=stdin)


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="session")
def whole(films, weights, tmp_path_factory):
    """The rows of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "out.csv"
    assert run(films, "-w", weights, "-o", out).exit_code == 1
    return out


def test_a_thousand_films_give_a_thousand_rows_in_order(films, whole, weights):
    rows = read(whole)
    assert [row["name"] for row in rows] == sorted(map(str, films.iterdir()))
    assert len(rows) == FILMS and tuple(rows[0]) == COLUMNS
    broken = [number for number, row in enumerate(rows) if row["error_code"]]
    assert broken == list(BROKEN)
    codes = {rows[number]["error_code"] for number in BROKEN}
    assert {"empty_file", "unsupported_format"} <= codes
    assert all(rows[number]["error_message"] for number in BROKEN)
    assert not any(rows[number]["finding"] for number in BROKEN)
    expected = FractureClassifier.from_pretrained(weights).predict(rows[7]["name"])
    assert rows[7]["finding"] == expected.finding
    assert float(rows[7]["fracture_probability"]) == pytest.approx(
        expected.fracture_probability, abs=1e-4
    )


@pytest.mark.parametrize("kill", [signal.SIGINT, signal.SIGKILL])
def test_a_stopped_run_goes_on_where_it_was(films, whole, weights, tmp_path, kill):
    out = tmp_path / "out.csv"
    command = [sys.executable, "-m", "fracture", "predict", films, "-w", weights]
    process = subprocess.Popen([*command, "-o", out], cwd=ROOT)
    deadline = time.monotonic() + 120
    while not (out.exists() and out.stat().st_size > 20_000):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(kill)
    assert process.wait() == (130 if kill == signal.SIGINT else -kill)
    stopped = out.read_bytes()
    assert 0 < stopped.count(b"\n") < FILMS
    out.write_bytes(stopped + b"half a row,no")
    assert run(films, "-w", weights, "-o", out, "--resume").exit_code == 1
    assert out.read_bytes() == whole.read_bytes()
    # Once more: there is nothing left to do.
    assert run(films, "-w", weights, "-o", out, "--resume").exit_code == 1
    assert out.read_bytes() == whole.read_bytes()


def test_json_lines_resume_too(films, weights, tmp_path):
    out = tmp_path / "out.jsonl"
    some = [films / f"{number:04d}.png" for number in range(45, 55)]
    assert run(*some, "-w", weights, "-o", out).exit_code == 1
    expected = out.read_bytes()
    assert [json.loads(line)["name"] for line in expected.splitlines()] == [
        str(film) for film in some
    ]
    out.write_bytes(expected[:3000])
    assert run(*some, "-w", weights, "-o", out, "--resume").exit_code == 1
    assert out.read_bytes() == expected


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda text: text.replace("0003.png", "other.png"), "other films"),
        (lambda text: text.replace("fracture-quick", "another"), "other weights"),
        (lambda text: "name,finding\r\nx,y\r\n", "damaged"),
        (lambda text: text.replace("finding", "outcome", 1), "other columns"),
    ],
)
def test_a_file_of_another_run_is_left_alone(
    films, whole, weights, tmp_path, change, reason
):
    out = tmp_path / "out.csv"
    changed = change(whole.read_text()).encode()
    out.write_bytes(changed)
    result = run(films, "-w", weights, "-o", out, "--resume")
    assert result.exit_code == 2 and reason in result.stderr
    assert out.read_bytes() == changed
    assert run(films, "-w", weights, "-o", out).exit_code == 2  # nor overwritten


def test_files_folders_patterns_and_a_list(films, weights, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep" / "er").mkdir(parents=True)
    picture = (films / "0000.png").read_bytes()
    names = ["b.png", "a.png", "deep/er/no-suffix", "deep/z.JPG", "[x].png"]
    for name in names:
        (tmp_path / name).write_bytes(picture)
    (tmp_path / "deep" / "notes.txt").write_text("not a film")
    (tmp_path / "deep" / ".hidden.png").write_bytes(picture)
    asked = ["[x].png", "deep", "?.png", "-", "gone.png"]
    result = run(*asked, "-w", weights, "-f", "csv", stdin="b.png\n\na.png\n")
    found = [row["name"] for row in csv.DictReader(io.StringIO(result.stdout))]
    expected = ["[x].png", "deep/er/no-suffix", "deep/z.JPG", "a.png", "b.png"]
    assert found == [*expected, "b.png", "a.png", "gone.png"]
    assert result.exit_code == 1 and "file_not_found" in result.stdout


def test_a_table_for_people(films, weights):
    result = run(films / "0001.png", films / "0050.png", "-w", weights)
    assert "empty_file" in result.stdout and "%" in result.stdout
    assert result.exit_code == 1 and "1 of 2 films" in result.stderr
    assert run(films / "0001.png", "-w", weights).exit_code == 0


@pytest.mark.parametrize("name", ["[bold]film.png", "broken.png"])
def test_of_one_film_two_lines(films, weights, tmp_path, name):
    path, is_broken = tmp_path / name, name == "broken.png"
    path.write_bytes(b"text" if is_broken else (films / "0000.png").read_bytes())
    result = run(path, "-w", weights)
    head, why = result.stdout.splitlines()
    assert head.startswith(f"{path}: ") and why.endswith(".")
    assert result.exit_code == is_broken
    if is_broken:
        assert head == f"{path}: not read: unsupported_format"
    else:
        assert re.search(r": [A-Z][\w ,:]+, fracture \d+\.\d%$", head)


def test_no_cell_is_a_formula(weights, films, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("=cmd.png").write_bytes((films / "0000.png").read_bytes())
    result = run("=cmd.png", "-w", weights, "-o", "out.csv")
    assert result.exit_code == 0 and read("out.csv")[0]["name"] == "'=cmd.png"
    assert run("=cmd.png", "-w", weights, "-o", "out.csv", "--resume").exit_code == 0


def test_a_name_may_be_any_bytes(weights, films, tmp_path):
    film = tmp_path / os.fsdecode(b"\xff,\xfe.png")
    film.write_bytes((films / "0000.png").read_bytes())
    for kind in ("table", "csv", "jsonl"):
        assert run(tmp_path, "-w", weights, "-f", kind).exit_code == 0
    for out in (tmp_path / "out.csv", tmp_path / "out.jsonl"):
        for options in ((), ("--resume",)):
            assert run(film, "-w", weights, "-o", out, *options).exit_code == 0
        assert len(out.read_bytes().splitlines()) == 1 + (out.suffix == ".csv")


def test_a_name_too_long_is_a_row(weights):
    result = run("x" * 5000, "-w", weights, "-f", "csv")
    assert result.exit_code == 1 and "file_not_found" in result.stdout


def test_pictures(films, weights, tmp_path):
    some = [films / "0050.png", films / "0001.png"]
    folders = tmp_path / "overlays", tmp_path / "maps"
    run(*some, "-w", weights, "--overlays", folders[0], "--heatmaps", folders[1])
    (overlay,), (heatmap,) = (list(folder.iterdir()) for folder in folders)
    assert (overlay.name, heatmap.name) == ("00002-0001.jpg", "00002-0001.png")
    prediction = FractureClassifier.from_pretrained(weights).predict(some[1])
    level = prediction.heatmap / prediction.config.heatmap_reference * 255
    found = np.asarray(Image.open(heatmap))
    np.testing.assert_allclose(found, level.clip(0, 255), atol=1.1)
    assert Image.open(overlay).size == (40, 40)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["film.png", "-w", "nowhere"], "weights_missing"),
        (["film.png", "-o", "out.txt"], "--format"),
        (["film.png", "-f", "table", "-o", "out.csv"], "csv or jsonl"),
        (["film.png", "--resume", "-f", "csv"], "--out"),
        ([], "Missing argument"),
    ],
)
def test_wrong_usage(arguments, reason, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == 2 and reason in result.stderr


def test_a_folder_without_films(weights, tmp_path):
    result = run(tmp_path, "-w", weights)
    assert result.exit_code == 2 and "no film found" in result.stderr


def test_two_runs_never_write_one_file(films, weights, tmp_path):
    """The second is told who has it; one that was killed has nothing any more."""
    out = tmp_path / "new" / "answers.csv"
    command = [sys.executable, "-m", "fracture", "predict", str(films), "-o", str(out)]
    command += ["--weights", str(weights), "--resume", "-j", "1"]
    with subprocess.Popen(command) as first:
        while not out.exists():
            time.sleep(0.05)
            assert first.poll() is None
        first.send_signal(signal.SIGSTOP)
        before = out.read_bytes()
        second = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert second.returncode == 2
        assert f"written by process {first.pid} on " in second.stderr
        assert out.read_bytes() == before
        first.kill()
    third = subprocess.Popen(command, stderr=subprocess.PIPE)
    while third.poll() is None and out.stat().st_size <= len(before) + 1000:
        time.sleep(0.05)
    third.send_signal(signal.SIGINT)
    assert third.wait(60) in (0, 130)
    assert not out.with_name("answers.csv.lock").exists()
    names = [row["name"] for row in read(out)]
    assert len(names) == len(set(names)) > 0
