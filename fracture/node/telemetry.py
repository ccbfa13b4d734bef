"""What a node tells of itself: JSON lines, counters and its health; never a patient.

A line has facts of `FACTS` only, and none of them is taken from a data set: films are
called by the digest of their UID, see `spool.name_of`.
"""

from __future__ import annotations

import contextlib
import datetime
import http.server
import json
import logging
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

FACTS = frozenset(
    {
        *("address", "aet", "called", "code", "count", "film", "finding", "kind"),
        *("model_version", "place", "port", "seconds", "status", "waiting"),
    }
)


class Telemetry:
    """Log and metrics of one node.

    Attributes:
        received, judged, refused, sent, retried, waiting, seconds: the metrics.
    """

    def __init__(self, stream: TextIO = sys.stdout):
        """`stream` is where the log goes."""
        self._stream, self._lock = stream, threading.Lock()
        self.registry = CollectorRegistry()
        shared: Any = {"namespace": "fracture", "registry": self.registry}
        self.received = Counter("received", "Films taken from a caller.", **shared)
        self.judged = Counter(
            "judged", "Films answered, by finding.", ["finding"], **shared
        )
        self.refused = Counter(
            "refused", "Films and results set aside, by code.", ["code"], **shared
        )
        self.sent = Counter(
            "sent", "Results the PACS has taken, by kind.", ["kind"], **shared
        )
        self.retried = Counter(
            "retried", "Deliveries put off, by code.", ["code"], **shared
        )
        self.waiting = Gauge("queue_length", "Entries of a queue.", ["queue"], **shared)
        self.seconds = Histogram(
            "seconds", "How long a step takes.", ["step"], **shared
        )

    def log(self, event: str, **facts: str | int | float) -> None:
        """Writes one line.

        Raises:
            ValueError: a fact that is not one of `FACTS`.
        """
        if unknown := facts.keys() - FACTS:
            raise ValueError(f"no such facts: {', '.join(sorted(unknown))}")
        time = datetime.datetime.now(datetime.timezone.utc).isoformat(
            "T", "milliseconds"
        )
        line = json.dumps({"time": time, "event": event, **facts})
        with self._lock:
            print(line, file=self._stream, flush=True)

    def log_error(self, event: str, error: BaseException, **facts: str) -> None:
        """Writes what went wrong and where; an error's own words may name a patient."""
        steps = traceback.extract_tb(error.__traceback__)
        place = f"{steps[-1].name}:{steps[-1].lineno}" if steps else ""
        self.log(event, code=type(error).__name__, place=place, **facts)

    @contextlib.contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Measures a step that succeeds."""
        start = time.perf_counter()
        yield
        self.seconds.labels(step).observe(time.perf_counter() - start)


def hush() -> None:
    """Silences libraries, whose warnings and logs quote the values they stumble on."""
    warnings.simplefilter("ignore")
    for name in ("pydicom", "pynetdicom", "highdicom", "dicomweb_client", "urllib3"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [logging.NullHandler()], False


class Window:
    """Serves `/metrics` and `/healthz` in the background."""

    def __init__(
        self,
        address: tuple[str, int],
        telemetry: Telemetry,
        health: Callable[[], dict[str, bool]],
        refresh: Callable[[], None],
    ):
        """Binds the address.

        Args:
            address: host and port.
            telemetry: what is shown.
            health: what is checked -> whether it is well.
            refresh: brings the gauges up to date.

        Raises:
            OSError: the address is taken.
        """

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                if self.path == "/metrics":
                    refresh()
                    content = generate_latest(telemetry.registry)
                    self._answer(200, CONTENT_TYPE_LATEST, content)
                elif self.path == "/healthz":
                    checks = health()
                    status = 200 if all(checks.values()) else 503
                    content = json.dumps(checks).encode()
                    self._answer(status, "application/json", content)
                else:
                    self._answer(404, "text/plain", b"/metrics and /healthz\n")

            def _answer(self, status: int, kind: str, content: bytes) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(address, Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
