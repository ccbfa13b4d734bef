"""FractureClassifier: a weights folder and a film in, a prediction out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

import numpy as np

from fracture.classes import CLASSES, MAPS
from fracture.engine import AUTO, DEFAULT, Engine, load_engine
from fracture.hub import SERVING_FILES, resolve
from fracture.prediction import Prediction
from fracture.radiograph import Radiograph, Source, read_radiograph
from fracture.radiograph.letterbox import make_squares
from fracture.weights import METRICS_FILE, WeightsConfig, WeightsError

_BATCH = 8


class FractureClassifier:
    """Runs exported weights; needs neither keras nor tensorflow. Thread-safe.

    Attributes:
        config: what the weights folder declares.
        engine: what runs the network.

    Example:
        >>> classifier = FractureClassifier.from_pretrained("weights")
        >>> classifier.predict("film.png").summary
        'Uncertain: needs a reader'
    """

    def __init__(self, config: WeightsConfig, engine: Engine):
        self.config = config
        self.engine = engine

    @classmethod
    def from_pretrained(
        cls,
        source: str | Path = "weights",
        threads: int = 0,
        engine: str = DEFAULT,
        jobs: int = 1,
    ) -> FractureClassifier:
        """Loads a weights folder after checking it.

        Args:
            source: a folder as written by `train.py`, or `user/name@revision` on the
                Hugging Face Hub, see `fracture.hub.resolve`.
            threads: of the engine, for one call; 0 takes one per core.
            engine: key of `fracture.engine.ENGINES`, or `auto`: the fastest at hand
                that the weights' own metrics prove.
            jobs: threads that will call it at the same time.

        Raises:
            EngineError: there is no such engine, or not here.
            WeightsError: missing or damaged files, a checksum or a declared shape that
                does not hold, or why the Hub gives none.
        """
        files = (*SERVING_FILES, METRICS_FILE) if engine == AUTO else SERVING_FILES
        config = WeightsConfig.load(resolve(source, files))
        loaded = load_engine(config, engine, threads, jobs)
        declared = (config.inputs(), config.outputs())
        found = tuple(
            {name: shape for name, (_, shape) in tensors.items()}
            for tensors in (loaded.inputs, loaded.outputs)
        )
        kinds = tuple(
            {kind for kind, _ in tensors.values()}
            for tensors in (loaded.inputs, loaded.outputs)
        )
        if kinds != ({"uint8"}, {"float32"}):
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
        return cls(config, loaded)

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
        return self.engine.run(squares)

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
