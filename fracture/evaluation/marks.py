"""Are the marks where the fractures are, and how many are elsewhere? (FROC)

A free-response curve (Bunch et al., 1978): the share of annotated boxes that have a
mark, against the marks of a film that have no box, while the score that a mark needs
falls. A box counts once, further marks on it are neither right nor wrong.
"""

from __future__ import annotations

import numpy as np

from fracture.evaluation.cohort import Cohort
from fracture.evaluation.localisation import BOX_SIZES, TOLERANCE, box_name
from fracture.evaluation.metrics import Bootstrap

FALSE_MARKS = (0.25, 0.5, 1.0)  # of a film, at which sensitivities are read off
_OVERLAP = 0.1  # intersection over union
_ALL = -0.5  # below any mark's score, and above that of a box without a mark
# When a mark has a box: its centre lies inside, or within 15 pixels of the network's
# square, as in the pointing game; or both share a tenth of what they cover.
HITS = ("strict", "tolerant", "overlap")


def mark_figures(films: Cohort) -> dict:
    """Sensitivity of marks to boxes, by how a mark meets a box.

    Args:
        films: all of a source, normal ones too: their marks are false. Films with a
            fracture and no box are left out, as nobody knows where it is.

    Returns:
        `films`, `boxes`, `marks_per_film`; for each of `HITS` the sensitivities at each
        of `FALSE_MARKS` as `at_0.25` and so on, `at_most` (all marks), their
        `false_per_film` and the `curve`; of `tolerant` also `by_size`.
    """
    known = [bool(e.boxes) or e.label == "normal" for e in films.examples]
    films = films.where(known)
    draws = Bootstrap(films.groups)
    marks = [len(prediction.marks) for prediction in films.predictions]
    figures = {
        "films": len(films.examples),
        "boxes": sum(len(example.boxes) for example in films.examples),
        "marks_per_film": round(float(np.mean(marks)), 4),
    }
    for hit in HITS:
        table = _Table(films, hit)
        figures[hit] = {**table.figures(draws), "curve": table.curve()}
        if hit == "tolerant":
            figures[hit]["by_size"] = {
                size: table.figures(draws, size)
                for size in BOX_SIZES
                if (table.sizes == size).any()
            }
    return figures


class _Table:
    """Boxes with the best score of a mark that has them, and marks that have none."""

    def __init__(self, films: Cohort, hit: str):
        scores, owners, sizes, false, false_owners = [], [], [], [], []
        self.films = len(films.examples)
        rows = zip(films.examples, films.predictions, strict=True)
        for index, (example, prediction) in enumerate(rows):
            meets = _meets(example.boxes, prediction, hit)
            values = np.array([mark.score for mark in prediction.marks])
            for box, met in zip(example.boxes, meets.T, strict=True):
                scores.append(values[met].max(initial=-1.0))
                owners.append(index)
                sizes.append(box_name(box))
            missed = values[~meets.any(1)].tolist()
            false += missed
            false_owners += [index] * len(missed)
        self.scores, self.owners = np.array(scores), np.array(owners, int)
        self.sizes = np.array(sizes)
        order = np.argsort(-np.array(false), kind="stable")
        self.false = np.array(false)[order]
        self.false_owners = np.array(false_owners, int)[order]

    def figures(self, draws: Bootstrap, size: str | None = None) -> dict:
        """The sensitivities, of boxes of one size or of all."""
        chosen = np.ones(len(self.scores), bool) if size is None else self.sizes == size
        found = {"boxes": int(chosen.sum())}
        for rate in (*FALSE_MARKS, None):
            name = "at_most" if rate is None else f"at_{rate:g}"
            found[name] = draws.figure(
                lambda weights, rate=rate: self._sensitivity(weights, rate, chosen),
                n=found["boxes"],
            )
        false = len(self.false) / self.films
        return found | {"false_per_film": round(false, 4)}

    def _sensitivity(
        self, weights: np.ndarray, rate: float | None, chosen: np.ndarray
    ) -> np.ndarray:
        """One value for each draw: its own threshold, from its own false marks."""
        threshold = np.full(len(weights), _ALL)
        if rate is not None:
            allowed = rate * weights.sum(1, keepdims=True) + 1e-9
            count = np.cumsum(weights[:, self.false_owners], axis=1)
            threshold = np.append(self.false, _ALL)[(count <= allowed).sum(1)]
        boxes = weights[:, self.owners] * chosen
        hit = (boxes * (self.scores > threshold[:, None])).sum(1)
        with np.errstate(invalid="ignore"):
            return hit / boxes.sum(1)

    def curve(self) -> dict[str, list[float]]:
        """Points of the whole curve: false marks of a film, and sensitivity."""
        steps = np.unique(np.linspace(0, len(self.false), 101).astype(int))
        total = max(len(self.scores), 1)
        sensitivities = [
            float(
                (self.scores > (self.false[s] if s < len(self.false) else -0.5)).sum()
            )
            for s in steps
        ]
        return {
            "false_per_film": (steps / self.films).round(4).tolist(),
            "sensitivity": (np.array(sensitivities) / total).round(4).tolist(),
        }


def _meets(boxes: tuple, prediction, hit: str) -> np.ndarray:
    """Which mark has which box: bool `(marks, boxes)`."""
    height, width = prediction.film.pixels.shape
    box = np.array(boxes, float).reshape(1, -1, 4) * (width, height, width, height)
    mark = np.array([(m.x0, m.y0, m.x1, m.y1) for m in prediction.marks], float)
    mark = mark.reshape(-1, 1, 4)
    if hit == "overlap":
        start = np.maximum(mark[..., :2], box[..., :2])
        both = np.maximum(np.minimum(mark[..., 2:], box[..., 2:]) - start, 0).prod(-1)
        areas = ((part[..., 2:] - part[..., :2]).prod(-1) for part in (mark, box))
        return both >= _OVERLAP * (sum(areas) - both)
    centre = (mark[..., :2] + mark[..., 2:]) / 2
    away = np.maximum(np.maximum(box[..., :2] - centre, centre - box[..., 2:]), 0)
    pixels = TOLERANCE * max(height, width) / prediction.config.image_size
    return np.hypot(*np.moveaxis(away, -1, 0)) <= (pixels if hit == "tolerant" else 0)
