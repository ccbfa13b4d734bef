"""Parts that the data names, from a folder as MURA publishes it to the answer."""

import dataclasses
import itertools
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import train as command
from fracture import FractureClassifier
from fracture.__main__ import app
from fracture.data.phantom import draw_phantom
from fracture.model.network import load_network
from fracture.model.recipe import Phase
from fracture.model.recipes import RECIPES

TINY = dataclasses.replace(
    RECIPES["mobilenetv2-cascade"],
    backbone="cnn-norm",
    pretrained=False,
    train_batch_norm=True,
    image_size=32,
    hidden_units=8,
    batch_size=16,
    phases=(Phase(1, 1e-3, "all"), Phase(1, 1e-3, unfreeze="conv4")),
    non_radiographs=2,
)
# Folder -> films of each part: normal, fractured. Fingers are too few to be named.
FEW = {"ELBOW": (5, 5), "HAND": (5, 3)}
FILMS = {
    "train": {"ELBOW": (20, 20), "HAND": (22, 6), "FINGER": (3, 3)},
    "valid": FEW,
    "test": FEW,
}


def draw_film(part, label, seed):
    film = draw_phantom(label, seed, (76, 62)).pixels
    return film if part == "ELBOW" else 255 - np.rot90(film)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A patient a film; the first one is in training and, once more, in test."""
    folder, number = tmp_path_factory.mktemp("mura"), 0
    for (split, parts), kind in itertools.product(FILMS.items(), (0, 1)):
        for part, counts in parts.items():
            for _ in range(counts[kind]):
                number += 1
                study = f"study1_{('negative', 'positive')[kind]}"
                place = folder / f"{split}/XR_{part}/patient{number:05}/{study}"
                place.mkdir(parents=True)
                film = draw_film(part, ("normal", "displaced")[kind], number)
                Image.fromarray(film).save(place / "image1.png")
    copy = Path("XR_ELBOW/patient00001/study1_negative")
    copied = folder / "test" / str(copy).replace("00001", "09999")
    shutil.copytree(folder / "train" / copy, copied)
    return folder


@pytest.fixture(scope="module")
def trained(folder):
    """A run on such a folder and its own split."""
    out = folder / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "quick", TINY)
        patch.setattr("fracture.evaluation.metrics.DRAWS", 20)
        given = ["--data", str(folder), "--recipe", "quick", "--out", str(out)]
        command.main([*given, "--published-split"])
    return out


@pytest.mark.slow
def test_an_elbow_gets_a_classifier_of_its_own(trained):
    config = json.loads((trained / "config.json").read_text(encoding="utf-8"))
    assert config["body_parts"] == ["elbow", "hand"]
    _, network = load_network(trained)
    head = network.get_layer("head")
    # Six fractured hands are too few: hands take the general one.
    assert head.own.numpy().tolist() == [1, 0]
    assert head.kernels.shape[0] == 1 + 2


@pytest.mark.slow
def test_the_answer_names_the_part(trained):
    classifier = FractureClassifier.from_pretrained(trained)
    for part in ("ELBOW", "HAND"):
        prediction = classifier.predict(draw_film(part, "normal", 1))
        found = dataclasses.replace(prediction, novelty=-1.0).to_dict()
        assert found["body_part"] == part.lower()
        assert [*found["body_parts"]] == ["elbow", "hand"]


@pytest.mark.slow
def test_the_card_says_how_often_it_is_right(trained):
    metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    figure = metrics["test"]["likeliest_part"]
    assert figure["value"] > 0.8 and figure["n"] == 19
    groups = metrics["test"]["fracture"]["mura"]["subgroups"]
    assert groups["elbow"]["auroc"]["n"] == groups["elbow"]["films"] > 0
    card = (trained / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"the likeliest is right in {figure['value']:.3f}" in card
    assert "| elbow | mura |" in card


@pytest.mark.slow
def test_a_published_split_is_kept_and_what_it_leaks_is_said(folder, trained):
    rows = (trained / "split.csv").read_text(encoding="utf-8").splitlines()
    given = {"train": "train", "valid": "validation", "test": "test"}
    for split, name, _ in (row.split(",") for row in rows[1:]):
        assert split == given[name.split("/")[0]]
    metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    leaks = metrics["leaks"]
    assert leaks["test"] == {"films": 19, "copied": 1, "grouped": 1}
    assert leaks["validation"] == {"films": 18, "copied": 0, "grouped": 0}
    card = (trained / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "Of 19 test films 1 have a copy among the training films" in card


@pytest.mark.slow
def test_it_is_counted_anew_without_training(folder, trained, monkeypatch):
    before = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    found = {}

    def measure(out, table, *trained):
        found.update(table.leaks())
        return before

    monkeypatch.setattr("fracture.evaluation.measure.measure", measure)
    call = ["evaluate", str(folder), "-w", str(trained), "--write"]
    done = CliRunner().invoke(app, call)
    assert done.exit_code == 0, done.output
    assert found == before["leaks"]
