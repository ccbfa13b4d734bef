"""The pipeline from films to weights, and training that survives a kill."""

import dataclasses
import json

import keras
import numpy as np
import pytest
from hub_server import TOKEN
from toy_recipes import PLAIN, TINY
from typer.testing import CliRunner

from fracture import FractureClassifier
from fracture.__main__ import app
from fracture.data.datasets import write_phantoms
from fracture.data.film_table import load_table
from fracture.model.network import (
    BackboneError,
    build_network,
)
from fracture.model.recipe import Phase, Recipe
from fracture.model.recipes import RECIPES
from fracture.training.batches import FilmSequence
from fracture.training.checkpoint import Progress
from fracture.training.fit import compile_phase, fit

NAME = "someone/fracture"


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_recipes_survive_json(recipe):
    assert Recipe.from_dict(json.loads(json.dumps(recipe.to_dict()))) == recipe


def test_the_paper_recipe_is_the_paper():
    paper = RECIPES["mobilenetv2-paper"]
    assert (paper.alpha, paper.image_size, paper.value_range) == (0.75, 224, (0, 1))
    assert (paper.dropout, paper.l2, paper.batch_size) == ((0.7, 0.5), 0.01, 64)
    head, fine = paper.phases
    assert (head.unfreeze, fine.unfreeze) == (None, 30)
    assert {p.learning_rate for p in paper.phases} == {1e-4}
    assert {p.epochs for p in paper.phases} == {20}
    assert (paper.early_stopping, paper.plateau, paper.keep) == (5, (0.2, 3), "best")


def test_scaling_is_inside_the_network():
    """The published scaling ends at [0, 1], the shipped one at [-1, 1]."""
    for recipe, ends in ((RECIPES["mobilenetv2-paper"], (0, 1)), (TINY, (-1, 1))):
        model = build_network(dataclasses.replace(recipe, image_size=64))
        scaled = keras.Model(model.input, model.get_layer("pixels").output)
        film = np.array([0, 255], np.uint8).repeat(32 * 64).reshape(1, 64, 64, 1)
        found = np.asarray(scaled(film))
        assert found.shape[-1] == 3
        assert (found.min(), found.max()) == pytest.approx(ends, abs=1e-6)


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    table = load_table(write_phantoms(folder, 24), folder / "split.csv", 0, ())
    return table.examples, table.films


class KilledSequence(FilmSequence):
    """Dies in the middle of an epoch."""

    def __getitem__(self, batch):
        if self.epoch >= 1002 and batch == 2:
            raise RuntimeError("killed here")
        return super().__getitem__(batch)


def run(folder, phantoms, sequence=FilmSequence, recipe=PLAIN):
    examples, films = phantoms

    def make_sequences(size, grid):
        shared = (films, examples, size, grid, recipe.batch_size)
        return (
            sequence(*shared, recipe.augmentation, seed=3, workers=1),
            FilmSequence(*shared),
        )

    return fit(recipe, make_sequences, folder, seed=3)


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_state(tmp_path, phantoms):
    whole = run(tmp_path / "whole", phantoms)
    with pytest.raises(Exception, match="killed here"):
        run(tmp_path / "killed", phantoms, KilledSequence)
    progress = Progress.load(tmp_path / "killed")
    assert (progress.phase, progress.epoch) == (1, 2)
    resumed = run(tmp_path / "killed", phantoms)
    expected, found = (
        Progress.load(tmp_path / name).history for name in ("whole", "killed")
    )
    assert [(r["phase"], r["epoch"]) for r in found] == [(1, 1), (2, 1), (2, 2), (2, 3)]
    for one, other in zip(expected, found, strict=True):
        assert other == pytest.approx(one, rel=1e-3, abs=1e-4)
    for one, other in zip(whole.weights, resumed.weights, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-3, atol=1e-4, err_msg=one.path)


def test_early_stopping_and_best_weights(tmp_path, phantoms):
    hopeless = dataclasses.replace(
        PLAIN,
        phases=(Phase(6, 0.0),),  # nothing improves without a learning rate
        schedule="constant",
        early_stopping=1,
        plateau=(0.2, 1),
        keep="best",
    )
    model = run(tmp_path, phantoms, recipe=hopeless)
    history = Progress.load(tmp_path).history
    assert len(history) == 2
    best = tmp_path / "phase0-best.weights.h5"
    trained = build_network(hopeless)
    compile_phase(hopeless, hopeless.phases[0], trained, 1).load_weights(best)
    for one, other in zip(trained.weights, model.weights, strict=True):
        if not one.path.startswith(("body_parts", "novelty")):
            np.testing.assert_array_equal(one, other, err_msg=one.path)


