"""The Storage SCP: films are written to the spool, and decoded there by nobody."""

from __future__ import annotations

import errno
import functools
import socket
import threading
from collections.abc import Callable
from typing import Any

from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]
from pynetdicom.transport import RequestHandler, ThreadedAssociationServer

from fracture.node import NodeError
from fracture.node.config import Allow, NodeConfig
from fracture.node.selection import sop_classes
from fracture.node.spool import FILM, IN, Spool, name_of
from fracture.node.telemetry import Telemetry
from fracture.radiograph.dicom import transfer_syntaxes

SUCCESS = 0x0000
OUT_OF_RESOURCES = 0xA700  # PS3.4 B.2.3
_PDU = 2**16  # bytes that are asked for
_MOST_PDU = 2**20  # bytes that are read at most, whatever a caller declares
_MOST_WAITING = 4  # requests of one association that nobody answered yet


class Receiver:
    """Takes films from those who may send them."""

    def __init__(
        self,
        config: NodeConfig,
        spool: Spool,
        telemetry: Telemetry,
        version: str,
        wake: Callable[[], None],
    ):
        """Prepares it; `start` opens the port.

        Args:
            config: of the node.
            spool: where films go.
            telemetry: where it is told.
            version: of the weights; what they answered is not taken again.
            wake: called after each film.
        """
        self._config, self._spool, self._telemetry = config, spool, telemetry
        self._version, self._wake = version, wake
        ae = AE(config.listen.aet)
        ae.maximum_associations = config.limits.associations
        ae.maximum_pdu_size = _PDU
        ae.require_called_aet = True
        ae.require_calling_aet = config.allow.calling
        for timeout in ("network", "acse", "dimse"):
            setattr(ae, f"{timeout}_timeout", config.limits.network_seconds)
        syntaxes = transfer_syntaxes()
        for sop_class in sop_classes(config.films):
            ae.add_supported_context(sop_class, syntaxes)
        ae.add_supported_context(Verification)
        self._ae = ae

    def start(self) -> None:
        """Opens the port.

        Raises:
            NodeError: `port_unusable` or `tls_unusable`.
        """
        listen = self._config.listen
        tls = listen.tls.server() if listen.tls else None
        server: Any = functools.partial(
            _Server,
            allow=self._config.allow,
            seconds=self._config.limits.network_seconds,
            request_handler=functools.partial(
                _Handler, most=self._config.limits.film_megabytes * 2**20
            ),
        )
        try:
            self._server = self._ae.make_server(
                (listen.host, listen.port),
                ae_title=listen.aet,
                contexts=self._ae.supported_contexts,
                ssl_context=tls,
                evt_handlers=[
                    (evt.EVT_C_STORE, self._store),
                    (evt.EVT_ACCEPTED, self._told, ["caller_accepted"]),
                    (evt.EVT_REJECTED, self._told, ["caller_rejected"]),
                    (evt.EVT_ABORTED, self._told, ["caller_aborted"]),
                ],
                server_class=server,
            )
        except OSError as error:
            message = f"{listen.host}:{listen.port} cannot be used: {error.strerror}"
            raise NodeError("port_unusable", message) from None
        self._ae._servers.append(self._server)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.1}
        )
        self._thread.start()

    def stop(self) -> None:
        """Closes the port; a film that is being received is not answered."""
        self._ae.shutdown()
        self._thread.join()

    def _store(self, event: evt.Event) -> int:
        """Status of a C-STORE request (PS3.4 B.2.3)."""
        request: Any = event.request
        name = name_of(str(request.AffectedSOPInstanceUID))
        facts = {"film": name, **_caller(event)}
        try:
            if self._spool.knows(name, self._version):
                self._telemetry.log("film_known", **facts)
                return SUCCESS
            least = self._config.limits.free_megabytes * 2**20
            if self._spool.free_bytes() < least:
                return self._refused("disk_watermark", facts)
            with self._telemetry.timed("receive"):
                self._spool.put(IN, name + FILM, event.encoded_dataset())
        except OSError as error:
            full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            return self._refused("disk_full" if full else "spool_unwritable", facts)
        self._telemetry.received.inc()
        self._telemetry.log("film_received", **facts)
        self._wake()
        return SUCCESS

    def _refused(self, code: str, facts: dict) -> int:
        self._telemetry.refused.labels(code).inc()
        self._telemetry.log("film_refused", code=code, **facts)
        return OUT_OF_RESOURCES

    def _told(self, event: evt.Event, what: str) -> None:
        self._telemetry.log(what, **_caller(event))


def _caller(event: evt.Event) -> dict[str, str]:
    caller = event.assoc.requestor
    asked = getattr(caller.primitive, "called_ae_title", None) or ""
    return {"aet": caller.ae_title, "called": asked, "address": caller.address}


class _Server(ThreadedAssociationServer):
    """Turns strangers away before they say a word, and waits for nobody's handshake."""

    def __init__(self, *args, allow: Allow, seconds: float, **options):
        self._allow, self._seconds = allow, seconds
        super().__init__(*args, **options)

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        client, address = self.socket.accept()
        client.settimeout(self._seconds)
        if self.ssl_context:
            # Its handshake is part of the first reading, by the caller's own thread.
            client = self.ssl_context.wrap_socket(
                client, server_side=True, do_handshake_on_connect=False
            )
        return client, address

    def verify_request(self, request: object, client_address: tuple) -> bool:
        return self._allow.admits(client_address[0])


class _Handler(RequestHandler):
    """Ends an association that sends more than a film."""

    def __init__(self, *args, most: int):
        self._most = most
        super().__init__(*args)

    def _create_association(self):
        association = super()._create_association()
        stream = association.dul.socket
        stream.recv = functools.partial(
            _receive, association.dimse, stream.recv, self._most
        )
        return association


def _receive(dimse, receive: Callable, most: int, count: int) -> bytearray:
    """Reads so many bytes, unless more are held or asked for than a film has.

    The library itself takes whatever comes, and keeps it in memory.
    """
    message = dimse.message
    held = 0
    if message:
        held = message.data_set.tell() + message.encoded_command_set.tell()
    if count > _MOST_PDU or held > most or dimse.msg_queue.qsize() > _MOST_WAITING:
        raise OSError(errno.EMSGSIZE, "more than a film needs")
    return receive(count)
