"""The report of a film: complete, self-contained and safe to open."""

import dataclasses
import datetime
import re

import pytest

from fracture import FractureClassifier, RadiographError
from fracture.data.phantom import draw_phantom
from fracture.rendering.film_report import render_film_report
from fracture.result import Result


@pytest.fixture(scope="module")
def prediction(weights):
    classifier = FractureClassifier.from_pretrained(weights)
    return classifier.predict(draw_phantom("displaced", 3).pixels)


def test_the_report_holds_what_the_prediction_says(prediction):
    berlin = datetime.timezone(datetime.timedelta(hours=1))
    time = datetime.datetime(2026, 1, 2, 0, 30, tzinfo=berlin)
    report = render_film_report(Result("film.png", prediction), time=time)
    config, answer = prediction.config, prediction.to_dict()
    for text in (
        answer["summary"],
        answer["location"],
        prediction.model_version,
        config.values["files"]["model.onnx"],
        f"{config.operating_points['rule_in']:.1%}",
        "film.png",
        "2026-01-01 23:30:00 UTC",
        "not a medical device",
        "Not for diagnosis or treatment",
        "What guidelines describe",
    ):
        assert text in report
    assert report.count('class="film"') == 2
    assert report.count('class="heat"') == 1


def test_the_report_outlines_the_marks(prediction):
    sure = dataclasses.replace(
        prediction, probabilities={"normal": 0.1, "hairline": 0.2, "displaced": 0.7}
    )
    report = render_film_report(Result("film.png", sure))
    height, width = sure.film.pixels.shape
    assert f'<svg class="marks" viewBox="0 0 {width} {height}"' in report
    assert len(sure.marks) >= 1 and report.count("<text") == len(sure.marks)
    for mark in sure.marks:
        assert f'x="{mark.x0}" y="{mark.y0}" width="{mark.x1 - mark.x0}"' in report
        assert f"score {mark.score:.2f}" in report
    clear = dataclasses.replace(
        prediction, probabilities={"normal": 0.9, "hairline": 0.0, "displaced": 0.1}
    )
    assert "<svg" not in render_film_report(Result("film.png", clear))


def test_the_report_loads_nothing(prediction):
    report = render_film_report(Result("film.png", prediction))
    assert "<script" not in report and "<link" not in report
    sources = re.findall(r"(?:src=|url\()[\"']?([^\"')]{10})", report)
    assert sources and all(source.startswith("data:image") for source in sources)


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"hand": 0.971, "hip": 0.1}, "Body part: hand, with a probability of 97.1%."),
        ({"hand": 0.4, "hip": 0.3}, "Which body part this is is not clear."),
        ({}, None),
    ],
)
def test_the_report_names_the_part_and_its_steps(prediction, parts, said):
    config = dataclasses.replace(prediction.config)
    config.__dict__["operating_points"] = {"rule_out": 0.0, "rule_in": 1.1}
    uncertain = dataclasses.replace(prediction, body_parts=parts, config=config)
    report = render_film_report(Result("a.png", uncertain))
    text = " ".join(report.split())
    assert said in text if said else "ody part" not in text
    assert ("Hand or wrist" in text) == (uncertain.body_part == "hand")
    assert "Hip still suspected" not in text and "definitive written report" in text


def test_guidance_can_be_left_out(prediction):
    assert "guidelines" not in render_film_report(
        Result("a", prediction), guidance=False
    )


def test_a_film_that_was_not_judged_shows_no_finding(prediction):
    refused = dataclasses.replace(prediction, novelty=1.0)
    report = render_film_report(Result("cat.png", refused))
    assert "Not judged" in report and "does not look like the limb" in report
    for hidden in (prediction.summary, 'class="heat"', "What guidelines", "% of the"):
        assert hidden not in report


def test_names_cannot_break_out(prediction):
    report = render_film_report(Result("<script>alert(1)</script>.png", prediction))
    assert "<script" not in report


def test_an_unread_film_has_no_report():
    error = RadiographError("empty_file", "Empty.")
    with pytest.raises(ValueError, match="no report"):
        render_film_report(Result("a", error=error))
