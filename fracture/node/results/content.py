"""An answer as content items of a structured report, field by field.

A field that has no code of its own yet is written as text under its name, so that a
report never says less than the answer does.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from typing import Any

from highdicom.sr import (
    CodedConcept,
    ContainerContentItem,
    ContentSequence,
    Measurement,
    QualitativeEvaluation,
    RelationshipTypeValues,
    TextContentItem,
)

from fracture.classes import BODY_PARTS, CLASSES, FRACTURE_CLASSES
from fracture.node.results import codes
from fracture.node.results.codes import own
from fracture.prediction import Finding

# Field -> name, unit, and how many of the unit make 1.
NUMBERS = {
    "fracture_probability": (codes.PROBABILITY, codes.PERCENT, 100),
    "rule_out_threshold": (
        own("RULE_OUT", "No fracture seen below this probability"),
        codes.PERCENT,
        100,
    ),
    "rule_in_threshold": (
        own("RULE_IN", "Fracture suspected from this probability on"),
        codes.PERCENT,
        100,
    ),
    "novelty": (own("NOVELTY", "Novelty of the film, log-odds"), codes.NUMBER, 1),
    "film_width": (own("FILM_WIDTH", "Width of the film as read"), codes.PIXELS, 1),
    "film_height": (own("FILM_HEIGHT", "Height of the film as read"), codes.PIXELS, 1),
    "deciding_view": (
        own("DECIDING_VIEW", "Most suspicious of the source images, from 0"),
        codes.NUMBER,
        1,
    ),
}
# Field -> key -> name; all are probabilities.
TABLES = {
    "probabilities": {
        name: own(f"P_{name.upper()}", f"Probability of class {name}")
        for name in CLASSES
    },
    "body_parts": {
        part: own(f"SHOWS_{part.upper()}", f"Probability that the film shows: {part}")
        for part in BODY_PARTS
    },
}
# Field -> name, and value -> code.
CODES = {
    "finding": (
        own("FINDING", "Finding of the model"),
        {
            finding.value: own(value, finding.words)
            for finding, value in {
                Finding.NO_FRACTURE_SEEN: "NONE_SEEN",
                Finding.UNCERTAIN: "UNCERTAIN",
                Finding.FRACTURE_SUSPECTED: "SUSPECTED",
                Finding.NOT_JUDGED: "NOT_JUDGED",
            }.items()
        },
    ),
    "severity": (
        codes.SEVERITY,
        {
            name: own(name.upper(), f"{name.capitalize()} fracture more likely")
            for name in FRACTURE_CLASSES
        },
    ),
    "in_distribution": (
        own("KNOWN_KIND", "Film is of the kind the model knows"),
        {True: codes.YES, False: codes.NO},
    ),
}
TEXTS = {
    "summary": own("SUMMARY", "Finding in words"),
    "location": own("LOCATION", "Where the evidence lies"),
    "body_part": own("BODY_PART", "Likeliest body part"),
    "rule": own("RULE", "How the finding of the study comes about"),
    "evidence": own("EVIDENCE", "What is known about the rule"),
    "warnings": own("WARNING", "Warning"),
}
VIEW = own("VIEW", "View of the study")
# What means nothing of a film that was not judged.
_OF_JUDGED = (
    "fracture_probability",
    "probabilities",
    "location",
    "body_part",
    "body_parts",
    "peak_x",
    "peak_y",
)
_ELSEWHERE = ("model_version", "peak_x", "peak_y", "views")


@dataclasses.dataclass
class Content:
    """Content items of one answer.

    Attributes:
        measurements: numbers.
        evaluations: what is coded, the presence of a fracture first.
        texts: name and sentence.
    """

    measurements: list[Measurement] = dataclasses.field(default_factory=list)
    evaluations: list[QualitativeEvaluation] = dataclasses.field(default_factory=list)
    texts: list[tuple[CodedConcept, str]] = dataclasses.field(default_factory=list)

    @classmethod
    def of(cls, answer: dict) -> Content:
        """The items of `Prediction.to_dict()` or `Study.to_dict()`, in its order."""
        content = cls()
        finding = Finding(answer["finding"])  # type: ignore[call-arg]
        presence = codes.PRESENCES[finding]
        content.evaluations.append(QualitativeEvaluation(codes.PRESENCE, presence))
        silent = _OF_JUDGED if finding is Finding.NOT_JUDGED else ()
        for field, value in answer.items():
            if value is not None and field not in (*silent, *_ELSEWHERE):
                content._add(field, value)
        return content

    def _add(self, field: str, value: Any) -> None:
        if field in NUMBERS:
            self._measure(*NUMBERS[field], value)
        elif field in TABLES:
            for key, number in value.items():
                # Weights may name parts that this version has no word for.
                name = TABLES[field].get(key) or own(f"{field}_{key}".upper(), key)
                self._measure(name, codes.PERCENT, 100, number)
        elif field in CODES:
            name, values = CODES[field]
            self.evaluations.append(QualitativeEvaluation(name, values[value]))
        elif field == "warnings":
            notices = (f"{notice['code']}: {notice['message']}" for notice in value)
            self.texts += [(TEXTS[field], notice) for notice in notices]
        else:
            name = TEXTS.get(field) or own(field, f"Field {field} of the answer"[:64])
            text = value if isinstance(value, str) else json.dumps(value)
            self.texts.append((name, text))

    def _measure(
        self, name: CodedConcept, unit: CodedConcept, units: int, value: float
    ) -> None:
        # Answers have six decimals; as percentages these are four.
        scaled = round(units * value, 6)
        self.measurements.append(Measurement(name, scaled, unit))

    def container(self) -> ContainerContentItem | None:
        """The texts as rows 12 and 14 of TID 1500; None without any."""
        if not self.texts:
            return None
        contains = RelationshipTypeValues.CONTAINS
        container = ContainerContentItem(codes.TEXTS, relationship_type=contains)
        container.ContentSequence = ContentSequence(_texts(self.texts))
        return container


def _texts(texts: Iterable[tuple[CodedConcept, str]]) -> list[TextContentItem]:
    contains = RelationshipTypeValues.CONTAINS
    return [TextContentItem(name, text, contains) for name, text in texts]
