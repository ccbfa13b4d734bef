"""What the classifier says of one film, and why."""

from __future__ import annotations

import dataclasses
import functools
from typing import TypedDict

import numpy as np
from PIL import Image

from fracture.classes import CLASSES, CLEAR_PART, MAPS
from fracture.explanation import describe_location, draw_marks, draw_overlay, locate
from fracture.prediction.field import Field, answer
from fracture.prediction.finding import Finding, Severity, decide, grade
from fracture.prediction.marks import Mark, find_marks
from fracture.radiograph import Letterbox, Notice, Radiograph
from fracture.weights import WeightsConfig

_UNLIKE = Notice(
    "out_of_distribution",
    "This does not look like the limb radiographs the model was trained on; it gives "
    "no finding, and its probabilities mean nothing here.",
)


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """What the classifier says of one film, and why.

    Attributes:
        film: the film as it was read.
        probabilities: calibrated, class -> [0, 1], sum 1.
        grids: float32 `(4, rows, columns)`, one Grad-CAM map per entry of
            `fracture.classes.MAPS` over the network's square; >= 0, log-odds per cell.
        body_parts: part -> probability that the film shows it, [0, 1], for the parts
            that the weights name; empty where training films named none.
        novelty: log-odds that this is no film of the kind the model was trained on,
            relative to the threshold that 99 % of validation films stay below.
        config: of the weights that made the prediction.
    """

    film: Radiograph
    probabilities: dict[str, float]
    grids: np.ndarray
    body_parts: dict[str, float]
    novelty: float
    config: WeightsConfig

    @property
    def fracture_probability(self) -> float:
        """1 - P(normal), in [0, 1]."""
        return 1 - self.probabilities["normal"]

    @property
    def finding(self) -> Finding:
        """What `decide` says at the operating points of the weights."""
        points = self.config.operating_points
        return decide(self.fracture_probability, self.novelty, points)

    @property
    def severity(self) -> str | None:
        """What `grade` says: `hairline`, `displaced` or None."""
        return grade(self.finding, self.probabilities)

    @property
    def in_distribution(self) -> bool:
        """Whether the film resembles what the model was trained on."""
        return self.finding is not Finding.NOT_JUDGED

    @property
    def body_part(self) -> str | None:
        """The likeliest part; None where no part is clear or the film is not judged."""
        part, probability = max(
            self.body_parts.items(), key=lambda item: item[1], default=(None, 0.0)
        )
        return part if probability >= CLEAR_PART and self.in_distribution else None

    @property
    def warnings(self) -> tuple[Notice, ...]:
        """Notices of the reader, and `out_of_distribution`."""
        return (*self.film.warnings, *(() if self.in_distribution else (_UNLIKE,)))

    @property
    def model_version(self) -> str:
        """Name, version and checksum of the weights."""
        return self.config.model_version

    @property
    def summary(self) -> str:
        """The finding in words."""
        return self.finding.summary(self.severity)

    @property
    def location(self) -> str:
        """Where the evidence of a fracture lies, in a sentence."""
        return describe_location(self.heatmap, self.config.heatmap_reference)

    @functools.cached_property
    def peak(self) -> tuple[int, int]:
        """`(x, y)` of the strongest evidence, in pixels of the film."""
        return locate(self.heatmap)

    @functools.cached_property
    def marks(self) -> tuple[Mark, ...]:
        """Where a fracture may be, the surest first; at most five.

        None where no fracture was seen or the film was not judged.
        """
        if self.finding in (Finding.NO_FRACTURE_SEEN, Finding.NOT_JUDGED):
            return ()
        config, (height, width) = self.config, self.film.pixels.shape
        return find_marks(
            Letterbox(height, width, config.image_size),
            self.grids[MAPS.index("fracture")],
            config.heatmap_grid,
            self.fracture_probability,
            config.marks,
        )

    @property
    def heatmap(self) -> np.ndarray:
        """Evidence of a fracture: float32 `(height, width)` of the film, >= 0.

        Grad-CAM of the fracture log-odds, in log-odds per cell of the network's map;
        regions that influenced the score, not the outline of a fracture.
        """
        return self._maps("fracture")["fracture"]

    @property
    def heatmaps(self) -> dict[str, np.ndarray]:
        """Grad-CAM of each class logit, float32 `(height, width)` of the film."""
        return self._maps(*CLASSES)

    def _maps(self, *targets: str) -> dict[str, np.ndarray]:
        """Drawn when they are asked for, and once: most films need only one."""
        if missing := [target for target in targets if target not in self._drawn]:
            height, width = self.film.pixels.shape
            letterbox = Letterbox(height, width, self.config.image_size)
            grids = self.grids[[MAPS.index(target) for target in missing]]
            drawn = letterbox.to_film(grids, *self.config.heatmap_grid)
            self._drawn.update(zip(missing, drawn, strict=True))
        return {target: self._drawn[target] for target in targets}

    @functools.cached_property
    def _drawn(self) -> dict[str, np.ndarray]:
        return {}

    def overlay(
        self, target: str = "fracture", opacity: float = 0.6, marks: bool = True
    ) -> Image.Image:
        """The film with a heatmap in colour and its marks, RGB, at the film's size.

        Colours are relative to the strength that clear evidence has on validation
        films, not to this film's own maximum: weak evidence looks weak.

        Args:
            target: "fracture" or a class.
            opacity: of the strongest evidence, in [0, 1].
            marks: whether to outline `marks`, where the target is a fracture.

        Raises:
            ValueError: unknown target, or opacity out of range.
        """
        if target not in MAPS:
            raise ValueError(f"target must be one of {', '.join(MAPS)}, got {target!r}")
        strength = self._maps(target)[target] / self.config.heatmap_reference
        overlay = draw_overlay(self.film.pixels, strength, opacity)
        if marks and target == "fracture":
            boxes = [(mark.x0, mark.y0, mark.x1, mark.y1) for mark in self.marks]
            draw_marks(overlay, boxes)
        return overlay

    def to_dict(self) -> dict:
        """Plain JSON types, what every surface returns: see `FIELDS`."""
        return answer(self, FIELDS)


