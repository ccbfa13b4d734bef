"""The finding of a film: what follows from its probabilities and its novelty."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Literal

from fracture.classes import FRACTURE_CLASSES

Severity = Literal[FRACTURE_CLASSES]  # type: ignore[valid-type]


class Finding(str, enum.Enum):
    """What is said of a film or a study. A member is the string that JSON holds.

    Attributes:
        words: the same for people.
    """

    words: str

    NO_FRACTURE_SEEN = "no_fracture_seen", "No fracture seen"
    UNCERTAIN = "uncertain", "Uncertain: needs a reader"
    FRACTURE_SUSPECTED = "fracture_suspected", "Fracture suspected"
    NOT_JUDGED = "not_judged", "Not judged: unlike the films this model knows"

    def __new__(cls, value: str, words: str) -> Finding:
        """A member of a value, with its words."""
        member = str.__new__(cls, value)
        member._value_, member.words = value, words
        return member

    __str__ = str.__str__

    def summary(self, severity: str | None) -> str:
        """The finding in words, with the severity that comes with it."""
        return f"{self.words}, {severity} more likely" if severity else self.words


FINDINGS = {finding.value: finding.words for finding in Finding}


def decide(
    fracture_probability: float, novelty: float, points: Mapping[str, float]
) -> Finding:
    """The finding of a film.

    Args:
        fracture_probability: in [0, 1].
        novelty: log-odds relative to a threshold; a film above 0 is not judged.
        points: no fracture is seen below `rule_out`, one is suspected from `rule_in`
            on; both are fracture probabilities in [0, 1].
    """
    if not novelty <= 0:
        return Finding.NOT_JUDGED
    if fracture_probability >= points["rule_in"]:
        return Finding.FRACTURE_SUSPECTED
    if fracture_probability < points["rule_out"]:
        return Finding.NO_FRACTURE_SEEN
    return Finding.UNCERTAIN


def grade(finding: Finding, probabilities: Mapping[str, float]) -> Severity | None:
    """The likelier of `FRACTURE_CLASSES` where a fracture is suspected.

    None for any other finding, and where the model does not tell the classes apart.
    """
    likelihoods = {probabilities[name] for name in FRACTURE_CLASSES}
    if finding is not Finding.FRACTURE_SUSPECTED or len(likelihoods) == 1:
        return None
    return max(FRACTURE_CLASSES, key=probabilities.__getitem__)
