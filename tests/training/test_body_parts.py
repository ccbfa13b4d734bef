"""Parts that the data names, from a folder as MURA publishes it to the answer."""

import dataclasses
import json

import numpy as np
import pytest
from PIL import Image

import train as command
from fracture import FractureClassifier
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
# Films of each part: normal, fractured. Of fingers there are too few to be named.
FILMS = {"ELBOW": (32, 32), "HAND": (34, 8), "FINGER": (3, 3)}


def draw_film(part, label, seed):
    film = draw_phantom(label, seed, (76, 62)).pixels
    return film if part == "ELBOW" else 255 - np.rot90(film)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run on such a folder, one patient a film."""
    folder, number = tmp_path_factory.mktemp("mura"), 0
    for part, counts in FILMS.items():
        for kind, count in zip(("negative", "positive"), counts, strict=True):
            for _ in range(count):
                number += 1
                label = "normal" if kind == "negative" else "displaced"
                place = folder / f"train/XR_{part}/patient{number:05}/study1_{kind}"
                place.mkdir(parents=True)
                film = Image.fromarray(draw_film(part, label, number))
                film.save(place / "image1.png")
    out = folder / "out"
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(RECIPES, "quick", TINY)
        patch.setattr("fracture.evaluation.metrics.DRAWS", 20)
        command.main(["--data", str(folder), "--recipe", "quick", "--out", str(out)])
    return out


def test_an_elbow_gets_a_classifier_of_its_own(trained):
    config = json.loads((trained / "config.json").read_text(encoding="utf-8"))
    assert config["body_parts"] == ["elbow", "hand"]
    _, network = load_network(trained)
    head = network.get_layer("head")
    # Eight fractured hands are too few: hands take the general one.
    assert head.own.numpy().tolist() == [1, 0]
    assert head.kernels.shape[0] == 1 + 2


def test_the_answer_names_the_part(trained):
    classifier = FractureClassifier.from_pretrained(trained)
    for part in ("ELBOW", "HAND"):
        prediction = classifier.predict(draw_film(part, "normal", 1))
        found = dataclasses.replace(prediction, novelty=-1.0).to_dict()
        assert found["body_part"] == part.lower()
        assert [*found["body_parts"]] == ["elbow", "hand"]


def test_the_card_says_how_often_it_is_right(trained):
    metrics = json.loads((trained / "metrics.json").read_text(encoding="utf-8"))
    figure = metrics["test"]["likeliest_part"]
    assert figure["value"] > 0.8 and figure["n"] > 5
    groups = metrics["test"]["fracture"]["mura"]["subgroups"]
    assert groups["elbow"]["auroc"]["n"] == groups["elbow"]["films"] > 0
    card = (trained / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"the likeliest is right in {figure['value']:.3f}" in card
    assert "| elbow | mura |" in card
