"""Does the heatmap point at the annotated fracture, and better than chance would?"""

from __future__ import annotations

import dataclasses

import numpy as np
from scipy.stats import norm

from fracture.data.datasets import Example
from fracture.data.example import Box
from fracture.evaluation.cohort import Cohort
from fracture.evaluation.metrics import Bootstrap, mean
from fracture.explanation import locate
from fracture.prediction import Prediction

# The largest box's area as a share of the film -> what it is called, below that share.
BOX_SIZES = {"small": 0.005, "medium": 0.02, "large": float("inf")}
TOLERANCE = 15  # pixels of the network's square


def box_area(example: Example) -> float:
    """Area of the largest box as a share of the film; 0 without boxes."""
    return max(((x1 - x0) * (y1 - y0) for x0, y0, x1, y1 in example.boxes), default=0.0)


def box_size(example: Example) -> str | None:
    """Key of `BOX_SIZES`; None without boxes."""
    area = box_area(example)
    return _name(area) if area else None


def box_name(box: Box) -> str:
    """Key of `BOX_SIZES`, of one box."""
    x0, y0, x1, y1 = box
    return _name((x1 - x0) * (y1 - y0))


def _name(area: float) -> str:
    return next(name for name, end in BOX_SIZES.items() if area < end)


def localisation_figures(films: Cohort) -> dict:
    """How often the map's maximum meets a box, and how much of the map lies inside.

    The pointing game counts films whose maximum lies inside a box;
    `pointing_game_tolerant` also those up to 15 pixels away, as its authors do (Zhang
    et al., IJCV 2018), here pixels of the network's square. `energy_inside` is the
    share of the map inside the boxes. What they are worth shows against pointing at a
    random pixel (`area_chance`), at the film's centre (`centre_guess`) and at the mean
    place of the other groups' boxes (`prior_guess`; `prior_energy` is that of a
    Gaussian fitted to those places).

    Args:
        films: those without boxes are left out.

    Returns:
        `films`, a figure for each measure and a number for each comparison; the same
        for each size of box under `by_size`.
    """
    films = films.where(bool(example.boxes) for example in films.examples)
    rows = list(map(_meet, films.examples, films.predictions, _priors(films)))
    columns = {key: np.array([row[key] for row in rows], float) for key in rows[0]}
    sizes = np.array([box_size(example) for example in films.examples])
    return {
        **_figures(columns, films.groups),
        "by_size": {
            name: _figures({k: v[sizes == name] for k, v in columns.items()}, chosen)
            for name in BOX_SIZES
            if len(chosen := films.groups[sizes == name])
        },
    }


_MEASURES = ("pointing_game", "pointing_game_tolerant", "energy_inside")


def _figures(columns: dict[str, np.ndarray], groups: np.ndarray) -> dict:
    draws = Bootstrap(groups)
    return {
        "films": len(groups),
        **{
            key: draws.figure(mean, column)
            if key in _MEASURES
            else round(float(column.mean()), 4)
            for key, column in columns.items()
        },
    }


def _meet(example: Example, prediction: Prediction, prior: np.ndarray) -> dict:
    """What map and comparisons get on one film: hits and shares."""
    # A copy's maps are forgotten with it; the prediction would keep all four.
    heatmap = dataclasses.replace(prediction).heatmap
    height, width = heatmap.shape
    pixels = TOLERANCE * max(height, width) / prediction.config.image_size
    inside, near = (_mask(example, height, width, reach) for reach in (0, pixels))
    # Two straight profiles whose product is the Gaussian of the prior.
    y_profile, x_profile = (
        norm.pdf((np.arange(side) + 0.5) / side, *moments)
        for side, moments in ((height, prior[:, 1]), (width, prior[:, 0]))
    )
    prior_sum = y_profile.sum() * x_profile.sum()
    x, y = locate(heatmap)
    middle = height // 2, width // 2
    mean_place = int(prior[0, 1] * height), int(prior[0, 0] * width)
    return {
        "pointing_game": heatmap[y, x] > 0 and inside[y, x],
        "pointing_game_tolerant": heatmap[y, x] > 0 and near[y, x],
        "energy_inside": heatmap[inside].sum() / max(heatmap.sum(), 1e-12),
        "area_chance": inside.mean(),
        "area_chance_tolerant": near.mean(),
        "centre_guess": inside[middle],
        "centre_guess_tolerant": near[middle],
        "prior_guess": inside[mean_place],
        "prior_guess_tolerant": near[mean_place],
        "prior_energy": y_profile @ inside @ x_profile / prior_sum,
    }


def _mask(example: Example, height: int, width: int, reach: float) -> np.ndarray:
    """Bool `(height, width)`: pixels in a box or at most `reach` pixels from one."""
    mask = np.zeros((height, width), bool)
    for x0, y0, x1, y1 in example.boxes:
        across, down = _distance(width, x0, x1), _distance(height, y0, y1)
        mask |= down[:, None] ** 2 + across**2 <= reach**2
    return mask


def _distance(side: int, start: float, end: float) -> np.ndarray:
    """Pixels from each of `side` positions to a stretch given in fractions."""
    first = int(start * side)
    last = max(first + 1, round(end * side)) - 1  # a thin box still has a pixel
    position = np.arange(side)
    return np.maximum(0, np.maximum(first - position, position - last))


def _priors(films: Cohort) -> list[np.ndarray]:
    """For each film mean and deviation of the other groups' box centres: `(2, x y)`."""
    centres = [
        np.array([((x0 + x1) / 2, (y0 + y1) / 2) for x0, y0, x1, y1 in example.boxes])
        for example in films.examples
    ]
    priors = {}
    for group in np.unique(films.groups):
        others = [centres[i] for i in np.flatnonzero(films.groups != group)]
        # Without others: the middle, and half the film within one deviation.
        places = np.concatenate(others or [[[0.25] * 2, [0.75] * 2]])
        priors[group] = np.stack([places.mean(0), np.maximum(places.std(0), 0.01)])
    return [priors[group] for group in films.groups]
