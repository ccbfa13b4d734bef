"""A study's views as they were judged, kept until the study has been quiet.

Of a film only what its answer needs is kept: no pixels, but their size and digest.
"""

from __future__ import annotations

import dataclasses
import io
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from fracture.node.results.source import Source
from fracture.node.spool import VIEWS, Spool, name_of
from fracture.prediction import Prediction
from fracture.radiograph import Notice, Radiograph, RadiographError
from fracture.result import Result
from fracture.weights import WeightsConfig

_VIEW = ".npz"
_ANSWERED = "answered.json"
_PARTS = ("probabilities", "body_parts", "novelty")


@dataclasses.dataclass(frozen=True, eq=False)
class KeptFilm(Radiograph):
    """A film of which only size and digest are left; its pixels are all black."""

    digest: str = ""  # type: ignore[assignment]


class Views:
    """The views of all studies that one model judged.

    Attributes:
        due: study -> when it will have been quiet for long enough, `time.time()`.
    """

    def __init__(self, spool: Spool, config: WeightsConfig, quiet: float):
        """Takes up the studies that an earlier process left.

        Args:
            spool: where they are kept.
            config: of the weights; those of other weights are left alone.
            quiet: seconds without a further view.
        """
        self._spool, self._config, self._quiet = spool, config, quiet
        self.due: dict[str, float] = {}
        for key in spool.names(VIEWS):
            folder = spool.path(VIEWS, key)
            if key.endswith(self._suffix) and self._open(key):
                self.due[key] = folder.stat().st_mtime + quiet

    @property
    def _suffix(self) -> str:
        return f"-{name_of(self._config.model_version)[:8]}"

    def keep(self, source: Source, result: Result, arrived: float) -> None:
        """Keeps a view that came at a time, in place of an earlier one of its film."""
        key = name_of(source.study) + self._suffix
        self._spool.path(VIEWS, key).mkdir(mode=0o700, exist_ok=True)
        name = name_of(source.uid) + _VIEW
        self._spool.put(f"{VIEWS}/{key}", name, _pack(source, result))
        self.due[key] = max(self.due.get(key, 0.0), arrived + self._quiet)

    def postpone(self, key: str) -> None:
        """Has a study wait for as long as after a further view."""
        self.due[key] = time.time() + self._quiet

    def take_due(self, until: float) -> list[str]:
        """Studies that were quiet, each once until it gets a further view.

        Args:
            until: all films that came before have been judged; `time.time()`.
        """
        quiet = [key for key, moment in list(self.due.items()) if moment <= until]
        for key in quiet:
            del self.due[key]
        return quiet

    def of(self, key: str) -> list[tuple[Source, Result]]:
        """The views of a study, in the order of their numbers and UIDs."""
        views = [
            _unpack(self._spool.path(VIEWS, key).joinpath(name), self._config)
            for name in self._names(key)
        ]
        return sorted(views, key=lambda view: _order(view[0]))

    def settle(self, key: str) -> None:
        """Remembers that these views of a study have their common result."""
        content = json.dumps(self._names(key)).encode()
        self._spool.put(f"{VIEWS}/{key}", _ANSWERED, content)

    def _names(self, key: str) -> list[str]:
        paths = self._spool.path(VIEWS, key).glob(f"*{_VIEW}")
        return sorted(path.name for path in paths)

    def _open(self, key: str) -> bool:
        path = self._spool.path(VIEWS, key) / _ANSWERED
        return not path.exists() or json.loads(path.read_bytes()) != self._names(key)


def _order(source: Source) -> tuple[int, str]:
    number = source.fact("InstanceNumber")
    return int(number) if number.isdecimal() else 0, source.uid


def _pack(source: Source, result: Result) -> bytes:
    about: dict = {"tags": source.tags}
    arrays: dict[str, Any] = {}
    if error := result.error:
        about["error"] = error.to_dict()
    else:
        prediction = result.prediction
        film = prediction.film
        about |= {part: getattr(prediction, part) for part in _PARTS}
        about["shape"], about["digest"] = film.pixels.shape, film.digest
        about["notices"] = [dataclasses.astuple(notice) for notice in film.warnings]
        about["metadata"] = dict(film.metadata)
        arrays = {"grids": prediction.grids}
    stream = io.BytesIO()
    np.savez(stream, about=np.array(json.dumps(about)), **arrays)
    return stream.getvalue()


def _unpack(path: Path, config: WeightsConfig) -> tuple[Source, Result]:
    with np.load(path, allow_pickle=False) as kept:
        about = json.loads(str(kept["about"]))
        grids = kept.get("grids")
    source = Source.of(about["tags"])
    if "error" in about:
        error = RadiographError(*about["error"].values())
        return source, Result(source.uid, error=error)
    notices = tuple(Notice(*notice) for notice in about["notices"])
    pixels = np.broadcast_to(np.uint8(0), about["shape"])
    film = KeptFilm(pixels, notices, about["metadata"], about["digest"])
    parts = {part: about[part] for part in _PARTS}
    prediction = Prediction(film=film, grids=grids, config=config, **parts)
    return source, Result(source.uid, prediction)
