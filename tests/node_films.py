"""Films made on the fly, the PACS they come from, and a PACS that takes results."""

from __future__ import annotations

import collections
import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dicom_films
import numpy as np
from PIL import Image
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, AllStoragePresentationContexts, build_context, evt
from pynetdicom.sop_class import Verification

ROOT = Path(__file__).parents[1]
SECRETS = {
    "PatientName": "Vorname^Gräfin",
    "PatientID": "MRN-4711-X",
    "PatientBirthDate": "19700203",
    "PatientSex": "F",
    "AccessionNumber": "ACC-0815-Y",
    "StudyID": "STUDY-77",
    "ReferringPhysicianName": "Überweiser^Udo",
    "StudyDescription": "Sturz aus dem Fenster",
}


def picture(name: str = "displaced") -> np.ndarray:
    """uint8 `(H, W)`: one of the examples."""
    with Image.open(ROOT / "examples" / f"{name}.png") as opened:
        return np.asarray(opened.convert("L"))


def film(pixels: np.ndarray | str = "displaced", **elements) -> Dataset:
    """A DX film of its own study, as a modality would send it."""
    pixels = picture(pixels) if isinstance(pixels, str) else pixels
    places = ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
    uids = {keyword: generate_uid() for keyword in places}
    dates = {"StudyDate": time.strftime("%Y%m%d"), "StudyTime": "101112"}
    charset = {"SpecificCharacterSet": "ISO_IR 100"}
    made = dicom_films.dataset(
        pixels, **charset, **uids, **dates, InstanceNumber=3, **SECRETS
    )
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID
    return made


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return trial.getsockname()[1]


def send(port: int, *films: Dataset, aet="XRAY", called="FRACTURE", **options) -> list:
    """Statuses of C-STORE; None where the association did not come about."""
    ae = AE(aet)
    for timeout in ("connection", "acse", "dimse", "network"):
        setattr(ae, f"{timeout}_timeout", 20)
    wanted = {(f.SOPClassUID, f.file_meta.TransferSyntaxUID) for f in films}
    contexts = [build_context(*pair) for pair in wanted] or [
        build_context(Verification)
    ]
    found = ae.associate(
        "127.0.0.1", port, contexts=contexts, ae_title=called, **options
    )
    if not found.is_established:
        return [None] * max(1, len(films))
    try:
        if not films:
            return [found.send_c_echo().get("Status")]
        return [found.send_c_store(f).get("Status") for f in films]
    finally:
        found.release()


class FakePacs:
    """Takes what it is sent, and answers with what it is told to.

    Attributes:
        taken: UID -> data set, every time it was sent.
        statuses: to be answered, the first one first; 0 where there are no more.
    """

    def __init__(self, port: int | None = None):
        self.port = port or free_port()
        self.taken: dict[str, list[Dataset]] = collections.defaultdict(list)
        self.statuses: collections.deque[int] = collections.deque()
        self.contexts = AllStoragePresentationContexts
        self.syntaxes: list | None = None

    def _store(self, event: evt.Event) -> int:
        status = self.statuses.popleft() if self.statuses else 0
        if status in (0, 0xB000):
            self.taken[event.request.AffectedSOPInstanceUID].append(event.dataset)
        return status

    def start(self) -> FakePacs:
        ae = AE("PACS")
        for context in self.contexts:
            syntaxes = self.syntaxes or [
                *context.transfer_syntax,
                "1.2.840.10008.1.2.4.50",
            ]
            ae.add_supported_context(context.abstract_syntax, syntaxes)
        ae.add_supported_context(Verification)
        handlers = [(evt.EVT_C_STORE, self._store)]
        self._server = ae.start_server(
            ("127.0.0.1", self.port), block=False, evt_handlers=handlers
        )
        return self

    def stop(self) -> None:
        self._server.shutdown()

    def of(self, made: Dataset) -> dict[str, Dataset]:
        """Modality -> the first such result in a film's study, whose own comes last."""
        results = [found[-1] for found in list(self.taken.values()) if found]
        study = made.StudyInstanceUID
        return {r.Modality: r for r in results[::-1] if r.StudyInstanceUID == study}

    def __enter__(self) -> FakePacs:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def until(found: Callable, seconds: float = 60):
    """What is found once it is true."""
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.05)
    return value


@contextlib.contextmanager
def running(values: dict, classifier, log=None) -> Iterator:
    """A node in this process, with its log as lines of text.

    Yields:
        The node; its port, spool and log.
    """
    import io
    from types import SimpleNamespace

    from fracture.node.config import NodeConfig
    from fracture.node.node import Node
    from fracture.node.telemetry import Telemetry

    config = NodeConfig.of(values)
    log = log or io.StringIO()
    work = Node(config, classifier, Telemetry(log))
    thread = threading.Thread(target=work.run, daemon=True)
    thread.start()
    try:
        until(lambda: '"started"' in log.getvalue() or not thread.is_alive(), 60)
        assert thread.is_alive()
        yield SimpleNamespace(
            port=config.listen.port, spool=config.spool, log=log, config=config
        )
    finally:
        work.stop.set()
        thread.join(30)
        assert not thread.is_alive()


def settings(spool: Path, pacs_port: int, **tables: dict) -> dict:
    """Values of a configuration for a test: its own ports, short times."""
    values = {
        "spool": str(spool),
        "weights": str(ROOT / "weights"),
        "pacs": {"aet": "PACS", "host": "127.0.0.1", "port": pacs_port},
        "listen": {"host": "127.0.0.1", "port": free_port()},
        "limits": {"free_megabytes": 0, "network_seconds": 10, "jobs": 1},
        "results": {"study_quiet_seconds": 0},
        "operation": {"port": 0},
    }
    for table, more in tables.items():
        values[table] = values.get(table, {}) | more
    return values


def plain(made: Dataset) -> Dataset:
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return made
