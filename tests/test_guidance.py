"""Reference steps: one set for each finding, each step with its guideline."""

from types import SimpleNamespace

import pytest

from fracture.classes import FRACTURE_CLASSES
from fracture.guidance import DISCLAIMER, next_steps
from fracture.prediction import Finding
from fracture.rendering.fragments import piece

CASES = [
    *((name, None) for name in ("no_fracture_seen", "uncertain")),
    *(("fracture_suspected", severity) for severity in (None, *FRACTURE_CLASSES)),
]


def guidance(finding: str, severity: str | None) -> str:
    return piece("guidance", SimpleNamespace(finding=finding, severity=severity))


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


def test_displacement_asks_for_more_than_a_hairline():
    displaced = next_steps("fracture_suspected", "displaced")
    assert "neurological" in displaced[0].text
    assert any("Urgent orthopaedic review" in step.text for step in displaced)
    hairline = next_steps("fracture_suspected", "hairline")
    assert any("repeat radiographs" in step.text for step in hairline)


def test_a_film_that_was_not_judged_has_none():
    assert next_steps(Finding.NOT_JUDGED) == ()
    assert guidance(Finding.NOT_JUDGED, None) == ""
    assert DISCLAIMER
