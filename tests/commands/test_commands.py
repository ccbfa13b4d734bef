"""`info`, `export`, and what holds of every command; push and pull: `test_hub.py`."""

import json
import os
import pickle
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from fracture import FractureClassifier
from fracture.__main__ import app

ROOT = Path(__file__).parents[2]
COMMANDS = ["predict", "engines", "info", "pull", "push", "export", "site"]


def run(*arguments):
    return CliRunner().invoke(app, [*map(str, arguments)])


def test_help_loads_neither_keras_nor_the_hub():
    code = (
        "import sys; from fracture.__main__ import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "slow = {'keras', 'sklearn', 'matplotlib', 'huggingface_hub'}\n"
        "sys.exit(str([*slow & set(sys.modules)]))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert found.stderr.strip() == "[]"
    assert all(command in found.stdout for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command):
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "Examples:" in result.stdout or len(result.stdout.split()) > 40


def test_info(weights):
    shown = run("info", "-w", weights).stdout
    config = json.loads((weights / "config.json").read_text())
    for text in (config["name"], config["version"], config["files"]["model.onnx"]):
        assert text in shown
    assert "normal, hairline, displaced" in shown
    assert "below 30.0%" in shown and "from 70.0%" in shown and "32 x 32" in shown
    values = json.loads(run("info", "-w", weights, "--json").stdout)
    assert values["limits"]["max_pixels"] == 40_000_000
    assert values["operating_points"] == config["operating_points"]


def test_info_of_the_shipped_weights_has_the_figures_of_its_points():
    shown = run("info", "-w", ROOT / "weights").stdout
    assert shown.count("films held out") == 2 and "sensitivity 9" in shown


def test_weights_that_cannot_be_used_end_every_command(tmp_path):
    for command in (
        ["info"],
        ["predict", "x.png"],
        ["export", "onnx"],
        ["push", "a/b"],
    ):
        result = run(*command, "-w", tmp_path)
        assert result.exit_code == 2 and "[weights_missing]" in result.stderr


# --- export ---


@pytest.mark.parametrize(
    ("target", "engine"),
    [
        ("onnx", "onnxruntime"),
        pytest.param("tf_saved_model", "tensorflow", marks=pytest.mark.slow),
        ("litert", "ai_edge_litert"),
        pytest.param("openvino", "openvino", marks=pytest.mark.slow),
    ],
)
def test_export_is_proven_equal(weights, tmp_path, target, engine):
    pytest.importorskip(engine)
    from fracture.model.conversion import TARGETS

    out = tmp_path / f"model{TARGETS[target].suffix}"
    result = run("export", target, "-w", weights, "-o", out)
    assert result.exit_code == 0, result.stderr
    assert float(result.stdout.split()[-1]) <= 1e-4
    assert {path.stem for path in tmp_path.iterdir()} == {"model"}
    again = run("export", target, "-w", weights, "-o", out)
    assert again.exit_code == 2 and "exists" in again.stderr


class Converted:
    """A Keras model that is quickly converted."""

    def __call__(self, films, training):
        return {"probabilities": np.zeros(len(films))}

    def export(self, path, **_):
        Path(path).write_bytes(b"converted")


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        ({"probabilities": np.full(6, 2e-4)}, "differ by 0.0002"),
        ({"probabilities": np.full(6, np.nan)}, "differ by nan"),
        ({"output_0": np.zeros(6)}, "outputs are"),
    ],
)
def test_an_export_that_differs_is_not_kept(
    weights, tmp_path, monkeypatch, found, reason
):
    from fracture.model import conversion

    target = conversion.Target(".onnx", "train", lambda path, films: found)
    monkeypatch.setitem(conversion.TARGETS, "onnx", target)
    monkeypatch.setattr(conversion, "load_keras_model", lambda _: Converted())
    result = run("export", "onnx", "-w", weights, "-o", tmp_path / "model.onnx")
    assert result.exit_code == 2 and reason in result.stderr
    assert not list(tmp_path.iterdir())


def test_a_missing_engine_names_the_extra(weights, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)
    result = run("export", "openvino", "-w", weights, "-o", tmp_path / "model.xml")
    assert result.exit_code == 2 and 'fracture[openvino]"' in result.stderr
    assert not list(tmp_path.iterdir())


# --- files that nobody asked for ---


class Bomb:
    """Leaves a mark where it is unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def test_foreign_models_in_the_folder_are_never_opened(weights, tmp_path):
    folder, mark = tmp_path / "weights", tmp_path / "exploded"
    shutil.copytree(weights, folder)
    for name in ("model.keras", "model.pkl", "weights.pickle", "model.pt", "a.joblib"):
        (folder / name).write_bytes(pickle.dumps(Bomb(mark)))
    os.mkfifo(folder / "saved_model.pb")  # whoever opens it waits for ever
    opened = []
    watched = [True]  # an audit hook cannot be taken away

    def watch(event, arguments):
        if watched and event == "open" and str(arguments[0]).startswith(str(folder)):
            opened.append(Path(arguments[0]).name)

    sys.addaudithook(watch)
    try:
        FractureClassifier.from_pretrained(folder)
        assert run("info", "-w", folder).exit_code == 0
        from fracture.model.network import load_network

        load_network(folder)
    finally:
        watched.clear()
    assert set(opened) <= {"config.json", "model.onnx", "model.weights.h5"}
    assert "config.json" in opened and not mark.exists()
