"""`POST /predict`: one request, one answer, the limits of every other door."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from openapi_spec_validator import validate
from served import ROOT, serve
from specimens import BAD, GOOD
from starlette.applications import Starlette

from fracture import FractureClassifier
from fracture.web import endpoint

FILM = (ROOT / "examples" / "normal.png").read_bytes()


@pytest.fixture(scope="module")
def served(weights, tmp_path_factory):
    uploads = tmp_path_factory.mktemp("uploads")
    limits = {"FRACTURE_CONCURRENCY": "1", "FRACTURE_QUEUE": "1"}
    with serve(weights, uploads, **limits) as (app, url):
        app.service.classifier  # noqa: B018  loads it
        yield app, url


@pytest.fixture(scope="module")
def site(served) -> httpx.Client:
    with httpx.Client(base_url=served[1], timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def classifier(weights) -> FractureClassifier:
    return FractureClassifier.from_pretrained(weights)


@pytest.mark.parametrize("name", [*GOOD][::4])
def test_it_answers_what_python_answers(site, classifier, name):
    film = GOOD[name]()
    expected = classifier.predict(film).to_dict()
    form = site.post("predict", files={"film": (name, film)})
    raw = {"content-type": "application/octet-stream"}
    assert form.status_code == 200 and form.json() == expected
    assert site.post("predict", content=film, headers=raw).json() == expected


@pytest.mark.parametrize("name", [*BAD][::5])
def test_a_bad_film_has_its_reason_and_a_status(site, name):
    reply = site.post("predict", files={"film": BAD[name][1]()})
    assert reply.json()["error_code"] == BAD[name][0]
    assert reply.status_code == endpoint.STATUS.get(BAD[name][0], 422)


def test_parameters_are_in_the_address(site):
    asked = {"heatmap": "array", "target": "normal"}
    answer = site.post("predict", params=asked, files={"film": FILM}).json()
    assert answer["heatmap_target"] == "normal" and len(answer["heatmap"]) > 1


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"files": {"film": FILM}, "params": {"heatmap": "x"}}, 422, "bad_parameter"),
        ({"files": {"film": FILM}, "params": {"colour": 1}}, 422, "bad_parameter"),
        ({"files": {"picture": FILM}}, 422, "no_film"),
        ({"files": {"film": FILM}, "data": {"a": "b"}}, 400, "bad_request"),
        ({"files": [("film", FILM), ("film", FILM)]}, 400, "bad_request"),
        ({"headers": {"content-type": "multipart/form-data"}}, 400, "bad_request"),
        ({"content": FILM}, 415, "unsupported_media_type"),
        ({"json": {"film": "x"}}, 415, "unsupported_media_type"),
        ({"files": {"film": b"<html>"}}, 415, "unsupported_format"),
        (
            {"content": b"", "headers": {"content-type": "image/png"}},
            422,
            "empty_file",
        ),
    ],
)
def test_an_odd_request_has_a_reason(site, request_, status, code):
    reply = site.post("predict", **request_)
    assert (reply.status_code, reply.json()["error_code"]) == (status, code)
    assert reply.json().keys() == {"error_code", "error_message"}


@pytest.fixture
def small(served, monkeypatch):
    """The endpoint alone, with limits that a test can reach."""
    monkeypatch.setattr(endpoint, "MAX_BYTES", 2 * len(FILM))
    monkeypatch.setattr(endpoint, "_HELD", 3 * len(FILM))
    monkeypatch.setattr(endpoint, "_SECONDS", 1)
    app = Starlette(routes=endpoint.routes(served[0].service))

    def post(*bodies, kind="image/png", **request):
        async def together():
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://x", timeout=60
            ) as client:
                headers = {"content-type": kind}
                sent = (
                    client.post("predict", content=body, headers=headers, **request)
                    for body in bodies
                )
                return await asyncio.gather(*sent)

        return asyncio.run(together())

    return post


async def blocks(size, count, pause=0.0):
    for _ in range(count):
        yield bytes(size)
        await asyncio.sleep(pause)


def test_a_body_is_bounded_declared_or_not(small):
    for body in (bytes(2 * len(FILM) + 1), blocks(len(FILM), 9)):
        (reply,) = small(body)
        assert (reply.status_code, reply.json()["error_code"]) == (
            413,
            "too_many_bytes",
        )


def test_a_body_that_dawdles_is_ended(small):
    start = time.monotonic()
    (reply,) = small(blocks(1, 50, 0.1))
    assert (reply.status_code, reply.json()["error_code"]) == (408, "too_slow")
    assert time.monotonic() - start < 3


def test_bodies_together_are_bounded_and_make_room_again(small):
    replies = small(*(blocks(len(FILM), 1, 0.3) for _ in range(5)))
    codes = [reply.json()["error_code"] for reply in replies]
    assert codes.count("busy") >= 2
    for reply in replies:
        assert (reply.status_code == 429) == ("retry-after" in reply.headers)
    (reply,) = small(FILM)
    assert reply.status_code == 200


def test_a_film_never_lies_on_the_disk(served, site, monkeypatch):
    def refuse(_):
        raise AssertionError("written to the disk")

    monkeypatch.setattr(tempfile.SpooledTemporaryFile, "rollover", refuse)
    before = set(served[0].UPLOADS.rglob("*"))
    large = GOOD["film.png"]() + bytes(3 * 2**20)  # a PNG may be followed by anything
    assert site.post("predict", files={"film": large}).status_code in (200, 422)
    assert set(served[0].UPLOADS.rglob("*")) == before


def test_who_finds_no_place_is_told_when_to_come_again(served, site, monkeypatch):
    service, read = served[0].service, served[0].service.read

    def slowly(source):
        time.sleep(0.5)
        return read(source)

    monkeypatch.setattr(service, "read", slowly)
    with ThreadPoolExecutor(6) as pool:
        sent = [
            pool.submit(site.post, "predict", files={"film": FILM}) for _ in range(6)
        ]
        replies = [reply.result() for reply in sent]
    assert sorted(reply.status_code for reply in replies) == [200, 200, *[429] * 4]
    for reply in replies:
        if reply.status_code == 429:
            assert int(reply.headers["retry-after"]) > 0
            assert reply.json()["error_code"] == "busy"


def test_probes(weights, tmp_path):
    with serve(weights, tmp_path) as (app, url):
        assert httpx.get(f"{url}healthz").json() == {"status": "ok"}
        assert httpx.get(f"{url}readyz").status_code == 503  # nothing is loaded yet
        app.service.classifier  # noqa: B018
        assert httpx.get(f"{url}readyz").status_code == 200
        app.service.close(1)
        assert httpx.get(f"{url}readyz").status_code == 503
        assert httpx.get(f"{url}healthz").status_code == 200
        reply = httpx.post(f"{url}predict", files={"film": FILM})
        assert reply.status_code in (429, 503) and "retry-after" in reply.headers


CALL = """
import sys
from client import Client
from client.api.default import predict_film
from client.models import PredictFilmFilesBody
from client.types import File

client = Client(base_url=sys.argv[1])
for path in sys.argv[2:]:
    with open(path, "rb") as stream:
        film = File(payload=stream, file_name="film.png")
        found = predict_film.sync(client=client, body=PredictFilmFilesBody(film=film))
    print(type(found).__name__, found.to_dict())
"""


def test_a_client_can_be_generated(site, served, tmp_path):
    document = site.get("gradio_api/openapi.json").json()
    validate(document)
    assert "filepath" not in json.dumps(document)
    (tmp_path / "openapi.json").write_text(json.dumps(document))
    command = [sys.executable, "-m", "openapi_python_client", "generate"]
    command += ["--path", "openapi.json", "--meta", "none", "--output-path", "client"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    good, bad = tmp_path / "good.png", tmp_path / "bad.png"
    good.write_bytes(FILM)
    bad.write_bytes(b"")
    called = subprocess.run(
        [sys.executable, "-c", CALL, served[1].rstrip("/"), good, bad],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )
    assert called.returncode == 0, called.stderr
    first, second = called.stdout.splitlines()
    assert first.startswith("Film") and "'finding'" in first
    assert second.startswith("Error") and "empty_file" in second
