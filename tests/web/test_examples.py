"""The films that come with the page: where they are from, and what is said of them."""

import csv
import hashlib
from pathlib import Path

import pytest
from PIL import Image

from fracture import FractureClassifier
from fracture.prediction import Finding
from fracture.result import Result
from fracture.web import html
from fracture.web.words import EXAMPLES

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "examples"
TRUE = {"fractured": Finding.FRACTURE_SUSPECTED, "normal": Finding.NO_FRACTURE_SEEN}


@pytest.fixture(scope="module")
def predictions():
    classifier = FractureClassifier.from_pretrained(ROOT / "weights")
    return [classifier.predict(FOLDER / example.file) for example in EXAMPLES]


@pytest.fixture(scope="module")
def findings(predictions):
    return [prediction.finding for prediction in predictions]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.file)
def test_no_training_saw_them(example):
    checksum = hashlib.sha256((FOLDER / example.file).read_bytes()).hexdigest()
    with (ROOT / "weights/split.csv").open(encoding="utf-8") as file:
        (row,) = (row for row in csv.DictReader(file) if row["sha256"] == checksum)
    assert row["split"] == "test"
    assert Path(row["name"]).stem == example.name.removeprefix("FracAtlas ")
    assert (Path(row["name"]).parent.name == "Fractured") is (
        example.label == "fractured"
    )


def test_the_readme_says_what_they_are_and_what_the_weights_say(findings):
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.startswith("| `")]
    said = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in lines]
    assert said == [
        [e.file, e.name.removeprefix("FracAtlas "), e.label, finding.replace("_", " ")]
        for e, finding in zip(EXAMPLES, findings, strict=True)
    ]
    assert "CC BY 4.0" in text and "10.6084/m9.figshare.22363012" in text
    assert {path.name for path in FOLDER.glob("*.jpg")} == {e.file for e in EXAMPLES}


def test_they_show_what_the_model_does_well_and_what_it_does_not(findings):
    labels = [TRUE[example.label] for example in EXAMPLES]
    pairs = list(zip(labels, findings, strict=True))
    assert {true for true, finding in pairs if true == finding} == set(TRUE.values())
    assert Finding.UNCERTAIN in findings
    assert any({true, finding} == set(TRUE.values()) for true, finding in pairs)


@pytest.mark.parametrize("label", [*TRUE, None])
@pytest.mark.parametrize("example", EXAMPLES[-3:], ids=lambda example: example.file)
def test_the_page_compares_its_answer_with_the_readers(example, label, predictions):
    prediction = predictions[EXAMPLES.index(example)]
    page = html.film(Result(example.name, prediction), False, label)
    finding = prediction.finding
    verdict = "agrees" if finding == TRUE.get(label) else "is wrong"
    if finding not in TRUE.values():
        verdict = "does not decide"
    said = f"Its readers called this film {label}: the model {verdict}."
    assert (said in page) is (label is not None)
    assert ("Its readers" in page) is (label is not None)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.file)
def test_they_are_small_and_carry_no_text_about_a_patient(example):
    path = FOLDER / example.file
    assert path.stat().st_size < 200_000
    with Image.open(path) as film:
        assert not film.getexif()
        assert set(film.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}
