"""A PACS by DIMSE: C-STORE, C-ECHO, C-FIND and C-MOVE."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydicom import Dataset, dcmread
from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)
from pynetdicom import AE, _config, build_context, evt
from pynetdicom.association import Association
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    Comprehensive3DSRStorage,
    SecondaryCaptureImageStorage,
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from fracture.node.config import NodeConfig
from fracture.node.pacs.pacs import Film, Pacs, Refused, Unreachable

# A file goes out as it lies there: reading and writing it took nine tenths of the time.
_config.STORE_SEND_CHUNKED_DATASET = True

PLAIN = [ExplicitVRLittleEndian, ImplicitVRLittleEndian]
# What is sent; each syntax in a context of its own, so that the PACS may refuse one.
CONTEXTS = (
    (Comprehensive3DSRStorage, [ExplicitVRLittleEndian]),
    (Comprehensive3DSRStorage, [ImplicitVRLittleEndian]),
    (SecondaryCaptureImageStorage, [JPEGBaseline8Bit]),
    (SecondaryCaptureImageStorage, PLAIN),
)
_FIND = StudyRootQueryRetrieveInformationModelFind
_MOVE = StudyRootQueryRetrieveInformationModelMove
_PENDING = (0xFF00, 0xFF01)


class DimsePacs(Pacs):
    """Keeps one association open from call to call, until `close`."""

    def __init__(self, config: NodeConfig):
        self._pacs, self._aet = config.pacs, config.listen.aet
        tls = config.pacs.tls
        self._tls = (tls.client(), config.pacs.host) if tls else None
        self._ae = AE(self._aet)
        plain = [(sop_class, PLAIN) for sop_class in (Verification, _FIND, _MOVE)]
        # Not by `add_requested_context`, which joins those of one SOP class.
        wanted = (*CONTEXTS, *plain)
        self._contexts = [build_context(uid, list(some)) for uid, some in wanted]
        for timeout in ("connection", "network", "acse", "dimse"):
            setattr(self._ae, f"{timeout}_timeout", config.limits.network_seconds)
        self._open: Association | None = None

    def _association(self) -> Association:
        if self._open is None or not self._open.is_established:
            pacs = self._pacs
            found = self._ae.associate(
                pacs.host,
                pacs.port,
                contexts=self._contexts,
                ae_title=pacs.aet,
                tls_args=self._tls,
                evt_handlers=[(evt.EVT_CONN_OPEN, _do_not_hold_back)],
            )
            if found.is_rejected:
                raise Unreachable("pacs_rejects_titles")
            if not found.is_established:
                raise Unreachable("pacs_unreachable")
            self._open = found
        return self._open

    def close(self) -> None:
        if self._open is not None and self._open.is_established:
            self._open.release()
        self._open = None

    def _lost(self) -> Unreachable:
        if self._open is not None and self._open.is_established:
            self._open.abort()
        self._open = None
        return Unreachable("pacs_silent")

    def echo(self) -> None:
        try:
            status = self._association().send_c_echo()
        except ValueError:
            raise Refused("no_echo") from None
        if "Status" not in status:
            raise self._lost()
        if status.Status:
            raise Refused("echo_refused", status.Status)

    def store(self, path: Path) -> int:
        association = self._association()
        contexts = association.accepted_contexts
        known = {(c.abstract_syntax, c.transfer_syntax[0]) for c in contexts}
        meta = read_file_meta_info(path)
        result: Path | Dataset = path
        if (meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID) not in known:
            result = dcmread(path)
            if meta.TransferSyntaxUID.is_compressed:
                result.decompress(generate_instance_uid=False)
        try:
            answer = association.send_c_store(result)
        except ValueError:  # the PACS takes no such objects
            raise Refused("sop_class_refused") from None
        except RuntimeError:  # lost between two results
            raise self._lost() from None
        if "Status" not in answer:
            raise self._lost()
        status = int(answer.Status)
        if status & 0xFF00 == 0xA700:
            raise Unreachable("pacs_out_of_resources")
        if status and status & 0xF000 != 0xB000:
            raise Refused("pacs_refused", status)
        return status

    def films(self, first: str, last: str, modalities: list[str]) -> Iterator[Film]:
        query = {"StudyDate": f"{first}-{last}", "StudyInstanceUID": ""}
        for study in self._find("STUDY", query):
            uid = study.StudyInstanceUID
            query = {"StudyInstanceUID": uid, "SeriesInstanceUID": "", "Modality": ""}
            for series in self._find("SERIES", query):
                if series.get("Modality") in modalities:
                    for found in self.instances(uid, series.SeriesInstanceUID):
                        yield Film(uid, series.SeriesInstanceUID, found)

    def instances(self, study: str, series: str) -> set[str]:
        query = {
            "StudyInstanceUID": study,
            "SeriesInstanceUID": series,
            "SOPInstanceUID": "",
        }
        return {str(found.SOPInstanceUID) for found in self._find("IMAGE", query)}

    def _find(self, level: str, query: dict[str, str]) -> list[Dataset]:
        keys = _dataset(level, query)
        try:
            answers = list(self._association().send_c_find(keys, _FIND))
        except (ValueError, RuntimeError):
            raise self._lost() from None
        if not answers or answers[-1][0].get("Status") != 0:
            raise self._lost()
        return [
            found for status, found in answers if status.Status in _PENDING and found
        ]

    def fetch(self, film: Film) -> bytes | None:
        query = {
            "StudyInstanceUID": film.study,
            "SeriesInstanceUID": film.series,
            "SOPInstanceUID": film.uid,
        }
        try:
            answers = self._association().send_c_move(
                _dataset("IMAGE", query), self._aet, _MOVE
            )
            status = list(answers)[-1][0]
        except (ValueError, RuntimeError, IndexError):
            raise self._lost() from None
        if "Status" not in status:
            raise self._lost()
        if status.Status:
            raise Refused("move_refused", status.Status)
        return None


def _do_not_hold_back(event: evt.Event) -> None:
    """Sends the last packet of a result at once, not when the one before is known.

    Else each result waits for the PACS's delayed acknowledgement, 40 ms twice.
    """
    stream: Any = event.assoc.dul.socket
    stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _dataset(level: str, query: dict[str, str]) -> Dataset:
    keys = Dataset()
    keys.QueryRetrieveLevel = level
    for keyword, value in query.items():
        setattr(keys, keyword, value)
    return keys
