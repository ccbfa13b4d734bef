"""Odd requests: an answer with a reason, never a traceback, a 500 or a lost file."""

from __future__ import annotations

import json
import resource
import socket
import time

import httpx
import pytest
from served import ROOT, process, serve

FILM = ROOT / "examples" / "normal.png"
META = {"meta": {"_type": "gradio.FileData"}}


@pytest.fixture(scope="module")
def served(weights, tmp_path_factory):
    with serve(weights, tmp_path_factory.mktemp("uploads")) as (app, url):
        yield app, url


@pytest.fixture(scope="module")
def site(served) -> httpx.Client:
    with httpx.Client(base_url=f"{served[1]}gradio_api/", timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def path(site) -> str:
    (path,) = site.post("upload", files={"files": FILM.open("rb")}).json()
    return path


@pytest.fixture
def quiet(capfd, caplog):
    """Nothing in the log is a traceback."""
    yield
    said = "".join(capfd.readouterr()) + caplog.text
    assert "Traceback" not in said


def answered(site, address: str, name: str, body: dict | str) -> dict:
    """What comes of a request: at once, or as the event that it begins."""
    content = body if isinstance(body, str) else json.dumps(body)
    headers = {"content-type": "application/json"}
    reply = site.post(address, content=content, headers=headers)
    assert reply.status_code < 500
    told = reply.json()
    if "event_id" in told:
        told = site.get(f"call/{name}/{told['event_id']}").text
        told = json.loads(told.rpartition("data: ")[2])
    elif "data" in told:
        told = told["data"]
    return told[0] if isinstance(told, list) else told


DEEP = "[" * 900 + "]" * 900
FILMS = {
    "null byte": {"path": "a\0b.png"},
    "surrogate": {"path": "a\ud800.png"},
    "very long": {"path": "a" * 70_000},
    "elsewhere": {"path": "/etc/passwd"},
    "number": 5,
    "nothing": {},
    "path is a number": {"path": 5},
    "deep": {"path": json.loads(DEEP)},
}


@pytest.mark.parametrize("film", FILMS)
@pytest.mark.parametrize("door", ["call/v2", "call", "run", "api"])
def test_a_film_that_is_none_has_a_reason(site, quiet, door, film):
    name = "predict" if door in ("call/v2", "run") else "predict_batch"
    value = FILMS[film]
    value = {**value, **META} if isinstance(value, dict) else value
    films = value if name == "predict" or film == "number" else [value]
    body = {"data": [films, "none", "fracture"]}
    if door == "call/v2":
        body = {"film" if name == "predict" else "films": films}
    answer = answered(site, f"{door}/{name}", name, body)
    assert answer["error_code"] in ("no_film", "not_uploaded", "file_not_found")


@pytest.mark.parametrize(
    ("address", "body", "code"),
    [
        ("call/v2/predict", {}, "no_film"),
        ("call/v2/predict_study", {}, "no_film"),
        ("call/v2/predict", {"film": None, "colour": 1}, "bad_parameter"),
        ("call/v2/predict", {"\ud800": 1}, "bad_parameter"),
        ("call/v2/predict", {"film": None, "heatmap": [[]]}, "bad_parameter"),
        ("call/v2/nothing", {}, "unknown_endpoint"),
        ("call/v2/show", {}, "unknown_endpoint"),
        ("call/v2/predict", "{", "bad_request"),
        ("call/v2/predict", "[]", "bad_request"),
        ("call/v2/predict", DEEP * 99, "bad_request"),
        ("call/v2/predict", "[" * 90_000, "bad_request"),
        ("call/v2/predict", " " * (4 * 2**20 + 1), "too_many_bytes"),
        ("call/predict", {"data": []}, "no_film"),
        ("run/predict", {"data": []}, "no_film"),
        ("run/predict", {"data": [1, 2, 3, 4]}, "bad_parameter"),
        ("run/predict", {"data": 5}, "bad_parameter"),
        ("run/predict", {}, "bad_request"),
        ("api/predict", {"data": [], "fn_index": 999}, "unknown_endpoint"),
        ("queue/join", {"data": [], "fn_index": 999}, "unknown_endpoint"),
        ("queue/join", {"data": [], "fn_index": []}, "unknown_endpoint"),
        ("queue/join", {"data": [{"path": "/etc/passwd"}]}, "not_uploaded"),
        ("queue/join", {"data": [{"path": "a\0b"}]}, "not_uploaded"),
    ],
)
def test_an_odd_request_has_a_reason(site, quiet, address, body, code):
    if address == "queue/join" and isinstance(body, dict):
        body = {"session_hash": "a", "fn_index": 0, **body}
    name = address.rpartition("/")[2]
    assert answered(site, address, name, body)["error_code"] == code


@pytest.mark.parametrize("name", [5, ["a"], {"a": 1}, None, "", "a\ud800b\0.png"])
def test_a_name_that_is_no_text_is_not_echoed(site, quiet, path, name):
    film = {"path": path, "orig_name": name, **META}
    answer = answered(site, "run/predict_batch", "", {"data": [[film]]})
    (row,) = answer["rows"]
    assert "finding" in row
    assert row["name"] == ("a?b\0.png" if isinstance(name, str) and name else FILM.name)


def test_a_page_takes_what_was_uploaded_alone(served, site, quiet, path):
    files = [{"path": path, "orig_name": 5, "size": "big", "url": 5, **META}, 5, None]
    body = {"data": files[:1], "fn_index": 0, "session_hash": "page"}
    event = site.post("queue/join", json=body).json()["event_id"]
    told = site.get("queue/data", params={"session_hash": "page"}).text
    assert event in told and "could not be read" not in told and "normal.png" in told


def test_a_page_calls_its_functions_by_number(served, site):
    fns = served[0].demo.fns.values()
    cancel = next(fn for fn in fns if fn.name == "cancelled")
    body = {"data": [], "fn_index": cancel._id, "session_hash": "page"}
    assert "Cancelled" in str(site.post("run/predict", json=body).json())


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    """A limit on the size of files stands for the disk: writing fails half way."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))

    with process(tmp_path, preexec_fn=limit) as (app, site):
        for _ in range(2):
            files = {"files": ("large.png", bytes(2**21))}
            reply = site.post("upload", files=files)
            assert reply.status_code == 507
            assert reply.json()["error_code"] == "disk_full"
            assert not [path for path in tmp_path.rglob("*") if path.is_file()]
            files = {"files": FILM.open("rb")}
            assert site.post("upload", files=files).status_code == 200
            (film,) = [path for path in tmp_path.rglob("*") if path.is_file()]
            film.unlink()
        app.terminate()
        assert "Traceback" not in app.communicate(timeout=20)[0]


def test_a_broken_connection_leaves_nothing(tmp_path):
    head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'

    def lying() -> list:
        return [path for path in tmp_path.rglob("*") if path.is_file()]

    with process(tmp_path) as (app, site):
        address = site.base_url
        with socket.create_connection((address.host, address.port)) as connection:
            connection.sendall(
                b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\n"
                b"Content-Type: multipart/form-data; boundary=b\r\n"
                b"Content-Length: 1000000\r\n\r\n" + head + bytes(100_000)
            )
            deadline = time.monotonic() + 20
            while not lying() and time.monotonic() < deadline:
                time.sleep(0.05)
            assert lying()
        while lying() and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not lying()
        app.terminate()
        assert "Traceback" not in app.communicate(timeout=20)[0]
