"""FractureClassifier: a weights folder and a film in, a prediction out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
import onnxruntime

from fracture.classes import BODY_PARTS, CLASSES, FRACTURE_CLASSES
from fracture.hub import resolve
from fracture.prediction import Prediction
from fracture.radiograph import Notice, Radiograph, Source, read_radiograph
from fracture.radiograph.letterbox import Letterbox
from fracture.weights import MODEL_FILE, WeightsConfig, WeightsError

_UNLIKE = Notice(
    "out_of_distribution",
    "This does not look like the limb radiographs the model was trained on; it gives "
    "no finding, and its probabilities mean nothing here.",
)
_BATCH = 8


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
