"""What engines do is measured on films held out, and written for `auto`."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from fracture import FractureClassifier
from fracture.__main__ import app
from fracture.data.datasets import DatasetError, load_examples, write_phantoms
from fracture.data.splits import write_split
from fracture.engine import DEFAULT, ENGINES, load_engine
from fracture.evaluation.engines import measure_folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_phantoms(tmp_path_factory.mktemp("phantoms"), 3, seed=0)


@pytest.fixture(scope="module")
def folder(weights, data, tmp_path_factory):
    """Weights with the split and the metrics of a training."""
    folder = tmp_path_factory.mktemp("trained") / "weights"
    shutil.copytree(weights, folder)
    examples = load_examples(data)
    splits = ["validation" if i % 3 else "test" for i in range(len(examples))]
    write_split(folder / "split.csv", examples, splits)
    version = FractureClassifier.from_pretrained(folder).config.model_version
    metrics = {"model_version": version, "seed": 7}
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def test_each_engine_at_hand_is_held_against_the_default(folder, data):
    found = measure_folder(folder, data)
    assert DEFAULT in found and found.keys() <= ENGINES.keys()
    films = len(load_examples(data)) * 2 // 3
    for name, row in found.items():
        assert row["films"] == films and 0 <= row["changed"] <= 1
        (figures,) = row["fracture"].values()
        assert figures["auroc"]["n"] == films
        assert 0 <= figures["ece"]["value"] <= 1
        if name in (DEFAULT, "openvino"):
            assert row["changed"] == 0
            assert row["probability_difference"] <= 1e-5
    assert found[DEFAULT]["probability_difference"] == 0
    assert found[DEFAULT]["map_difference"] == 0


def test_a_training_on_the_validation_films_has_its_test_films(folder, data, tmp_path):
    taught = shutil.copytree(folder, tmp_path / "weights")
    split = taught / "split.csv"
    text = split.read_text(encoding="utf-8")
    split.write_text(text.replace("validation,", "train,"), encoding="utf-8")
    films = measure_folder(taught, data)[DEFAULT]["films"]
    assert films == len(load_examples(data)) // 3


def test_films_of_another_training_are_refused(folder, tmp_path):
    manifest = write_phantoms(tmp_path / "others", 2, seed=5)
    others = manifest.parent
    manifest.unlink()
    for path in [*others.rglob("*.png")]:
        path.rename(path.with_name(f"other-{path.name}"))
    with pytest.raises(DatasetError, match="none of the validation films"):
        measure_folder(folder, others)


@pytest.mark.slow
def test_the_command_writes_what_auto_reads(folder, data):
    pytest.importorskip("openvino")

    def run(*arguments):
        asked = ["engines", *map(str, arguments), "-w", str(folder)]
        return CliRunner().invoke(app, asked)

    assert "auto takes onnxruntime" in run().stdout
    done = run(data)
    assert done.exit_code == 0, done.output
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["seed"] == 7 and metrics["engines"][DEFAULT]["changed"] == 0
    config = FractureClassifier.from_pretrained(folder).config
    taken = load_engine(config, "auto").name
    assert taken != DEFAULT and f"auto takes {taken}" in done.stdout
    assert f"auto takes {taken}" in run().stdout
    film = next(data.parent.rglob("*.png"))
    asked = ["predict", str(film), "-w", str(folder), "--engine"]
    said = CliRunner().invoke(app, [*asked, "auto"])
    assert said.exit_code == 0 and f"engine {taken}" in said.stderr
    refused = CliRunner().invoke(app, [*asked, "tensorrt"])
    assert refused.exit_code == 2 and "[engine_unknown]" in refused.stderr
