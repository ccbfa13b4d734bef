"""The most confident errors, each described in a sentence."""

from __future__ import annotations

from fracture.classes import BODY_PARTS
from fracture.data.datasets import Example
from fracture.evaluation.cohort import Cohort
from fracture.evaluation.localisation import box_area, box_size
from fracture.prediction import Finding, Prediction

_MOST = 6  # of each kind
_VIEWS = ("frontal", "lateral", "oblique")


def describe_failures(cohort: Cohort) -> dict[str, list[dict]]:
    """The fractured films ruled out and the normal films ruled in, surest first.

    Returns:
        `missed` and `false_alarms`, at most six films each: `name`,
        `fracture_probability`, `tags`, `box_area` (of the largest box, as a share of
        the film; None without boxes) and a `sentence`.
    """
    films = sorted(
        zip(cohort.examples, cohort.predictions, strict=True),
        key=lambda film: (film[1].fracture_probability, film[0].name),
    )
    missed = [
        _describe(example, prediction)
        for example, prediction in films
        if example.label != "normal" and prediction.finding is Finding.NO_FRACTURE_SEEN
    ]
    alarms = [
        _describe(example, prediction)
        for example, prediction in reversed(films)
        if example.label == "normal"
        and prediction.finding is Finding.FRACTURE_SUSPECTED
    ]
    return {"missed": missed[:_MOST], "false_alarms": alarms[:_MOST]}


def _describe(example: Example, prediction: Prediction) -> dict:
    probability = round(prediction.fracture_probability, 4)
    area = round(box_area(example), 5) or None
    parts = [part for part in BODY_PARTS if part in example.tags]
    views = [view for view in _VIEWS if view in example.tags]
    rest = sorted(example.tags.difference(parts, views))
    facts = [
        f"labelled {example.label}",
        *([" and ".join(parts)] if parts else []),
        *([f"{' and '.join(views)} view"] if views else []),
        *rest,
    ]
    if area:
        boxes = len(example.boxes)
        marked = "a marked region" if boxes == 1 else f"{boxes} marked regions, one"
        facts.append(
            f"{marked} of {100 * area:.1f} % of the film ({box_size(example)})"
        )
    sentence = (
        f"{', '.join(facts)}: {prediction.finding.words.lower()}, with a fracture "
        f"probability of {probability:.3f}."
    )
    return {
        "name": example.name,
        "fracture_probability": probability,
        "tags": sorted(example.tags),
        "box_area": area,
        "sentence": sentence[0].upper() + sentence[1:],
    }
