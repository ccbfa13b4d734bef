"""Results reach the PACS once, however often it was down, full or unwilling."""

import http.server
import io
import json
import ssl
import subprocess
import threading
import time

import pytest
from node_films import FakePacs, film, free_port, running, send, settings, until
from pydicom import Dataset, dcmread
from pynetdicom import AE, StoragePresentationContexts
from pynetdicom.sop_class import Verification

from fracture.node import NodeError, delivery
from fracture.node.config import NodeConfig
from fracture.node.delivery import ABOUT, Sender, about
from fracture.node.pacs import connect
from fracture.node.pacs.pacs import Pacs, Refused, Unreachable
from fracture.node.spool import FAILED, OUT, Spool, name_of
from fracture.node.telemetry import Telemetry


class Scripted(Pacs):
    """A PACS that answers as it is told: a status, or what it raises."""

    def __init__(self, *answers):
        self.answers, self.taken = list(answers), []

    def store(self, path):
        answer = self.answers.pop(0) if self.answers else 0
        if isinstance(answer, Exception):
            raise answer
        self.taken.append(f"{path.parent.name}/{path.stem}")
        return answer

    def echo(self): ...
    def films(self, first, last, modalities): ...
    def instances(self, study, series): ...
    def fetch(self, film): ...
    def close(self): ...


class Clock(threading.Event):
    """Whoever waits for it sleeps no real time; it stops after so many waits."""

    def __init__(self, most):
        super().__init__()
        self.waits, self._most = [], most

    def wait(self, timeout=None):
        self.waits.append(timeout)
        if len(self.waits) >= self._most:
            self.set()
        return self.is_set()


@pytest.fixture
def spool(tmp_path) -> Spool:
    made = Spool(tmp_path / "spool")
    for name in ("a", "b"):
        made.put_folder(OUT, name, {"sr.dcm": b"1", "sc.dcm": b"2", ABOUT: about("v1")})
        time.sleep(0.01)
    return made


def sender(spool, *answers) -> tuple[Sender, Scripted, io.StringIO]:
    pacs, log = Scripted(*answers), io.StringIO()
    return Sender(spool, pacs, Telemetry(log)), pacs, log


def test_what_the_pacs_has_is_remembered_and_gone(spool):
    work, pacs, _ = sender(spool)
    for name in spool.names(OUT):
        work.deliver(name)
    assert pacs.taken == ["a/sc", "a/sr", "b/sc", "b/sr"]
    assert not spool.names(OUT) and not spool.names(FAILED)
    assert spool.answered("a") == {"model_version": "v1", "code": "sent"}


def test_it_waits_longer_and_longer_for_a_minute_at_most(spool):
    work, pacs, log = sender(spool, *[Unreachable("pacs_unreachable")] * 9)
    clock = Clock(9)
    work.run(clock)
    assert clock.waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert spool.names(OUT) == ["a", "b"] and not pacs.taken
    codes = {json.loads(line)["code"] for line in log.getvalue().splitlines()}
    assert codes == {"pacs_unreachable"}


def test_it_goes_on_where_it_was_interrupted(spool):
    work, pacs, _ = sender(spool, 0, Unreachable("pacs_out_of_resources"))
    clock = Clock(1)
    work.run(clock)
    assert pacs.taken == ["a/sc"] and len(spool.names(OUT)) == 2
    for name in spool.names(OUT):
        work.deliver(name)
    assert sorted(pacs.taken) == ["a/sc", "a/sr", "b/sc", "b/sr"]


def test_a_refusal_is_set_aside_with_its_status_and_stops_nobody(spool):
    work, pacs, log = sender(spool, Refused("pacs_refused", 0xC001))
    for name in spool.names(OUT):
        work.deliver(name)
    assert pacs.taken == ["a/sr", "b/sc", "b/sr"]
    assert spool.names(FAILED) == ["a"] and not spool.names(OUT)
    reason = spool.reason("a")
    assert reason["code"] == "pacs_refused"
    assert reason["results"] == {"sc": {"code": "pacs_refused", "status": 0xC001}}
    assert spool.path(FAILED, "a").joinpath("sc.dcm").exists()
    assert spool.answered("a") == {}  # so that the film may come again
    assert '"status": 49153' in log.getvalue()


def test_a_warning_is_told_and_counts_as_taken(spool):
    work, _, log = sender(spool, 0xB007)
    work.deliver("a")
    assert spool.answered("a")
    first = json.loads(log.getvalue().splitlines()[0])
    assert first["event"] == "result_warned" and first["status"] == 0xB007


def test_a_folder_of_which_all_was_sent_is_closed(spool):
    """A kill came after the last result and before the folder went."""
    for path in spool.path(OUT, "a").glob("*.dcm"):
        path.unlink()
    work, pacs, _ = sender(spool)
    work.deliver("a")
    assert not pacs.taken and spool.answered("a") and spool.names(OUT) == ["b"]


