"""How surely images that are no limb radiographs are told from films."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from fracture.classifier import FractureClassifier
from fracture.evaluation.cohort import Cohort
from fracture.evaluation.evaluate import predict_films
from fracture.evaluation.metrics import auroc, bootstrap, mean
from fracture.model.novelty import QUANTILE, NoveltyDetector


def novelty_figures(
    classifier: FractureClassifier,
    pictures: Mapping[str, Sequence[np.ndarray]],
    films: Mapping[str, Cohort],
) -> dict:
    """Measures what is not judged.

    Args:
        pictures: by kind, other draws than the detector was fitted on.
        films: by split; the pictures are set against `test`.

    Returns:
        `quantile` of the threshold; `kinds`: kind -> `n`, `auroc` against test films
        and the share `flagged`; `films_flagged`: split -> share.
    """
    known = np.array([prediction.novelty for prediction in films["test"].predictions])
    kinds = {}
    for kind, drawn in pictures.items():
        found = predict_films(classifier, drawn, kind)
        score = np.array([prediction.novelty for prediction in found])
        kinds[kind] = {
            "n": len(found),
            "auroc": _auroc(films["test"].groups, known, score),
            "flagged": bootstrap(mean, np.arange(len(score)), score > 0),
        }
    return {
        "quantile": QUANTILE,
        "kinds": kinds,
        "films_flagged": {
            split: bootstrap(
                mean, part.groups, [not p.in_distribution for p in part.predictions]
            )
            for split, part in films.items()
        },
    }


def unseen_kinds(
    films: np.ndarray,
    strange: Mapping[str, np.ndarray],
    test: np.ndarray,
    groups: Sequence[str],
    components: int,
) -> dict[str, dict]:
    """AUROC of each kind by a detector that was fitted without it.

    What the detector does with pictures nobody thought of is nearer to this than to
    its figures on kinds that it was fitted on.

    Args:
        films: embeddings of training films.
        strange: kind -> embeddings of pictures that are no radiographs.
        test: embeddings of test films, their groups beside them.
        components: of the detector.
    """
    figures = {}
    for kind, found in strange.items():
        if others := [strange[other] for other in strange if other != kind]:
            detector = NoveltyDetector.fit(films, np.concatenate(others), components)
            figures[kind] = _auroc(groups, detector.score(test), detector.score(found))
    return figures


def _auroc(groups: Sequence[str], known: np.ndarray, strange: np.ndarray) -> dict:
    """Pictures against films; every picture is a group of its own."""
    alone = [f"picture-{index}" for index in range(len(strange))]
    truth = np.arange(len(known) + len(strange)) >= len(known)
    score = np.concatenate([known, strange])
    return bootstrap(auroc, [*groups, *alone], truth, score)
