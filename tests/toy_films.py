"""Labelled films whose predictions are made up, for figures that can be checked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from fracture.classes import CLASSES
from fracture.data.datasets import Example
from fracture.model.calibration import Calibration
from fracture.prediction import Prediction
from fracture.radiograph import Radiograph
from fracture.weights import WeightsConfig

CALIBRATION = Calibration(1.5, 0.4, 0.8, 0.1, 0.2, films=100)
POINTS = {"rule_out": 0.2, "rule_in": 0.6}
CORNER = (0.0, 0.0, 0.3, 0.3)
_CONFIG = WeightsConfig(
    Path(),
    {
        "input": {"shape": [96, 96, 1]},
        "heatmap_grid": {"first": 8, "step": 16},
        "operating_points": {k: {"threshold": v} for k, v in POINTS.items()},
        "calibration": CALIBRATION.to_dict(),
    },
)


def predict(
    probabilities: Sequence[float],
    peak: tuple[int, int] = (0, 1),
    body_parts: dict[str, float] | None = None,
) -> Prediction:
    """A prediction of a film of 60 x 96 pixels, its map strong in one cell of 6 x 6."""
    grids = np.zeros((4, 6, 6), np.float32)
    grids[:, peak[0] + 1, peak[1]] = 1  # the letterbox's first row is padding
    return Prediction(
        film=Radiograph(np.zeros((60, 96), np.uint8), (), {}),
        probabilities=dict(zip(CLASSES, probabilities, strict=True)),
        grids=grids,
        body_parts=body_parts or {},
        novelty=-1.0,
        config=_CONFIG,
    )


def example(index: int, source: str, label: str, **known) -> Example:
    """An example; nobody reads its file."""
    return Example(Path("x"), f"{source}/{index}.png", source, label, **known)


def draw_films(seed: int = 0, films: int = 120) -> tuple[list, list[str], list]:
    """Examples, groups and predictions of two sources, as the real ones label."""
    rng = np.random.default_rng(seed)
    examples, predictions = [], []
    for index in range(films):
        fractured, hand = index % 4 == 0, index % 3 == 0
        tags = {"hand" if hand else "leg"} | (
            {"hardware"} if index % 12 == 0 else set()
        )
        score = 1 / (1 + np.exp(-rng.normal(2.5 * fractured - 2, 1)))
        boxes = (CORNER,) if fractured else ()
        label = "fractured" if fractured else "normal"
        examples.append(
            example(index, "atlas", label, boxes=boxes, tags=frozenset(tags))
        )
        parts = {"hand": 0.8 if hand else 0.3, "leg": float(rng.random())}
        peak = (int(rng.integers(4)), 1)
        shares = (1 - score, score / 3, 2 * score / 3)
        predictions.append(predict(shares, peak, parts))
    for index in range(films // 4):
        displaced = float(
            np.clip(rng.normal(0.6 if index % 2 else 0.4, 0.2), 0.01, 0.99)
        )
        label = "displaced" if index % 2 else "hairline"
        examples.append(example(index, "severity", label))
        predictions.append(predict((0.1, 0.9 * (1 - displaced), 0.9 * displaced)))
    groups = [f"{e.source}-{i // 3}" for i, e in enumerate(examples)]
    return examples, groups, predictions