def test_what_nobody_expected_does_not_end_it(spool):
    work, _, log = sender(spool, ZeroDivisionError("Doe^Jane"))
    work.run(Clock(1))
    assert "sender_failed" in log.getvalue() and "Doe" not in log.getvalue()
    assert len(spool.names(OUT)) == 2


def test_the_pacs_goes_down_and_comes_back(classifier, tmp_path, monkeypatch):
    monkeypatch.setattr(delivery, "_FIRST_WAIT", 0.2)
    port, films = free_port(), [film(), film("normal")]
    with running(settings(tmp_path / "s", port), classifier) as node:
        spool = Spool(node.spool)
        assert send(node.port, *films) == [0, 0]
        until(lambda: len(spool.names(OUT)) == 2)
        until(lambda: "pacs_unreachable" in node.log.getvalue())
        with FakePacs(port) as pacs:
            pacs.statuses.extend([0xA700, 0xA701, 0, 0xB000, 0xC123])
            until(lambda: not spool.names(OUT))
            counts = [len(sent) for sent in pacs.taken.values()]
            assert counts == [1, 1, 1]  # the fourth was refused
    assert len(spool.names(FAILED)) == 1
    reasons = [spool.reason(name) for name in spool.names(FAILED)]
    assert reasons[0]["results"].popitem()[1]["status"] == 0xC123


def test_a_pacs_without_jpeg_gets_the_picture_plain(classifier, tmp_path):
    pacs = FakePacs()
    pacs.syntaxes = ["1.2.840.10008.1.2"]
    with pacs, running(settings(tmp_path / "s", pacs.port), classifier) as node:
        made = film()
        send(node.port, made)
        found = until(lambda: (r := pacs.of(made)).keys() >= {"SR", "OT"} and r)
        capture = found["OT"]
        size = capture.Rows * capture.Columns * 3
        assert len(capture.PixelData) in (size, size + 1)
        assert capture.PhotometricInterpretation == "RGB"


def test_a_pacs_that_takes_no_reports_is_a_refusal(classifier, tmp_path):
    pacs = FakePacs()
    pacs.contexts = [
        c for c in StoragePresentationContexts if "SR" not in c.abstract_syntax.name
    ]
    with pacs, running(settings(tmp_path / "s", pacs.port), classifier) as node:
        made, spool = film(), Spool(node.spool)
        send(node.port, made)
        name = name_of(made.SOPInstanceUID)
        until(lambda: spool.path(FAILED, name).exists())
        assert spool.reason(name)["results"]["sr"]["code"] == "sop_class_refused"
        assert pacs.of(made).keys() == {"OT"}


# --- TLS -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    """Two that sign themselves: of the node, and of a stranger."""
    folder = tmp_path_factory.mktemp("tls")
    for name in ("node", "stranger"):
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes"),
                *("-days", "2", "-subj", "/CN=localhost"),
                *("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"),
                *("-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem"),
            ],
            check=True,
            capture_output=True,
        )
    return folder


def _client(folder, name) -> tuple[ssl.SSLContext, str]:
    context = ssl.create_default_context(cafile=folder / "node.pem")
    if name:
        context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context, "127.0.0.1"


def test_mutual_tls(certificates, classifier, tmp_path):
    """With an authority, only who has its certificate is heard; plain callers never."""
    paths = {"certificate": "node.pem", "key": "node.key", "authority": "node.pem"}
    tls = {name: str(certificates / path) for name, path in paths.items()}
    with FakePacs() as pacs:
        values = settings(tmp_path / "s", pacs.port, listen={"tls": tls})
        with running(values, classifier) as node:
            assert send(node.port, tls_args=_client(certificates, "node")) == [0]
            for caller in ("stranger", None):
                refused = send(node.port, tls_args=_client(certificates, caller))
                assert refused == [None]
            assert send(node.port) == [None]
            assert send(node.port, tls_args=_client(certificates, "node")) == [0]


def test_a_silent_caller_holds_nobody_up(certificates, classifier, tmp_path):
    """A handshake that never comes keeps one thread, not the port."""
    import socket

    tls = {n: str(certificates / f"node.{n[:3]}") for n in ("key",)}
    tls["certificate"] = str(certificates / "node.pem")
    with FakePacs() as pacs:
        values = settings(tmp_path / "s", pacs.port, listen={"tls": tls})
        with (
            running(values, classifier) as node,
            socket.create_connection(("127.0.0.1", node.port)),
        ):
            assert send(node.port, tls_args=_client(certificates, None)) == [0]


def test_results_go_to_a_pacs_over_tls(certificates, tmp_path):
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificates / "node.pem", certificates / "node.key")
    ae, port = AE("PACS"), free_port()
    ae.add_supported_context(Verification)
    served = ae.start_server(("127.0.0.1", port), block=False, ssl_context=server)
    try:
        for authority, well in (("node", True), ("stranger", False)):
            tls = {"authority": str(certificates / f"{authority}.pem")}
            values = {"host": "127.0.0.1", "port": port, "tls": tls}
            pacs = connect(NodeConfig.of({"spool": "s", "pacs": values}))
            if well:
                pacs.echo()
            else:
                with pytest.raises(Unreachable):
                    pacs.echo()
            pacs.close()
    finally:
        served.shutdown()


