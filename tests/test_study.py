"""Several views of one patient, judged by their most suspicious view."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from fracture.prediction import Prediction
from fracture.radiograph import RadiographError, read_radiograph
from fracture.result import Result
from fracture.study import combine
from fracture.weights import WeightsConfig

POINTS = {"rule_out": {"threshold": 0.1}, "rule_in": {"threshold": 0.5}}
CONFIG = WeightsConfig(
    Path("."),
    {
        "name": "n",
        "version": "1",
        "files": {"model.onnx": "0" * 64},
        "input": {"shape": [64, 64, 1]},
        "heatmap_grid": {"first": 0, "step": 16},
        "heatmap_reference": 1.0,
        "operating_points": POINTS,
    },
)


def _with_specificity(specificity: float) -> WeightsConfig:
    points = {**POINTS, "rule_in": {"threshold": 0.5, "specificity": specificity}}
    return dataclasses.replace(
        CONFIG, values={**CONFIG.values, "operating_points": points}
    )


def view(
    fracture: float,
    severity: str = "hairline",
    refused: bool = False,
    config: WeightsConfig = CONFIG,
    grey: int | None = None,
) -> Result:
    """A view of a given fracture probability; each its own film unless `grey`."""
    grey = round(fracture * 255) if grey is None else grey
    pixels = np.full((64, 64), grey, np.uint8)
    pixels[0] = np.arange(64)
    (other,) = {"hairline", "displaced"} - {severity}
    prediction = Prediction(
        film=read_radiograph(pixels),
        probabilities={"normal": 1 - fracture, other: 0.0, severity: fracture},
        grids=np.zeros((4, 4, 4), np.float32),
        body_parts={},
        novelty=1.0 if refused else -1.0,
        config=config,
    )
    return Result(f"{fracture}.png", prediction)


BROKEN = Result("broken.png", error=RadiographError("empty_file", "Empty."))


@pytest.mark.parametrize(
    ("views", "finding", "severity", "deciding"),
    [
        ([view(0.01), view(0.02)], "no_fracture_seen", None, 1),
        ([view(0.01), view(0.2)], "uncertain", None, 1),
        ([view(0.9), view(0.01), view(0.2)], "fracture_suspected", "hairline", 0),
        # Displacement may show in one plane only, be it the less suspicious one.
        ([view(0.9), view(0.6, "displaced")], "fracture_suspected", "displaced", 0),
        # What could not be judged cannot help to rule a fracture out.
        ([view(0.01), BROKEN], "uncertain", None, 0),
        ([view(0.01), view(0.99, refused=True)], "uncertain", None, 0),
        ([view(0.8), BROKEN], "fracture_suspected", "hairline", 0),
        ([BROKEN, view(0.99, refused=True)], "not_judged", None, None),
    ],
)
def test_the_most_suspicious_view_decides(views, finding, severity, deciding):
    study = combine(views)
    assert (study.finding, study.severity) == (finding, severity)
    assert study.deciding_view == deciding
    answer = study.to_dict()
    assert answer["finding"] == finding
    assert [v["name"] for v in answer["views"]] == [v.name for v in views]
    if deciding is None:
        assert answer["fracture_probability"] is answer["model_version"] is None
    else:
        expected = views[deciding].prediction.fracture_probability
        assert answer["fracture_probability"] == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("views", "codes"),
    [
        ([view(0.1), view(0.2)], []),
        ([view(0.1)], ["single_view"]),
        ([view(0.1), BROKEN], ["incomplete_study", "single_view"]),
        ([view(0.1), view(0.1)], ["repeated_view", "single_view"]),
        ([view(0.1), view(0.1), view(0.2)], ["repeated_view"]),
        ([BROKEN], ["incomplete_study"]),
    ],
)
def test_what_weakens_a_study_is_said(views, codes):
    assert [notice.code for notice in combine(views).warnings] == codes


@pytest.mark.parametrize(
    ("specificity", "views", "low"),
    [(0.95, 2, "90%"), (0.95, 3, "85%"), (0.4, 3, "0%")],
)
def test_the_price_in_specificity_is_bounded(specificity, views, low):
    config = _with_specificity(specificity)
    study = combine([view(0.01 * n, config=config) for n in range(1, views + 1)])
    text = f"{views} views lies between {low} and {specificity:.0%}"
    assert text in study.evidence
    assert "not measured" in study.evidence


def _showing(part: str | None, refused: bool = False) -> Result:
    found = view(0.1, refused=refused)
    parts = {part or "hand": 0.9 if part else 0.2}
    return Result("a", dataclasses.replace(found.prediction, body_parts=parts))


@pytest.mark.parametrize(
    ("views", "part"),
    [
        ([_showing("hand"), _showing("hand"), BROKEN], "hand"),
        ([_showing("hand"), _showing("elbow", refused=True)], "hand"),
        ([_showing("hand"), _showing("elbow")], None),
        ([_showing("hand"), _showing(None)], None),
        ([BROKEN], None),
    ],
)
def test_a_study_shows_the_part_that_all_its_views_show(views, part):
    study = combine(views)
    assert study.body_part == study.to_dict()["body_part"] == part


def test_a_study_needs_a_view():
    with pytest.raises(ValueError, match="at least one"):
        combine([])
