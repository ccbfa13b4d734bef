"""Reference steps: one set for each finding, each step with its guideline."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from fracture.classes import BODY_PARTS, FRACTURE_CLASSES
from fracture.guidance import DISCLAIMER, next_steps
from fracture.prediction import Finding
from fracture.rendering.fragments import piece

STEPS = Path(__file__).parents[1] / "fracture" / "guidance.json"
CASES = [
    *((name, None) for name in ("no_fracture_seen", "uncertain")),
    *(("fracture_suspected", severity) for severity in (None, *FRACTURE_CLASSES)),
]


def guidance(finding: str, severity: str | None, part: str | None = None) -> str:
    found = SimpleNamespace(finding=finding, severity=severity, body_part=part)
    return piece("guidance", found)


@pytest.mark.parametrize(("finding", "severity"), CASES)
def test_every_finding_has_steps_with_their_source(finding, severity):
    steps = [step.to_dict() for step in next_steps(finding, severity)]
    assert steps
    for step in steps:
        assert step["url"].startswith("https://")
        assert step["publisher"] and step["title"] and 2000 < step["year"] < 2030
        # Described, not ordered, and never addressed to the patient.
        assert not {"you", "your", "must"} & set(step["text"].lower().split())
    page = guidance(finding, severity)
    assert page.count("<li>") == len(steps)
    assert "Not advice for this patient" in page


@pytest.mark.parametrize(("finding", "severity"), CASES)
@pytest.mark.parametrize("part", [None, *BODY_PARTS])
def test_steps_are_those_of_the_part(finding, severity, part):
    """Those for any part, and for this one; no other part's."""
    general = next_steps(finding, severity)
    steps = next_steps(finding, severity, part)
    assert set(general) <= set(steps)
    assert all(part in step.parts for step in set(steps) - set(general))
    assert not any(step.parts for step in general)


def test_parts_of_steps_are_parts_that_data_may_name():
    steps = json.loads(STEPS.read_text(encoding="utf-8"))["steps"].values()
    named = {part for step in steps for part in step.get("parts", ())}
    assert named and named <= set(BODY_PARTS)


@pytest.mark.parametrize(
    ("part", "named", "missing"),
    [
        ("hand", ["Suspected scaphoid", "Hand or wrist"], ["Hip"]),
        ("hip", ["Hip still suspected"], ["scaphoid", "Hand"]),
        ("shoulder", [], ["scaphoid", "Hand", "Hip"]),
        (None, [], ["scaphoid", "Hand", "Hip"]),
    ],
)
def test_a_hand_gets_no_hip_step(part, named, missing):
    text = " ".join(step.text for step in next_steps("uncertain", None, part))
    assert all(words in text for words in ["written report", *named])
    assert not any(words in text for words in missing)
    shown = guidance("uncertain", None, part)
    assert all(words in shown for words in named)


def test_displacement_asks_for_more_than_a_hairline():
    displaced = next_steps("fracture_suspected", "displaced")
    assert "neurological" in displaced[0].text
    assert any("Urgent orthopaedic review" in step.text for step in displaced)
    hairline = next_steps("fracture_suspected", "hairline", "wrist")
    assert any("repeat radiographs" in step.text for step in hairline)


def test_a_film_that_was_not_judged_has_none():
    assert next_steps(Finding.NOT_JUDGED) == ()
    assert guidance(Finding.NOT_JUDGED, None) == ""
    assert DISCLAIMER
