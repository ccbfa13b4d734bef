"""What the shipped model does on films it has not seen, with intervals.

Everything is computed from `Prediction`s, so the exported graph, the reader and the
letterbox are under test, not a Keras model behind them.
"""

from __future__ import annotations

import collections
from collections.abc import Sequence

import numpy as np
from tqdm import tqdm

from fracture.classes import BODY_PARTS, CLASSES, FRACTURE_CLASSES
from fracture.classifier import FractureClassifier
from fracture.data.datasets import Example, source_labels
from fracture.evaluation import metrics
from fracture.evaluation.cohort import Cohort, cross_table
from fracture.evaluation.fracture_figures import fracture_figures
from fracture.evaluation.localisation import box_area, box_size, localisation_figures
from fracture.evaluation.marks import mark_figures
from fracture.evaluation.metrics import Bootstrap
from fracture.prediction import Finding, Prediction

_FAILURES = 6  # of each kind that are described
_VIEWS = ("frontal", "lateral", "oblique")


def predict_films(
    classifier: FractureClassifier, films: Sequence[np.ndarray], description: str
) -> list[Prediction]:
    """Predicts films (uint8 `(height, width)`) with a progress bar."""
    stream = classifier.stream(films)
    return list(tqdm(stream, desc=description, total=len(films), unit="film"))


def evaluate(
    examples: Sequence[Example],
    groups: Sequence[str],
    predictions: Sequence[Prediction],
) -> dict:
    """All figures of a set of films, each within one source.

    Returns:
        Plain JSON types. `films`: source -> label -> finding -> count. Source ->
        figures under `fracture` (sources with normal and fractured films), `severity`
        (hairline against displaced), `classes` (sources that label all three) and
        `localisation` and `marks` (films with boxes). `body_part`: part -> figures;
        `likeliest_part`: how often it is right on films that show exactly one, if any;
        `failures`: the most confident errors; `draws` of the bootstrap; `heatmap_step`:
        pixels of the network's square from cell to cell. A figure is
        `{"value", "ci95", "n"}` with the films it is about; counts and chances are
        numbers.
    """
    labels_of = source_labels(examples)
    films = Cohort(list(examples), np.asarray(groups), list(predictions))
    sections = ("films", "fracture", "severity", "classes", "localisation", "marks")
    report: dict = {section: {} for section in sections}
    for source, labels in sorted(labels_of.items()):
        part = films.where(example.source == source for example in examples)
        report["films"][source] = {
            label: collections.Counter(part.findings[part.labels == label].tolist())
            for label in sorted(labels)
        }
        if "normal" in labels and len(labels) > 1:
            report["fracture"][source] = fracture_figures(part)
        if set(CLASSES) <= labels:
            known = part.where(np.isin(part.labels, CLASSES))
            called = known.probabilities.argmax(1)
            report["classes"][source] = _class_figures(known, called, CLASSES)
        if any(example.boxes for example in part.examples):
            report["localisation"][source] = localisation_figures(part)
            report["marks"][source] = mark_figures(part)
    report["severity"] = severity_figures(films)
    report["draws"] = metrics.DRAWS
    report["heatmap_step"] = predictions[0].config.heatmap_grid[1]
    report["body_part"] = _body_part_figures(films)
    report["likeliest_part"] = _likeliest_part(films)
    speaking = films.where("normal" in labels_of[e.source] for e in examples)
    report["failures"] = _describe_failures(speaking)
    return report


def severity_figures(films: Cohort) -> dict[str, dict]:
    """Hairline against displaced, given that there is a fracture.

    Returns:
        Source -> figures, of the sources that tell them apart.
    """
    figures = {}
    for source, labels in sorted(source_labels(films.examples).items()):
        if set(FRACTURE_CLASSES) <= labels:
            known = np.isin(films.labels, FRACTURE_CLASSES)
            of_source = [example.source == source for example in films.examples]
            figures[source] = _severity_figures(films.where(known & of_source))
    return figures


def _severity_figures(films: Cohort) -> dict:
    _, hairline, displaced = films.probabilities.T
    score = displaced / np.maximum(hairline + displaced, 1e-12)
    truth = films.labels == "displaced"
    return {
        "displaced": int(truth.sum()),
        "auroc": metrics.bootstrap(metrics.auroc, films.groups, truth, score),
        **_class_figures(films, (score >= 0.5).astype(int), FRACTURE_CLASSES),
    }


def _class_figures(films: Cohort, called: np.ndarray, classes: tuple[str, ...]) -> dict:
    """The published system's table; `called` holds indices into `classes`.

    Averages are over classes, kappa is quadratic.
    """
    truth = np.array([classes.index(label) for label in films.labels])
    draws, share = Bootstrap(films.groups), metrics.macro(metrics.share)
    return {
        "films": len(truth),
        "accuracy": draws.share(called == truth),
        "macro_precision": draws.figure(share, truth, called),
        "macro_recall": draws.figure(share, called, truth),
        "macro_f1": draws.figure(metrics.macro(metrics.f1), truth, called),
        "kappa": draws.figure(metrics.kappa, truth, called),
        "confusion": cross_table(truth, called, classes, classes),
    }


def _body_part_figures(films: Cohort) -> dict:
    """How well the second output names the parts that a source's tags name."""
    films = films.where(
        bool(example.tags & set(BODY_PARTS)) and bool(prediction.body_parts)
        for example, prediction in zip(films.examples, films.predictions, strict=True)
    )
    draws, figures = Bootstrap(films.groups), {}
    for part in films.predictions[0].body_parts if films.predictions else ():
        truth = np.array([part in example.tags for example in films.examples])
        score = np.array([p.body_parts[part] for p in films.predictions])
        figures[part] = {
            "n": len(truth),
            "positive": int(truth.sum()),
            "auroc": draws.figure(metrics.auroc, truth, score),
            "sensitivity": draws.share(score >= 0.5, among=truth),
            "specificity": draws.share(score < 0.5, among=~truth),
        }
    return figures


def _likeliest_part(films: Cohort) -> dict:
    """Share of the films showing exactly one part whose likeliest part is that one."""
    one = films.where(
        len(example.tags.intersection(BODY_PARTS)) == 1 and bool(prediction.body_parts)
        for example, prediction in zip(films.examples, films.predictions, strict=True)
    )
    said = [max(p.body_parts, key=p.body_parts.__getitem__) for p in one.predictions]
    right = [part in e.tags for part, e in zip(said, one.examples, strict=True)]
    return Bootstrap(one.groups).share(np.array(right)) if right else {}


def _describe_failures(cohort: Cohort) -> dict[str, list[dict]]:
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
    return {"missed": missed[:_FAILURES], "false_alarms": alarms[:_FAILURES]}


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
