"""FractureClassifier: a weights folder and a film in, a prediction out."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
import onnxruntime
from PIL import Image

from fracture.classes import BODY_PARTS, CLASSES, FRACTURE_CLASSES, MAPS
from fracture.explanation import describe_location, draw_overlay, locate
from fracture.hub import resolve
from fracture.letterbox import Letterbox
from fracture.radiograph import Notice, Radiograph, Source, read_radiograph
from fracture.weights import MODEL_FILE, WeightsConfig, WeightsError

FINDINGS = {
    "no_fracture_seen": "No fracture seen",
    "uncertain": "Uncertain: needs a reader",
    "fracture_suspected": "Fracture suspected",
    "not_judged": "Not judged: unlike the films this model knows",
}
_UNLIKE = Notice(
    "out_of_distribution",
    "This does not look like the limb radiographs the model was trained on; it gives "
    "no finding, and its probabilities mean nothing here.",
)
_BATCH = 8


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


class FractureClassifier:
    """Runs exported weights; needs neither keras nor tensorflow. Thread-safe.

    Attributes:
        config: what the weights folder declares.
        session: the inference engine, film to `probabilities` and `heatmaps`.

    Example:
        >>> classifier = FractureClassifier.from_pretrained("weights")
        >>> classifier.predict("film.png").finding
        'uncertain'
    """

    def __init__(self, config: WeightsConfig, session: onnxruntime.InferenceSession):
        self.config = config
        self.session = session

    @classmethod
    def from_pretrained(
        cls, source: str | Path = "weights", threads: int = 0
    ) -> FractureClassifier:
        """Loads a weights folder after checking it.

        Args:
            source: a folder as written by `train.py`, or `user/name@revision` on the
                Hugging Face Hub, see `fracture.hub.resolve`.
            threads: of the inference engine; 0 takes one per core.

        Raises:
            WeightsError: missing or damaged files, a checksum or a declared shape that
                does not hold, or why the Hub gives none.
        """
        config = WeightsConfig.load(resolve(source))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        # An idle server must not burn its cores waiting for the next film.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        # Smaller shares of work keep one slow core from holding up the others.
        options.add_session_config_entry("session.dynamic_block_base", "16")
        try:
            session = onnxruntime.InferenceSession(
                config.folder / MODEL_FILE, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the engine has no public exception type
            message = f"{MODEL_FILE} is not a model this engine can run: {error}"
            raise WeightsError("weights_unreadable", message) from error
        declared = (config.inputs(), config.outputs())
        found = tuple(
            {tensor.name: tuple(tensor.shape[1:]) for tensor in tensors}
            for tensors in (session.get_inputs(), session.get_outputs())
        )
        if found != declared:
            message = f"the model has {found}, config.json declares {declared}"
            raise WeightsError("weights_shape", message)
        return cls(config, session)

    @overload
    def predict(self, source: Source) -> Prediction: ...
    @overload
    def predict(self, source: Sequence[Source]) -> list[Prediction]: ...
    def predict(self, source):
        """Classifies one film or a list of films.

        Args:
            source: whatever `read_radiograph` takes, or a list or tuple of it.

        Returns:
            A `Prediction`, or a list of them in order.

        Raises:
            RadiographError: a film cannot be read; nothing is returned for the others.
        """
        if isinstance(source, (list, tuple)):
            return list(self.stream(source))
        return next(self.stream([source]))

    def stream(self, sources: Sequence[Source]) -> Iterator[Prediction]:
        """Classifies films one batch at a time, so that many need little memory."""
        for start in range(0, len(sources), _BATCH):
            films = [read_radiograph(s) for s in sources[start : start + _BATCH]]
            squares = [
                Letterbox(*film.pixels.shape, self.config.image_size).apply(film.pixels)
                for film in films
            ]
            outputs = self.run_squares(np.stack(squares)[..., None])
            for i, film in enumerate(films):
                yield self._prediction(film, {k: v[i] for k, v in outputs.items()})

    def run_squares(self, squares: np.ndarray) -> dict[str, np.ndarray]:
        """Runs the network alone, on films that are letterboxed already.

        Args:
            squares: uint8 `(n, size, size, 1)`.

        Returns:
            float32 `probabilities` `(n, 3)`, `heatmaps` `(n, rows, columns, 4)`,
            `body_parts` `(n, 4)` and `novelty` `(n,)`.
        """
        names = list(self.config.outputs())
        values = self.session.run(names, {"film": squares})
        return dict(zip(names, values, strict=True))

    def _prediction(
        self, film: Radiograph, outputs: dict[str, np.ndarray]
    ) -> Prediction:
        by_class = dict(zip(CLASSES, map(float, outputs["probabilities"]), strict=True))
        fracture, points = 1 - by_class["normal"], self.config.operating_points
        novelty = float(outputs["novelty"]) - self.config.novelty_threshold
        warnings = film.warnings
        finding, severity = "uncertain", None
        if novelty > 0:
            finding, warnings = "not_judged", (*warnings, _UNLIKE)
        elif fracture >= points["rule_in"]:
            finding = "fracture_suspected"
            likelihoods = {by_class[name] for name in FRACTURE_CLASSES}
            if len(likelihoods) > 1:  # a network with one sigmoid does not grade
                severity = max(FRACTURE_CLASSES, key=by_class.__getitem__)
        elif fracture < points["rule_out"]:
            finding = "no_fracture_seen"
        parts = dict(zip(BODY_PARTS, map(float, outputs["body_parts"]), strict=True))
        return Prediction(
            film,
            by_class,
            finding,
            severity,
            np.moveaxis(outputs["heatmaps"], -1, 0),
            {part: parts[part] for part in self.config.body_parts},
            novelty,
            warnings,
            self.config,
        )
