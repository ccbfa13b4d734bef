"""What held-out networks say, as the predictions that every figure is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fracture.classes import CLASSES, MAPS
from fracture.folds.held_out import HeldOut
from fracture.model.calibration import Calibration, Serving
from fracture.model.network import map_grid
from fracture.model.recipe import Recipe
from fracture.prediction import Prediction
from fracture.radiograph import Radiograph
from fracture.weights import WeightsConfig


def serve(held: HeldOut, sets: np.ndarray) -> Serving:
    """Calibration and thresholds from films that the networks never saw.

    Args:
        sets: of the same films, `(n, 2, 3)`.
    """
    return Serving.fit(held.logits, held.evidence, sets, held.novelty)


def cross_calibrate(held: HeldOut, sets: np.ndarray) -> dict[int, Calibration]:
    """For each fold what the other folds say, so that no film calibrates itself."""
    folds, evidence = np.unique(held.fold), held.evidence
    if len(folds) == 1:
        return {int(folds[0]): Calibration.fit(held.logits, evidence, sets)}
    return {
        int(fold): Calibration.fit(held.logits[others], evidence[others], sets[others])
        for fold in folds
        for others in [held.fold != fold]
    }


def predictions(
    held: HeldOut,
    films: Sequence[np.ndarray],
    recipe: Recipe,
    serving: Serving,
    calibrations: Mapping[int, Calibration],
) -> list[Prediction]:
    """One prediction per film, as the exported networks would make it.

    There are no body parts and no maps of single classes: folds do not keep them.

    Args:
        films: uint8 `(height, width)`.
        serving: gives the thresholds.
        calibrations: of each fold's network.
    """
    grid = map_grid(recipe, held.maps.shape[1])
    values = {
        "input": {"shape": [recipe.image_size, recipe.image_size, 1]},
        "heatmap_grid": {"first": grid.first, "step": grid.step},
        "heatmap_reference": serving.heatmap_reference,
        "operating_points": serving.operating_points,
    }
    configs = {
        fold: WeightsConfig(Path(), {**values, "calibration": calibration.to_dict()})
        for fold, calibration in calibrations.items()
    }
    answers, evidence = [], held.evidence
    for index, film in enumerate(films):
        fold = int(held.fold[index])
        film_alone = slice(index, index + 1)
        logits = held.logits[film_alone].astype(float)
        (shares,) = calibrations[fold].probabilities(logits, evidence[film_alone])
        grids = np.zeros((len(MAPS), *held.maps.shape[1:]), np.float32)
        grids[MAPS.index("fracture")] = held.maps[index]
        answers.append(
            Prediction(
                # Its shape alone: thousands of films fit into memory.
                Radiograph(np.broadcast_to(np.uint8(0), film.shape), (), {}),
                dict(zip(CLASSES, map(float, shares), strict=True)),
                grids,
                {},
                float(held.novelty[index]) - serving.novelty_threshold,
                configs[fold],
            )
        )
    return answers
