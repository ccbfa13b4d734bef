"""The sender: results go to the PACS one by one, again and again until it has them."""

from __future__ import annotations

import json
import threading

from fracture.node.pacs.pacs import Pacs, Refused, Unreachable
from fracture.node.spool import FILM, OUT, SENT, Spool
from fracture.node.telemetry import Telemetry

ABOUT = "about.json"
_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds
_PAUSE = 1.0  # seconds between two looks at an empty queue


def about(version: str) -> bytes:
    """What the sender must know of a folder of results."""
    return json.dumps({"model_version": version}).encode()


class Sender:
    """Empties `out`, one folder of results after the other, the oldest first."""

    def __init__(self, spool: Spool, pacs: Pacs, telemetry: Telemetry):
        self._spool, self._pacs, self._telemetry = spool, pacs, telemetry
        self.woken = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Works until it is told to stop; what is not sent by then waits."""
        wait = _FIRST_WAIT
        while not stop.is_set():
            try:
                for name in self._spool.names(OUT):
                    if stop.is_set():
                        break
                    self.deliver(name)
                    wait = _FIRST_WAIT
            except (Unreachable, OSError) as error:
                code = getattr(error, "code", None) or "spool_unwritable"
                self._telemetry.retried.labels(code).inc()
                self._telemetry.log("delivery_put_off", code=code, seconds=wait)
                stop.wait(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
                continue
            except Exception as error:  # a sender that is gone would be silent
                self._telemetry.log_error("sender_failed", error)
                stop.wait(wait)
                wait = min(2 * wait, _LONGEST_WAIT)
                continue
            if not self.woken.wait(_PAUSE):
                self._pacs.close()  # for now; a busy node keeps its association
            self.woken.clear()
        self._pacs.close()

    def deliver(self, name: str) -> None:
        """Sends one folder of results.

        Each result is deleted when the PACS has it, so that a kill repeats one at most,
        under the UID that the PACS knows.

        Raises:
            Unreachable: what is left waits.
        """
        folder, refusals = self._spool.path(OUT, name), {}
        for path in sorted(folder.glob(f"*{FILM}")):
            try:
                with self._telemetry.timed("send"):
                    status = self._pacs.store(path)
            except Refused as error:
                refusals[path.stem] = {"code": error.code, "status": error.status}
                self._telemetry.refused.labels(error.code).inc()
                self._telemetry.log(
                    "result_refused",
                    film=name,
                    kind=path.stem,
                    code=error.code,
                    status=error.status,
                )
                continue
            path.unlink()
            self._telemetry.sent.labels(path.stem).inc()
            event = "result_warned" if status else "result_sent"
            self._telemetry.log(event, film=name, kind=path.stem, status=status)
        if refusals:
            first = next(iter(refusals.values()))["code"]
            self._spool.fail(OUT, name, {"code": first, "results": refusals})
            return
        version = json.loads((folder / ABOUT).read_bytes())["model_version"]
        self._spool.answer(name, version, SENT)
        self._spool.forgive(name)
        self._spool.remove(OUT, name)
