"""What the classifier says of one film, and why."""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
from PIL import Image

from fracture.classes import CLASSES, MAPS
from fracture.explanation import describe_location, draw_overlay, locate
from fracture.radiograph import Letterbox, Notice, Radiograph
from fracture.weights import WeightsConfig

FINDINGS = {
    "no_fracture_seen": "No fracture seen",
    "uncertain": "Uncertain: needs a reader",
    "fracture_suspected": "Fracture suspected",
    "not_judged": "Not judged: unlike the films this model knows",
}


@dataclasses.dataclass(frozen=True, eq=False)
class Prediction:
    """What the classifier says of one film, and why.

    Attributes:
        film: the film as it was read.
        probabilities: calibrated, class -> [0, 1], sum 1.
        finding: key of `FINDINGS`: `no_fracture_seen` below the rule-out threshold,
            `fracture_suspected` from the rule-in threshold on, `uncertain` between;
            `not_judged` for a film that is not `in_distribution`.
        severity: `hairline` or `displaced`, whichever is likelier, when a fracture is
            suspected; else None, and where the model does not tell them apart.
        grids: float32 `(4, rows, columns)`, one Grad-CAM map per entry of
            `fracture.classes.MAPS` over the network's square; >= 0, log-odds per cell.
        body_parts: part -> probability that the film shows it, [0, 1], parts of
            `fracture.classes.BODY_PARTS`; empty where training films named none.
        novelty: log-odds that this is no film of the kind the model was trained on,
            relative to the threshold that 99 % of validation films stay below.
        warnings: notices of the reader, and `out_of_distribution`.
        config: of the weights that made the prediction.
    """

    film: Radiograph
    probabilities: dict[str, float]
    finding: str
    severity: str | None
    grids: np.ndarray
    body_parts: dict[str, float]
    novelty: float
    warnings: tuple[Notice, ...]
    config: WeightsConfig

    @property
    def fracture_probability(self) -> float:
        """1 - P(normal), in [0, 1]."""
        return 1 - self.probabilities["normal"]

    @property
    def in_distribution(self) -> bool:
        """Whether the film resembles what the model was trained on."""
        return self.novelty <= 0

    @property
    def model_version(self) -> str:
        """Name, version and checksum of the weights."""
        return self.config.model_version

    @property
    def summary(self) -> str:
        """The finding in words."""
        if self.severity:
            return f"{FINDINGS[self.finding]}, {self.severity} more likely"
        return FINDINGS[self.finding]

    @property
    def heatmap(self) -> np.ndarray:
        """Evidence of a fracture: float32 `(height, width)` of the film, >= 0.

        Grad-CAM of the fracture log-odds, in log-odds per cell of the network's map;
        regions that influenced the score, not the outline of a fracture.
        """
        return self._maps[MAPS.index("fracture")]

    @property
    def heatmaps(self) -> dict[str, np.ndarray]:
        """Grad-CAM of each class logit, float32 `(height, width)` of the film."""
        return {name: self._maps[MAPS.index(name)] for name in CLASSES}

    @functools.cached_property
    def _maps(self) -> np.ndarray:
        letterbox = Letterbox(*self.film.pixels.shape, self.config.image_size)
        return letterbox.to_film(self.grids, *self.config.heatmap_grid)

    def overlay(self, target: str = "fracture", opacity: float = 0.6) -> Image.Image:
        """The film with a heatmap in colour, RGB, at the film's size.

        Colours are relative to the strength that clear evidence has on validation
        films, not to this film's own maximum: weak evidence looks weak.

        Args:
            target: "fracture" or a class.
            opacity: of the strongest evidence, in [0, 1].

        Raises:
            ValueError: unknown target, or opacity out of range.
        """
        if target not in MAPS:
            raise ValueError(f"target must be one of {', '.join(MAPS)}, got {target!r}")
        strength = self._maps[MAPS.index(target)] / self.config.heatmap_reference
        return draw_overlay(self.film.pixels, strength, opacity)

    def to_dict(self) -> dict:
        """Plain JSON types: what every surface returns.

        Probabilities and thresholds are in [0, 1]; positions are pixels of the film
        from its upper left corner.
        """
        height, width = self.film.pixels.shape
        peak_x, peak_y = locate(self.heatmap)
        points = self.config.operating_points
        return {
            "model_version": self.model_version,
            "finding": self.finding,
            "summary": self.summary,
            "severity": self.severity,
            "fracture_probability": round(self.fracture_probability, 6),
            "probabilities": {k: round(v, 6) for k, v in self.probabilities.items()},
            "rule_out_threshold": round(points["rule_out"], 6),
            "rule_in_threshold": round(points["rule_in"], 6),
            "location": describe_location(self.heatmap, self.config.heatmap_reference),
            "peak_x": peak_x,
            "peak_y": peak_y,
            "film_width": width,
            "film_height": height,
            "body_parts": {k: round(v, 6) for k, v in self.body_parts.items()},
            "in_distribution": self.in_distribution,
            "novelty": round(self.novelty, 6),
            "warnings": [dataclasses.asdict(notice) for notice in self.warnings],
        }
