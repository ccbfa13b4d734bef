"""A node: receiver, worker and sender around one spool, until it is told to stop."""

from __future__ import annotations

import contextlib
import ctypes
import threading

from threadpoolctl import threadpool_limits

from fracture.classifier import FractureClassifier
from fracture.node import NodeError
from fracture.node.config import NodeConfig
from fracture.node.delivery import Sender
from fracture.node.pacs import connect
from fracture.node.pacs.pacs import Film, Refused, Unreachable
from fracture.node.receiver import Receiver
from fracture.node.reconcile import Reconciliation
from fracture.node.results.source import Source
from fracture.node.spool import ANSWERED, FAILED, IN, OUT, VIEWS, Spool
from fracture.node.telemetry import Telemetry, Window, hush
from fracture.node.worker import Worker
from fracture.radiograph import ReaderPool

_SWEEP = 600.0  # seconds between two looks at what has lain too long
_PATIENCE = 20.0  # seconds that a step which runs may take at the end


class Node:
    """What `fracture node` runs."""

    def __init__(
        self, config: NodeConfig, classifier: FractureClassifier, telemetry: Telemetry
    ):
        self._config, self._classifier = config, classifier
        self._telemetry = telemetry
        self.stop = threading.Event()

    def run(self) -> None:
        """Works until `stop` is set.

        Raises:
            NodeError: why it cannot start; see `Spool`, `Receiver`; `port_unusable`.
        """
        hush()
        _use_few_arenas()
        limits = self._config.limits
        spool = Spool(self._config.spool)
        with (
            # Films are judged side by side; BLAS's own threads would only spin.
            threadpool_limits(1, user_api="blas"),
            spool.held(),
            ReaderPool(
                limits.jobs, limits.reader_seconds, limits.reader_megabytes
            ) as readers,
        ):
            self._run(spool, readers)

    def _run(self, spool: Spool, readers: ReaderPool) -> None:
        config, telemetry = self._config, self._telemetry
        version = self._classifier.config.model_version
        sender = Sender(spool, connect(config), telemetry)
        worker = Worker(
            config,
            spool,
            self._classifier,
            readers,
            telemetry,
            self._answered,
            sender.woken.set,
        )
        receiver = Receiver(config, spool, telemetry, version, worker.woken.set)
        parts: dict[str, Worker | Sender] = {"worker": worker, "sender": sender}
        threads = [
            threading.Thread(target=part.run, args=(self.stop,), name=name, daemon=True)
            for name, part in parts.items()
        ]

        def health() -> dict[str, bool]:
            checks = {thread.name: thread.is_alive() for thread in threads}
            least = config.limits.free_megabytes * 2**20
            return {**checks, "disk": spool.free_bytes() >= least}

        def refresh() -> None:
            for queue in (IN, OUT, FAILED):
                telemetry.waiting.labels(queue).set(len(spool.names(queue)))

        worker.warm_up()
        receiver.start()
        try:
            window = self._window(health, refresh)
            for thread in threads:
                thread.start()
            listen = config.listen
            telemetry.log(
                "started", aet=listen.aet, port=listen.port, model_version=version
            )
            self._keep(spool)
        finally:
            self.stop.set()
            receiver.stop()
        for part in parts.values():
            part.woken.set()
        for thread in threads:
            thread.join(_PATIENCE)
        if window:
            window.close()
        waiting = len(spool.names(IN)) + len(spool.names(OUT))
        telemetry.log("stopped", waiting=waiting)

    def _window(self, health, refresh) -> Window | None:
        operation = self._config.operation
        if not operation.port:
            return None
        address = (operation.host, operation.port)
        try:
            return Window(address, self._telemetry, health, refresh)
        except OSError as error:
            message = f"{address[0]}:{address[1]} cannot be used: {error.strerror}"
            raise NodeError("port_unusable", message) from None

    def _keep(self, spool: Spool) -> None:
        """Deletes what has lain too long, from time to time, until the end."""
        days = self._config.retention
        while True:
            for queue, seconds in {
                FAILED: days.failed_days * 86400,
                ANSWERED: days.answered_days * 86400,
                VIEWS: days.views_hours * 3600,
            }.items():
                if count := spool.expire(queue, seconds):
                    self._telemetry.log("expired", place=queue, count=count)
            if self.stop.wait(_SWEEP):
                return

    def _answered(self, source: Source) -> bool:
        """Whether the PACS has all results of a film; no if it does not say."""
        pacs = connect(self._config)
        version = self._classifier.config.model_version
        film = Film(source.study, source.series, source.uid)
        try:
            return not Reconciliation(self._config, pacs, version).missing(film)
        except (Unreachable, Refused) as error:
            self._telemetry.log("pacs_not_asked", code=error.code)
            return False
        finally:
            pacs.close()


def _use_few_arenas() -> None:
    """Keeps memory flat: glibc gives each thread an arena, and each caller is one."""
    with contextlib.suppress(AttributeError, OSError, TypeError):  # another libc
        ctypes.CDLL(None).mallopt(-8, 2)  # M_ARENA_MAX