@pytest.mark.slow
def test_from_films_to_weights_card_and_hub(tmp_path, monkeypatch, hub, capfd):
    import train as command

    brief = dataclasses.replace(PLAIN, phases=(Phase(1, 1e-3),), non_radiographs=2)
    monkeypatch.setitem(RECIPES, "quick", brief)
    monkeypatch.setattr("fracture.evaluation.metrics.DRAWS", 50)
    out = tmp_path / "out"
    run = ["--out", str(out), "--phantoms", "24", "--seed", "1"]
    command.main([*run, "--push-to", NAME])
    said = "".join(capfd.readouterr())
    for name in ("config.json", "metrics.json", "split.csv", "history.csv"):
        assert (out / name).stat().st_size > 100
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["parity"]["export_difference"] <= 1e-4
    assert metrics["parity"]["gradcam_relative_difference"] <= 1e-5
    assert metrics["test"]["fracture"]["phantom"]["auroc"]["n"] > 0
    assert (out / "figures" / "curves.png").is_file()
    film = next((out / "phantoms" / "hairline").iterdir())
    prediction = FractureClassifier.from_pretrained(out).predict(film)
    assert prediction.model_version == metrics["model_version"]
    assert metrics["model_version"] in (out / "MODEL_CARD.md").read_text()
    check_version(hub, out, said)
    pulled = FractureClassifier.from_pretrained(NAME)
    assert pulled.config.folder != out and TOKEN not in said
    assert pulled.predict(film).to_dict() == prediction.to_dict()

    with pytest.raises(ValueError, match="--resume"):
        command.main(["--out", str(out), "--seed", "1"])
    with pytest.raises(ValueError, match="another seed"):
        command.main(["--out", str(out), "--seed", "2", "--resume"])
    # Every figure can be measured anew, without training.
    (out / "metrics.json").write_text(
        json.dumps({key: metrics[key] for key in ("command", "seed")})
    )
    found = CliRunner().invoke(
        app, ["evaluate", str(out / "phantoms"), "-w", str(out), "--write"]
    )
    assert found.exit_code == 0, found.output
    assert json.loads((out / "metrics.json").read_text()) == metrics
    # So that a finished run, resumed, would end with the same figures.
    progress = Progress.load(out / "checkpoint")
    assert (progress.phase, progress.epoch) == (1, 0)


def check_version(hub, out, said):
    """One commit and its tag hold what the run left, and the card with its figures."""
    repository = hub.repositories[NAME]
    assert len(repository.commits) == 2  # the first is the Hub's own, empty
    ((tag, commit),) = repository.tags.items()
    assert commit == repository.branch
    assert f"published {NAME}@{tag}, commit {commit}" in said
    figures = {f"figures/{path.name}" for path in (out / "figures").iterdir()}
    assert {"figures/curves.png", "figures/roc-phantom.png"} <= figures
    weights = {"model.weights.h5", "model.onnx", "config.json"}
    sent = weights | figures | {"metrics.json", "history.csv"}
    assert set(repository.files) == sent | {"README.md"}
    for name in sent:
        assert repository.files[name] == (out / name).read_bytes(), name
    assert "](figures/roc-phantom.png)" in repository.files["README.md"].decode()


def test_a_split_that_is_not_there_cannot_be_kept(tmp_path):
    import train as command

    run = ["--published-split", "--phantoms", "1", "--out", str(tmp_path)]
    with pytest.raises(ValueError, match=r"--published-split: .* no train films"):
        command.main(run)
    with pytest.raises(ValueError, match="another published_split"):
        command.main([*run[1:], "--resume"])


def test_missing_backbone_weights_say_what_to_do():
    with pytest.raises(BackboneError, match="or 'none'"):
        build_network(TINY, backbone_weights="missing.weights.h5")


def test_a_weights_folder_lends_its_backbone(weights, recipe, network):
    other = dataclasses.replace(recipe, hidden_units=4, image_size=64)
    model = build_network(other, backbone_weights=str(weights))
    for layer in network.layers:
        if layer.name.startswith(("block", "Conv", "bn")) and layer.weights:
            found = model.get_layer(layer.name).get_weights()
            for one, other in zip(layer.get_weights(), found, strict=True):
                np.testing.assert_array_equal(one, other)
