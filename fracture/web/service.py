"""What every page and endpoint works with: the model, the limits, the uploads."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from gradio.utils import get_upload_folder, is_in_or_equal

from fracture.batch import classify, collect
from fracture.classifier import FractureClassifier
from fracture.hub import SERVING_FILES, resolve
from fracture.prediction import FIELDS
from fracture.radiograph import (
    MIN_SIDE,
    Radiograph,
    RadiographError,
)
from fracture.radiograph.pool import ReaderPool
from fracture.radiograph.source import File
from fracture.result import Result
from fracture.study import RULE, Study, combine
from fracture.version import __version__
from fracture.web.memory import Memory
from fracture.web.openapi import STRENGTH
from fracture.web.settings import Settings
from fracture.web.words import FORMATS, TOO_MANY_VIEWS
from fracture.weights import METRICS_FILE, MODEL_FILE

# The metrics say what an engine may be; the card is a page of the app.
_FILES = (*SERVING_FILES, METRICS_FILE, "README.md", "figures/*")
T = TypeVar("T")


class Service:
    """Reads and classifies what visitors send, within the limits of the settings.

    Whatever door a request comes through, its work is done by a few threads, and each
    is free again only when its work has really ended. A request that is cancelled
    before it had its turn does no work at all.

    Attributes:
        settings: of this app.
    """

    def __init__(self, settings: Settings, weights: Path):
        """`weights` is the folder to take where the settings name none."""
        self.settings = settings
        self._weights = settings.weights or weights
        self._lock = threading.Lock()
        self._closed = False
        self._threads = ThreadPoolExecutor(settings.workers, "film")
        self._memory = Memory()
        self._places = threading.Semaphore(settings.workers + settings.queue)

    @property
    def classifier(self) -> FractureClassifier:
        """The classifier, loaded at its first use."""
        with self._lock:
            return self._classifier

    @functools.cached_property
    def _classifier(self) -> FractureClassifier:
        folder = resolve(self._weights, _FILES)
        settings = self.settings
        return FractureClassifier.from_pretrained(
            folder, settings.threads, settings.engine
        )

    @functools.cached_property
    def _readers(self) -> ReaderPool:
        settings = self.settings
        limits = (settings.reader_seconds, settings.reader_mb)
        return ReaderPool(settings.workers, *limits)

    @property
    def ready(self) -> bool:
        """Whether the model is loaded and films are taken."""
        return "_classifier" in vars(self) and not self._closed

    def read(self, source: File) -> Radiograph:
        """`read_radiograph` in a process of its own, within the app's limits."""
        with self._lock:
            readers = self._readers
        return readers.read(source, max_pixels=self.settings.max_megapixels * 10**6)

    def close(self, seconds: float) -> None:
        """Refuses what waits and is new, and gives what runs some time to finish."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + seconds
        places = self.settings.workers + self.settings.queue
        left = [
            self._places.acquire(timeout=max(0, deadline - time.monotonic()))
            for _ in range(places)
        ]
        if all(left) and "_readers" in vars(self):  # else they end with this process
            self._readers.close()

    @contextlib.contextmanager
    def _admitted(self) -> Iterator[None]:
        """A place among the requests that are worked on or wait for it."""
        if not self._places.acquire(blocking=False):
            message = "Too many requests wait already; send it again in a minute."
            raise RadiographError("busy", message)
        try:
            yield
        finally:
            self._places.release()

    async def _work(self, work: Callable[[], T]) -> T:
        """Has a thread do it; who stops waiting does not free the thread."""
        try:
            return await asyncio.wrap_future(self._threads.submit(work))
        except (RuntimeError, asyncio.CancelledError):
            if not self._closed:
                raise
            message = "The server is being stopped; send it again in a minute."
            raise RadiographError("stopping", message) from None

    async def predict(
        self,
        name: str,
        source: File,
        show: Callable[[Result], T],
        session: str | None = None,
    ) -> T:
        """What `show` makes of one film's result, as part of the same work.

        Args:
            session: of a visitor, whose films do not run twice.

        Raises:
            RadiographError: `busy`.
        """
        with self._admitted():
            return await self._work(lambda: show(self._result(session, name, source)))

    async def study(
        self,
        files: Sequence[tuple[str, Path]],
        show: Callable[[Study], T],
        session: str | None = None,
    ) -> T:
        """What `show` makes of several views of one patient; else as `predict`.

        Raises:
            RadiographError: `no_film`, `too_many_views` or `busy`.
        """
        if not files:
            raise RadiographError("no_film", "No film was sent; choose a file.")
        if len(files) > self.settings.max_views:
            message = TOO_MANY_VIEWS.format(views=self.settings.max_views)
            raise RadiographError("too_many_views", message)
        with self._admitted():
            return await self._work(
                lambda: show(combine([self._result(session, *file) for file in files]))
            )

    async def batch(
        self,
        files: Sequence[tuple[str, Path]],
        show: Callable[[Result], T],
        session: str | None = None,
    ) -> AsyncIterator[tuple[int, T | None]]:
        """Many films, archives opened; a cancelled batch ends at the next film.

        Yields:
            How many films there are and None; then, for each film in order, how many
            there are and what `show` makes of its result.

        Raises:
            RadiographError: `no_film`, `too_many_films` or `busy`.
        """
        if not files:
            raise RadiographError("no_film", "No film was sent; choose files.")
        with self._admitted():
            films = await self._work(
                lambda: collect(files, self.settings.max_films, self.read)
            )
            yield len(films), None
            results = classify(self._memory.of(self.classifier, session), films)
            for _ in films:
                yield len(films), await self._work(lambda: show(next(results)))

    def _result(self, session: str | None, name: str, source: File) -> Result:
        classifier = self._memory.of(self.classifier, session)
        return Result.of(classifier, name, functools.partial(self.read, source))

    def model(self) -> dict:
        """What runs here, with which thresholds and limits, in plain JSON types."""
        config, settings = self.classifier.config, self.settings
        units = {field.name: field.unit for field in FIELDS if field.unit}
        return {
            "name": config.values["name"],
            "version": config.values["version"],
            "model_version": config.model_version,
            "checksum_sha256": config.values["files"][MODEL_FILE],
            "package_version": __version__,
            "engine": self.classifier.engine.name,
            "classes": list(config.values["classes"]),
            "operating_points": config.values["operating_points"],
            "study_rule": RULE,
            "units": {**units, "heatmap": STRENGTH},
            "input_formats": list(FORMATS),
            "input_min_side_pixels": MIN_SIDE,
            "input_max_megapixels": settings.max_megapixels,
            "input_max_upload_mib": settings.max_upload_mb,
            "input_max_films": settings.max_films,
            "input_max_views": settings.max_views,
            "intended_use": "research and teaching; not a medical device",
        }


def uploaded(file: Any) -> tuple[str, Path]:
    """A file as Gradio hands it over -> its name and where it lies.

    Gradio itself checks only what says that it is a file; a bare path would pass.

    Raises:
        RadiographError: `no_film`, or `not_uploaded` for any other place on the disk.
    """
    name = None
    if isinstance(file, dict):
        file, name = file.get("path"), file.get("orig_name")
    if not isinstance(file, str) or not file:
        raise RadiographError("no_film", "No film was sent; choose a file.")
    try:
        inside = is_in_or_equal(file, get_upload_folder())
    except (ValueError, OSError):  # no system has such a path
        inside = False
    if not inside:
        message = "That file was not uploaded; send its content."
        raise RadiographError("not_uploaded", message)
    name = name if isinstance(name, str) and name else Path(file).name
    return name, Path(file)
