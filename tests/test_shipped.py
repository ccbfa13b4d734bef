"""The committed weights hold what their folder and the model card say."""

import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from fracture import CLASSES, EngineError, FractureClassifier
from fracture.card.card import render_card
from fracture.data.datasets import load_examples
from fracture.data.phantom import draw_phantom
from fracture.data.splits import held_out, read_split
from fracture.engine import DEFAULT, ENGINES
from fracture.evaluation.evaluate import evaluate, predict_films
from fracture.model.export import (
    TOLERANCE,
    load_keras_model,
    measure_parity,
)
from fracture.model.gradcam import gradcam_difference
from fracture.model.network import load_network
from fracture.radiograph import read_radiograph
from fracture.radiograph.letterbox import Letterbox

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "weights"
SMALL = WEIGHTS / "small"
SLOW = pytest.mark.slow
DATA = os.environ.get("FRACTURE_DATA")


@pytest.fixture(scope="module")
def metrics():
    return metrics_of(WEIGHTS)


def metrics_of(folder):
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def films(metrics):
    size = metrics["recipe"]["image_size"]  # that of the small ones as well
    phantoms = [
        draw_phantom(label, seed).pixels
        for label in ("normal", "hairline", "displaced")
        for seed in (1, 2)
    ]
    squares = [Letterbox(*film.shape, size).apply(film) for film in phantoms]
    return np.stack(squares)[..., None]


@pytest.mark.parametrize(
    "folder", [WEIGHTS, pytest.param(SMALL, marks=SLOW)], ids=["shipped", "small"]
)
def test_export_equals_keras_and_closed_form_equals_autodiff(films, folder):
    assert measure_parity(folder, load_keras_model(folder), films) <= TOLERANCE
    _, network = load_network(folder)
    assert gradcam_difference(network, films) <= 1e-5


@pytest.mark.parametrize("folder", [WEIGHTS, SMALL], ids=["shipped", "small"])
def test_a_folder_is_complete(folder):
    config = FractureClassifier.from_pretrained(folder).config
    for name, checksum in config.values["files"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum
    assert metrics_of(folder)["model_version"] == config.model_version


def test_all_weights_together_are_small():
    assert sum(f.stat().st_size for f in WEIGHTS.rglob("*.*")) < 40e6


@pytest.mark.parametrize(
    ("folder", "card", "figures"),
    [
        (WEIGHTS, ROOT / "MODEL_CARD.md", "weights/figures"),
        (SMALL, SMALL / "MODEL_CARD.md", "figures"),
    ],
    ids=["shipped", "small"],
)
def test_the_card_is_rendered_from_the_metrics(folder, card, figures):
    text = card.read_text(encoding="utf-8")
    assert text == render_card(metrics_of(folder), figures)
    assert "not measured" not in text


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(not DATA, reason="FRACTURE_DATA names no folder of films")
def test_the_test_films_give_the_figures_of_the_card(metrics, monkeypatch):
    monkeypatch.setattr("fracture.evaluation.metrics.DRAWS", 10)  # values, no intervals
    splits = read_split(WEIGHTS / "split.csv")
    examples = [e for e in load_examples(DATA) if splits.get(e.name) == "test"]
    assert len(examples) == list(splits.values()).count("test")
    films = [read_radiograph(example.path).pixels for example in examples]
    classifier = FractureClassifier.from_pretrained(WEIGHTS)
    report = evaluate(
        examples,
        [example.group for example in examples],
        predict_films(classifier, films, "test"),
    )
    for section, figure in (
        ("fracture", "auroc"),
        ("severity", "auroc"),
        ("localisation", "pointing_game"),
    ):
        for source, figures in metrics["test"][section].items():
            found = report[section][source][figure]["value"]
            assert found == pytest.approx(figures[figure]["value"], abs=0.005)


@pytest.mark.data
@pytest.mark.skipif(not DATA, reason="FRACTURE_DATA names no folder of films")
def test_no_group_crosses_the_split():
    lines = set((WEIGHTS / "split.csv").read_text(encoding="utf-8").splitlines())
    splits, of_group = read_split(WEIGHTS / "split.csv"), {}
    for example in load_examples(DATA):
        split = splits[example.name]
        assert of_group.setdefault(example.group, split) == split
        checksum = hashlib.sha256(example.path.read_bytes()).hexdigest()
        assert f"{split},{example.name},{checksum}" in lines


@pytest.mark.data
@pytest.mark.skipif(not DATA, reason="FRACTURE_DATA names no folder of films")
@pytest.mark.parametrize(
    "engine",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name != DEFAULT else [])
        for name in ENGINES
    ],
)
def test_an_engine_stays_within_its_recorded_bound(metrics, engine):
    left_out = films_held_out()
    examples = [e for e in load_examples(DATA) if e.name in left_out]
    films = [read_radiograph(example.path) for example in examples[::9][:50]]
    try:
        found = FractureClassifier.from_pretrained(WEIGHTS, engine=engine)
    except EngineError as error:
        pytest.skip(error.message)
    default = FractureClassifier.from_pretrained(WEIGHTS)
    pairs = zip(found.predict(films), default.predict(films), strict=True)
    gaps = [
        abs(one.probabilities[name] - other.probabilities[name])
        for one, other in pairs
        for name in CLASSES
    ]
    # Batches of another size and other processors round otherwise.
    bound = 1.05 * metrics["engines"][engine]["probability_difference"] + 1e-5
    assert max(gaps) <= bound


def films_held_out() -> set[str]:
    """Validation films, or test films where the weights learned from those."""
    splits = read_split(WEIGHTS / "split.csv")
    left_out = held_out(splits.values())
    return {name for name, split in splits.items() if split == left_out}


def test_the_engines_were_measured(metrics):
    for engine, row in metrics["engines"].items():
        assert engine in ENGINES and row["films"] == len(films_held_out())
    assert metrics["engines"][DEFAULT]["changed"] == 0
