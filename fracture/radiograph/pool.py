"""Films read in processes of their own, so that no file can take the server with it.

Libraries loop for ever, fill the memory or abort on some damaged files. What reads a
foreign file is a small process under a limit of time and of memory; past it the process
is killed and replaced. It answers in JSON and raw pixels, never in pickles, so that
what a file may have made of it reaches no further.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from fracture.radiograph.radiograph import Notice, Radiograph, RadiographError
from fracture.radiograph.source import MAX_BYTES, MAX_PIXELS, File, read_bytes

if TYPE_CHECKING:  # it loads while the processes start
    import numpy as np

_START = """
import sys
seconds, megabytes, *sys.path = sys.argv[1:]
from fracture.radiograph.worker import serve
serve(float(seconds), int(megabytes))
"""
_START_SECONDS = 60  # on a busy machine libraries take their time to load
MESSAGES = {
    "reader_timeout": "Reading the film took too long; export it again as PNG.",
    "reader_crashed": "The film broke its reader; export it again as PNG.",
}


class ReaderPool:
    """Reads films as `read_radiograph` does, each in a process with limits.

    Threads may share a pool: as many films are read at a time as it has processes, and
    further ones wait. The processes start in the background and end with this one,
    however that ends. Use a pool in a `with` statement, or close it.

    Attributes:
        seconds: most time for one film.
    """

    def __init__(self, workers: int = 2, seconds: float = 10, megabytes: int = 1024):
        """Starts the processes.

        Args:
            workers: processes.
            seconds: most time for one film.
            megabytes: most address space of a process in MiB, its libraries included,
                which take some 200. Not every system enforces it; Linux does.
        """
        self.seconds = seconds
        self._free: queue.SimpleQueue[_Worker] = queue.SimpleQueue()
        self._workers = [_Worker(seconds, megabytes) for _ in range(workers)]
        for worker in self._workers:
            self._free.put(worker)

    def read(
        self,
        source: File,
        *,
        max_pixels: int = MAX_PIXELS,
        max_bytes: int = MAX_BYTES,
    ) -> Radiograph:
        """Reads one film, as `read_radiograph` does.

        Args:
            source: a path, a file's bytes or an open binary file.
            max_pixels: most pixels.
            max_bytes: most bytes read from the source.

        Raises:
            RadiographError: as by `read_radiograph`; also `reader_timeout`,
                `reader_memory` and `reader_crashed`.
        """
        data = read_bytes(source, max_bytes)
        answer, pixels = self._work(data, limits=[max_pixels, max_bytes], tags=[])
        notices = tuple(Notice(*notice) for notice in answer["notices"])
        return Radiograph(pixels, notices, answer["metadata"])

    def read_tags(
        self, source: File, keywords: Sequence[str], *, max_bytes: int = MAX_BYTES
    ) -> dict:
        """Reads elements of a DICOM file, as `fracture.radiograph.reader.read_tags`.

        Raises:
            RadiographError: as by `read`.
        """
        data = read_bytes(source, max_bytes)
        answer, _ = self._work(data, limits=[0, max_bytes], tags=list(keywords))
        return answer["tags"]

    def _work(self, data: bytes, **request: list) -> tuple[dict, np.ndarray | None]:
        worker = self._free.get()
        try:
            return worker.work(data, request)
        finally:
            self._free.put(worker)

    def close(self) -> None:
        """Ends the processes, each after its film; a further film starts one again."""
        for _ in self._workers:
            self._free.get().stop()
        for worker in self._workers:
            self._free.put(worker)

    def __enter__(self) -> ReaderPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def shared() -> ReaderPool:
    """This process's own pool of one, for what may not be read in place."""
    return _shared(os.getpid())


@functools.cache
def _shared(process: int) -> ReaderPool:
    return ReaderPool(workers=1)


class _Worker:
    """One process at a time; the next one starts when it is killed."""

    def __init__(self, seconds: float, megabytes: int):
        self._seconds = seconds
        limits = (str(seconds), str(megabytes))
        self._command = [sys.executable, "-c", _START, *limits, *sys.path]
        self._start()

    def _start(self) -> None:
        # More threads would only take address space.
        single = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1")
        self._ready = False
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **single},
        )

    def stop(self) -> None:
        """Kills the process and leaves nothing of it behind."""
        self._process.kill()
        with contextlib.suppress(OSError), self._process:  # closes its pipes and waits
            pass

    @contextlib.contextmanager
    def _at_most(self, seconds: float) -> Iterator[None]:
        timer = threading.Timer(seconds, self._process.kill)
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            timer.join()

    def work(self, data: bytes, request: dict) -> tuple[dict, np.ndarray | None]:
        """Has one file read; see `fracture.radiograph.worker`.

        Returns:
            The answer, and the pixels where it is about a film.

        Raises:
            RadiographError: the answer is an error, or there is none.
        """
        start, sound = time.monotonic(), False
        try:
            self._await_start()
            start = time.monotonic()
            with self._at_most(self._seconds):
                answer, pixels = self._ask(data, request)
            late = time.monotonic() - start >= self._seconds
            sound = not late and answer.get("code") != "reader_memory"
        except (OSError, ValueError, LookupError, TypeError):
            late = time.monotonic() - start >= self._seconds
            code = "reader_timeout" if late else "reader_crashed"
            answer = {"code": code, "message": MESSAGES[code]}
        finally:
            if not sound:
                self.stop()
                with contextlib.suppress(OSError):  # then the next film tries again
                    self._start()
        if "code" in answer:
            raise RadiographError(answer["code"], answer["message"])
        return answer, pixels

    def _await_start(self) -> None:
        if self._process.poll() is not None:  # killed by another hand
            self.stop()
            self._start()
        if not self._ready:
            with self._at_most(_START_SECONDS):
                self._ready = self._process.stdout.readline() == b"ready\n"

    def _ask(self, data: bytes, request: dict) -> tuple[dict, np.ndarray | None]:
        request = {"size": len(data), **request}
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.write(data)
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        if "code" in answer or "tags" in answer:
            return answer, None
        shape = (answer["metadata"]["height"], answer["metadata"]["width"])
        if shape[0] * shape[1] > request["limits"][0]:
            raise ValueError("more pixels than asked for")
        pixels = self._process.stdout.read(shape[0] * shape[1])
        import numpy as np

        return answer, np.frombuffer(pixels, np.uint8).reshape(shape)