_Probabilities = TypedDict(  # type: ignore[misc]
    "Probabilities", dict.fromkeys(CLASSES, float)
)
_CALIBRATED = "calibrated probability, 0 to 1"
_OF_FRACTURE = "fracture probability, 0 to 1"
_FROM_LEFT = "pixels of the film from its left edge"
_FROM_TOP = "pixels of the film from its upper edge"
# Every field of an answer on a film: JSON, columns, units and documentation follow it.
FIELDS = (
    Field("model_version", str, "Name, version and checksum of the weights."),
    Field("finding", Finding, "What is said of the film."),
    Field("summary", str, "The finding in words."),
    Field("severity", Severity | None, "The likelier kind of a suspected fracture."),
    Field("fracture_probability", float, "How probable a fracture is.", _CALIBRATED),
    Field(
        "probabilities",
        _Probabilities,
        "How probable each class is.",
        f"{_CALIBRATED}; they sum to 1",
        column="probability",
    ),
    Field(
        "rule_out_threshold",
        float,
        "Below it no fracture is seen.",
        _OF_FRACTURE,
        lambda p: p.config.operating_points["rule_out"],
    ),
    Field(
        "rule_in_threshold",
        float,
        "From it on a fracture is suspected.",
        _OF_FRACTURE,
        lambda p: p.config.operating_points["rule_in"],
    ),
    Field("location", str, "Where the evidence of a fracture lies, in a sentence."),
    Field("peak_x", int, "Where the evidence peaks.", _FROM_LEFT, lambda p: p.peak[0]),
    Field("peak_y", int, "Where the evidence peaks.", _FROM_TOP, lambda p: p.peak[1]),
    Field(
        "marks",
        list[Mark],
        "Where a fracture may be, the surest first; none where no fracture was seen.",
        "pixels of the film from its left upper corner; score 0 to 1",
    ),
    Field(
        "film_width", int, "Width as read.", "pixels", lambda p: p.film.pixels.shape[1]
    ),
    Field(
        "film_height", int, "Height as read.", "pixels", lambda p: len(p.film.pixels)
    ),
    Field(
        "body_part", str | None, "The likeliest body part, null where none is clear."
    ),
    Field(
        "body_parts",
        dict[str, float],
        "How probable it is that the film shows each part that the weights name.",
        "probability, 0 to 1",
    ),
    Field("in_distribution", bool, "Whether the film is like those the model knows."),
    Field("novelty", float, "How unlike them it is; above 0, not_judged.", "log-odds"),
    Field("warnings", list[Notice], "What the reader and the model noticed."),
)
