"""What guidelines describe after a finding, each step with its source.

Reference for clinicians, never advice to a patient: the model saw one film and knows
neither history nor examination. Steps are paraphrased and cite the guideline as a
whole; its current text decides. They stand in `guidance.json`.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

from fracture.prediction import Finding

DISCLAIMER = (
    "For clinicians, as a reference. Not advice for this patient, who was not examined "
    "here; the guideline's current text and the local pathway decide."
)


@dataclasses.dataclass(frozen=True)
class Source:
    """A guideline: its publisher, title, year and address."""

    publisher: str
    title: str
    year: int
    url: str


@dataclasses.dataclass(frozen=True)
class Step:
    """Something a guideline describes, and the guideline.

    Attributes:
        parts: body parts that it is about; empty for any.
    """

    text: str
    source: Source
    parts: frozenset[str] = frozenset()

    def to_dict(self) -> dict:
        """`text` and the fields of the source, flat."""
        return {"text": self.text, **dataclasses.asdict(self.source)}


def _load() -> dict[str, dict[str, tuple[Step, ...]]]:
    """Finding -> severity, or `ungraded` -> steps."""
    data = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf-8"))
    sources = {name: Source(**values) for name, values in data["sources"].items()}
    steps = {
        name: Step(
            step["text"], sources[step["source"]], frozenset(step.get("parts", ()))
        )
        for name, step in data["steps"].items()
    }
    return {
        finding: {
            severity: tuple(steps[name] for name in names)
            for severity, names in severities.items()
        }
        for finding, severities in data["findings"].items()
    }


_STEPS = _load()


def next_steps(
    finding: Finding, severity: str | None = None, body_part: str | None = None
) -> tuple[Step, ...]:
    """Reference steps for a finding, severity and body part, the most pressing first.

    Args:
        finding: of a `Prediction` or a `Study`.
        severity, body_part: as they come with the finding; without a clear part only
            the steps for any.

    Returns:
        Steps with their sources; none for a film that was not judged.
    """
    steps = _STEPS.get(finding, {}).get(severity or "ungraded", ())
    return tuple(step for step in steps if not step.parts or body_part in step.parts)
