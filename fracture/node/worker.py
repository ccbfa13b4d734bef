"""The worker: films from `in` are judged, and their results laid into `out`."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from pydicom import Dataset

from fracture.classifier import FractureClassifier
from fracture.node.config import NodeConfig
from fracture.node.delivery import ABOUT, about
from fracture.node.results import instance
from fracture.node.results.capture import film_capture
from fracture.node.results.report import film_report, study_report
from fracture.node.results.source import KEYWORDS, UIDS, Source
from fracture.node.selection import passed_over
from fracture.node.spool import FILM, IN, OUT, Spool, name_of
from fracture.node.telemetry import Telemetry
from fracture.node.views import Views
from fracture.radiograph import MIN_SIDE, Radiograph, RadiographError, ReaderPool
from fracture.result import Result
from fracture.study import combine

_KINDS = {"sr": film_report, "sc": film_capture}
_PAUSE = 0.5  # seconds between two looks at an empty queue
_LATER = 5.0  # seconds until a full disk is tried again
_AT_ONCE = 16  # films of one look at the queue


class Worker:
    """Judges what waits, several films at a time, the oldest first."""

    def __init__(
        self,
        config: NodeConfig,
        spool: Spool,
        classifier: FractureClassifier,
        readers: ReaderPool,
        telemetry: Telemetry,
        answered: Callable[[Source], bool],
        wake: Callable[[], None],
    ):
        """Takes up what an earlier process left.

        Args:
            config: of the node.
            spool: whose films are judged.
            classifier: judges them.
            readers: read them; as many as `config.limits.jobs`.
            telemetry: where it is told.
            answered: whether the PACS has a film's results, asked where the
                configuration says so.
            wake: called when results wait.
        """
        self._config, self._spool, self._classifier = config, spool, classifier
        self._readers, self._telemetry = readers, telemetry
        self._answered, self._wake = answered, wake
        self._version = classifier.config.model_version
        results = config.results
        quiet = results.study_quiet_seconds if "sr" in results.kinds else 0
        self._views = Views(spool, classifier.config, quiet) if quiet else None
        self.woken = threading.Event()

    def warm_up(self) -> None:
        """Has everything loaded, in the readers too, before a film waits for it."""
        source, result = _blank(self._classifier)
        for kind in _KINDS.values():
            content = _encoded(kind(source, result.prediction))
        jobs = self._config.limits.jobs
        with ThreadPoolExecutor(jobs) as threads:
            works = range(jobs)
            list(
                threads.map(lambda _: self._readers.read_tags(content, ["Rows"]), works)
            )

    def run(self, stop: threading.Event) -> None:
        """Works until it is told to stop; what is being judged then is finished."""
        with ThreadPoolExecutor(self._config.limits.jobs, "judge") as threads:
            while not stop.is_set():
                try:
                    busy = self._turn(threads, stop)
                except OSError as error:  # a full disk, for example
                    self._telemetry.log_error("films_wait", error)
                    stop.wait(_LATER)
                    continue
                if not busy:
                    self.woken.wait(_PAUSE)
                    self.woken.clear()

    def _turn(self, threads: ThreadPoolExecutor, stop: threading.Event) -> bool:
        """Judges the films that wait longest; whether there were any."""
        names = [name for name in self._spool.names(IN) if name.endswith(FILM)]
        list(threads.map(lambda name: self._work(name, stop), names[:_AT_ONCE]))
        if self._views:
            # A view that still waits to be judged keeps its study open.
            left = self._spool.arrivals(IN)
            until = min((moment for moment, _ in left), default=time.time())
            for key in self._views.take_due(until):
                self._work_on_study(key)
        return bool(names)

    def _work(self, file: str, stop: threading.Event) -> None:
        name = file.removesuffix(FILM)
        if stop.is_set():
            return
        try:
            self._judge(name)
        except RadiographError as error:
            if not stop.is_set():  # else its reader may have been stopped as well
                self._fail(name, error.code, error.message)
        except OSError:
            raise
        except Exception as error:  # whatever a film does, the next one is judged
            self._telemetry.log_error("film_failed", error, film=name)
            self._fail(name, "internal_error", f"{type(error).__name__}, see the log")

    def _fail(self, name: str, code: str, message: str) -> None:
        self._telemetry.refused.labels(code).inc()
        self._telemetry.log("film_refused", film=name, code=code)
        self._spool.fail(IN, name + FILM, {"code": code, "message": message})

    def _judge(self, name: str) -> None:
        laid_out = self._spool.path(OUT, name).exists()
        if laid_out or self._spool.sent(name, self._version):
            self._spool.remove(IN, name + FILM)  # a kill came between the two steps
            return
        path = self._spool.path(IN, name + FILM)
        limit = self._config.limits.film_megabytes * 2**20
        with self._telemetry.timed("read"):
            tags = self._readers.read_tags(path, KEYWORDS, max_bytes=limit)
            source = Source.of(tags)
        films = self._config.films
        code = passed_over(source, films)
        if not code and films.only_unanswered and self._answered(source):
            code = "answered_already"
        if code:
            self._telemetry.refused.labels(code).inc()
            self._telemetry.log("film_passed_over", film=name, code=code)
            self._spool.answer(name, self._version, code)
            self._spool.remove(IN, name + FILM)
            return
        with self._telemetry.timed("judge"):
            result = Result.of(
                self._classifier,
                source.uid,
                lambda: self._readers.read(path, max_bytes=limit),
            )
        if self._views:
            self._views.keep(source, result, path.stat().st_mtime)
        if result.error:
            raise result.error
        with self._telemetry.timed("write"):
            kinds = self._config.results.kinds
            results = {kind: _KINDS[kind](source, result.prediction) for kind in kinds}
            self._lay_out(name, results)
            self._spool.remove(IN, name + FILM)
        finding = str(result.finding)
        self._telemetry.judged.labels(finding).inc()
        self._telemetry.log("film_judged", film=name, finding=finding)
        self._wake()

    def _work_on_study(self, key: str) -> None:
        try:
            self._judge_study(key)
        except Exception as error:  # the next study is judged, and this one again
            self._telemetry.log_error("study_waits", error)
            self._views.postpone(key)

    def _judge_study(self, key: str) -> None:
        views = self._views.of(key)
        if not views:  # kept for too short a time
            return
        sources, results = zip(*views, strict=True)
        if any(result.prediction for result in results):
            uid = instance.study_result_uid([s.uid for s in sources], self._version)
            name = name_of(uid)
            if not self._spool.knows(name, self._version):
                config = self._classifier.config
                report = study_report(sources, combine(results), config)
                self._lay_out(name, {"study": report})
                self._telemetry.log("study_judged", film=name, count=len(views))
                self._wake()
        self._views.settle(key)

    def _lay_out(self, name: str, results: dict) -> None:
        files = {ABOUT: about(self._version)}
        files |= {kind + FILM: _encoded(result) for kind, result in results.items()}
        self._spool.put_folder(OUT, name, files)


def _encoded(result: Dataset) -> bytes:
    stream = io.BytesIO()
    result.save_as(stream)
    return stream.getvalue()


def _blank(classifier: FractureClassifier) -> tuple[Source, Result]:
    """A film of nobody, and what is said of it."""
    pixels = np.zeros((MIN_SIDE, MIN_SIDE), np.uint8)
    film = Radiograph(pixels, (), {})
    nobody = Dataset()
    for keyword in UIDS:
        setattr(nobody, keyword, instance.derived_uid("blank"))
    source = Source.of(nobody.to_json_dict())
    return source, Result.of(classifier, "blank", lambda: film)
