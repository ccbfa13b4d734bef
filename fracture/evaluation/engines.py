"""What each engine at hand makes of the same films: whether `auto` may take it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fracture.classifier import FractureClassifier
from fracture.data.datasets import DatasetError, load_examples, source_labels
from fracture.data.film_table import read_films
from fracture.data.splits import SPLIT_FILE, held_out, read_split
from fracture.engine import DEFAULT, ENGINES, EngineError
from fracture.evaluation import metrics
from fracture.evaluation.cohort import Cohort
from fracture.evaluation.evaluate import predict_films
from fracture.evaluation.metrics import Bootstrap
from fracture.radiograph import RadiographError


def measure_folder(weights: str | Path, data: str | Path) -> dict[str, dict]:
    """`measure_engines` on films that a training held out.

    They are its validation films, or its test films where it learned from those.

    Args:
        weights: folder, with the split.csv of the training.
        data: the films that it was trained with.

    Raises:
        DatasetError: the films cannot be used, or are others.
        WeightsError: the weights cannot.
    """
    names = read_split(Path(weights) / SPLIT_FILE)
    split = held_out(names.values())
    examples = [e for e in load_examples(data) if names.get(e.name) == split]
    if not examples:
        raise DatasetError(f"{data} holds none of the {split} films")
    films = read_films(examples)
    for example, film in zip(examples, films, strict=True):
        if isinstance(film, RadiographError):
            raise DatasetError(f"{example.name}: {film}")
    classifier = FractureClassifier.from_pretrained(weights)
    predictions = predict_films(classifier, films, DEFAULT)
    groups = np.array([example.group for example in examples])
    return measure_engines(weights, films, Cohort(examples, groups, predictions))


def measure_engines(
    folder: str | Path, films: Sequence[np.ndarray], reference: Cohort
) -> dict[str, dict]:
    """Runs every engine at hand on films and holds it against the default one.

    Args:
        folder: the weights.
        films: uint8 `(height, width)`.
        reference: the same films, predicted by the default engine.

    Returns:
        Engine -> its `version`; of how many `films` it `changed` the finding (share,
        [0, 1]); the largest difference of a probability and of a map's cell (log-odds);
        `fracture`: source -> AUROC and expected calibration error with intervals.
    """
    engines = {}
    for name in ENGINES:
        try:
            classifier = FractureClassifier.from_pretrained(folder, engine=name)
        except EngineError:
            continue
        found = reference
        if name != DEFAULT:
            predictions = predict_films(classifier, films, name)
            found = Cohort(reference.examples, reference.groups, predictions)
        engines[name] = {
            "version": classifier.engine.version,
            "films": len(films),
            "changed": round(float(np.mean(found.findings != reference.findings)), 6),
            "probability_difference": _gap(
                found.probabilities, reference.probabilities
            ),
            "map_difference": _gap(_maps(found), _maps(reference)),
            "fracture": _figures(found),
        }
    return engines


def _maps(films: Cohort) -> np.ndarray:
    return np.stack([prediction.grids for prediction in films.predictions])


def _gap(found: np.ndarray, reference: np.ndarray) -> float:
    return float(f"{np.abs(found - reference).max():.3g}")


def _figures(films: Cohort) -> dict[str, dict]:
    figures = {}
    for source, labels in sorted(source_labels(films.examples).items()):
        if "normal" not in labels or len(labels) < 2:
            continue
        part = films.where(example.source == source for example in films.examples)
        draws = Bootstrap(part.groups)
        figures[source] = {
            "auroc": draws.figure(metrics.auroc, part.fractured, part.score),
            "ece": draws.figure(
                metrics.expected_calibration_error, part.fractured, part.score
            ),
        }
    return figures
