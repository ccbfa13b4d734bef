"""FractureClassifier: a weights folder and a film in, a prediction out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np
import onnxruntime

from fracture.classes import CLASSES, MAPS
from fracture.hub import resolve
from fracture.prediction import Prediction
from fracture.radiograph import Radiograph, Source, read_radiograph
from fracture.radiograph.letterbox import make_squares
from fracture.weights import MODEL_FILE, WeightsConfig, WeightsError

_BATCH = 8


class FractureClassifier:
    """Runs exported weights; needs neither keras nor tensorflow. Thread-safe.

    Attributes:
        config: what the weights folder declares.
        session: the inference engine, film to `probabilities` and `heatmaps`.

    Example:
        >>> classifier = FractureClassifier.from_pretrained("weights")
        >>> classifier.predict("film.png").summary
        'Uncertain: needs a reader'
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
        # Parts of the model in other files would escape the checksum, so none is found.
        nowhere = str(config.folder / MODEL_FILE / "nowhere")
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", nowhere
        )
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
        kinds = (
            {t.type for t in session.get_inputs()},
            {t.type for t in session.get_outputs()},
        )
        if kinds != ({"tensor(uint8)"}, {"tensor(float)"}):
            message = f"the model takes and gives {kinds}, not uint8 and float32"
            raise WeightsError("weights_shape", message)
        grid = declared[1].get("heatmaps", ())[:2]
        needed = {
            "probabilities": (len(CLASSES),),
            "heatmaps": (*grid, len(MAPS)),
            "novelty": (),
        }
        if parts := config.body_parts:
            needed["body_parts"] = (len(parts),)
        if found != declared or declared[1] != needed:
            message = f"the model has {found}, config.json declares {declared}"
            raise WeightsError("weights_shape", message)
        return cls(config, session)

    @overload
    def predict(self, source: Source) -> Prediction: ...  # type: ignore[overload-overlap]
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
            pixels = [film.pixels for film in films]
            outputs = self.run_squares(make_squares(pixels, self.config.image_size))
            for i, film in enumerate(films):
                yield self._prediction(film, {k: v[i] for k, v in outputs.items()})

    def run_squares(self, squares: np.ndarray) -> dict[str, np.ndarray]:
        """Runs the network alone, on films that are letterboxed already.

        Args:
            squares: uint8 `(n, size, size, 1)`.

        Returns:
            float32 `probabilities` `(n, 3)`, `heatmaps` `(n, rows, columns, 4)`,
            `novelty` `(n,)`, and `body_parts` `(n, parts)` where the weights name any.
        """
        names = list(self.config.outputs())
        values = self.session.run(names, {"film": squares})
        return dict(zip(names, values, strict=True))

    def _prediction(
        self, film: Radiograph, outputs: dict[str, np.ndarray]
    ) -> Prediction:
        shown = map(float, outputs.get("body_parts", ()))
        return Prediction(
            film,
            dict(zip(CLASSES, map(float, outputs["probabilities"]), strict=True)),
            np.moveaxis(outputs["heatmaps"], -1, 0),
            dict(zip(self.config.body_parts, shown, strict=True)),
            float(outputs["novelty"]) - self.config.novelty_threshold,
            self.config,
        )