def test_tls_files_that_are_none_are_told(classifier, tmp_path):
    (tmp_path / "none.pem").write_text("nothing")
    tls = {"certificate": str(tmp_path / "none.pem")}
    values = settings(tmp_path / "s", free_port(), listen={"tls": tls})
    from fracture.node.node import Node

    node = Node(NodeConfig.of(values), classifier, Telemetry(io.StringIO()))
    with pytest.raises(NodeError) as raised:
        node.run()
    assert raised.value.code == "tls_unusable"


@pytest.mark.parametrize("way", [{"host": "h"}, {"url": "https://h/dicom-web"}])
def test_tls_files_for_the_pacs_that_are_none_are_told(way, tmp_path):
    (tmp_path / "none.pem").write_text("nothing")
    pacs = {**way, "tls": {"authority": str(tmp_path / "none.pem")}}
    with pytest.raises(NodeError) as raised:
        connect(NodeConfig.of({"spool": "s", "pacs": pacs}))
    assert raised.value.code == "tls_unusable"


def test_a_port_that_is_taken_is_told(classifier, tmp_path):
    from fracture.node.node import Node

    with FakePacs() as pacs:
        values = settings(tmp_path / "s", pacs.port, listen={"port": pacs.port})
        node = Node(NodeConfig.of(values), classifier, Telemetry(io.StringIO()))
        with pytest.raises(NodeError) as raised:
            node.run()
    assert raised.value.code == "port_unusable"


# --- DICOMweb --------------------------------------------------------------------


@pytest.fixture
def web():
    """A server that gives one answer to every request, and keeps them."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        status, answer = 200, b""

        def do_GET(self):
            asked.append((self.path, dict(self.headers)))
            self.send_response(Handler.status)
            self.send_header("Content-Type", "application/dicom+json")
            self.send_header("Content-Length", str(len(Handler.answer)))
            self.end_headers()
            self.wfile.write(Handler.answer)

        def do_POST(self):
            length = int(self.headers.get("Content-Length") or 0)
            if length:
                self.rfile.read(length)
            self.do_GET()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    Handler.asked, Handler.port = asked, server.server_address[1]
    yield Handler
    server.shutdown()
    server.server_close()


def _web_pacs(web, **more) -> Pacs:
    values = {"url": f"http://127.0.0.1:{web.port}/dicom-web", **more}
    return connect(NodeConfig.of({"spool": "s", "pacs": values}))


def _result(tmp_path):
    made = film()
    made.save_as(tmp_path / "sr.dcm", enforce_file_format=True)
    return tmp_path / "sr.dcm"


@pytest.mark.parametrize("sequence", [None, []])
def test_stow_of_which_nothing_failed(sequence, web, tmp_path):
    answer = Dataset()
    if sequence is not None:
        answer.FailedSOPSequence = sequence  # Orthanc writes it, empty
    web.answer = answer.to_json().encode()
    pacs = _web_pacs(web, username="u", password="p")
    assert pacs.store(_result(tmp_path)) == 0
    path, headers = web.asked[0]
    assert path == "/dicom-web/studies" and headers["Authorization"].startswith("Basic")
    pacs.close()


@pytest.mark.parametrize(
    ("reason", "expected"),
    [(0x0122, Refused), (0xA700, Unreachable), (0xC000, Refused)],
)
def test_stow_of_which_something_failed(reason, expected, web, tmp_path):
    answer, failed = Dataset(), Dataset()
    failed.FailureReason = reason
    answer.FailedSOPSequence = [failed]
    web.answer = answer.to_json().encode()
    with pytest.raises(expected) as raised:
        _web_pacs(web).store(_result(tmp_path))
    if expected is Refused:
        assert raised.value.status == reason


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        *((status, Unreachable) for status in (429, 500, 503, 507)),
        *((status, Refused) for status in (401, 403, 404, 409, 415)),
    ],
)
def test_http_statuses(status, expected, web, tmp_path):
    web.status, web.answer = status, b"{}"
    with pytest.raises(expected) as raised:
        _web_pacs(web).store(_result(tmp_path))
    assert raised.value.code == f"http_{status}"
    assert len(web.asked) == 1  # the node itself tries again, at its own pace


def test_no_web_server_is_unreachable(tmp_path):
    url = f"http://127.0.0.1:{free_port()}/dicom-web"
    pacs = connect(NodeConfig.of({"spool": "s", "pacs": {"url": url}}))
    with pytest.raises(Unreachable):
        pacs.store(_result(tmp_path))
    with pytest.raises(Unreachable):
        pacs.echo()
    assert dcmread(tmp_path / "sr.dcm").Modality == "DX"
