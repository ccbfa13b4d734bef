"""What a visitor sends is theirs: not kept, not guessed, not counted, not recorded."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from served import ROOT, process, serve
from specimens import GOOD

from fracture.web import privacy

FILM = ROOT / "examples" / "displaced.png"


@pytest.fixture(scope="module")
def uploads(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("uploads")


@pytest.fixture(scope="module")
def served(weights, uploads):
    with serve(weights, uploads) as app_and_url:
        yield app_and_url


@pytest.fixture(scope="module")
def url(served) -> str:
    return served[1]


@pytest.fixture(scope="module")
def sent(url, uploads) -> Path:
    """Where a film lies that somebody sent and asked about."""
    answer = Client(url, verbose=False).predict(
        film=handle_file(FILM), api_name="/predict"
    )
    assert "finding" in answer
    (path,) = uploads.rglob("displaced.png")
    return path


def _ask(url: str, name: str, body: dict) -> str:
    call = f"{url}gradio_api/call"
    event = httpx.post(f"{call}/v2/{name}", json=body).json()["event_id"]
    return httpx.get(f"{call}/{name}/{event}").text


def test_no_analytics_no_history_no_monitoring_no_sharing(url):
    config = httpx.get(f"{url}config").json()
    assert config["analytics_enabled"] is config["run_history"] is False
    assert config["footer_links"] == ["api", "settings"]
    assert httpx.get(f"{url}monitoring").status_code == 403
    assert httpx.get(f"{url}gradio_api/runs").status_code == 404
    assert httpx.get(f"{url}gradio_api/deep_link").status_code >= 400


def test_results_are_pages_that_lie_nowhere(url, sent, uploads):
    """A prediction writes no file: neither its pictures nor its report."""
    before = set(uploads.rglob("*"))
    _ask(url, "predict", {"film": {"path": str(sent)}, "heatmap": "png"})
    assert set(uploads.rglob("*")) == before


def test_a_path_cannot_be_guessed(sent, uploads):
    """Its folder is a keyed hash: knowing the film is not enough to find it."""
    folder = sent.parent.name
    content = FILM.read_bytes()
    assert len(folder) == 64
    for guess in (content, b"displaced.png", content + b"displaced.png"):
        assert hashlib.sha256(guess).hexdigest() != folder


@pytest.mark.parametrize("place", ["folder", "app", "passwd", "listing"])
def test_only_whole_paths_are_served(place, url, sent, uploads):
    path = {
        "folder": sent.parent,
        "app": ROOT / "app.py",
        "passwd": "/etc/passwd",
        "listing": uploads,
    }[place]
    assert httpx.get(f"{url}gradio_api/file={path}").status_code in (403, 404)


@pytest.mark.parametrize("meta", [{}, {"meta": {"_type": "gradio.FileData"}}])
@pytest.mark.parametrize("name", ["predict", "predict_study", "predict_batch"])
def test_reads_only_what_was_uploaded(name, meta, url):
    film = {"path": str(FILM), **meta}
    body = {"film": film} if name == "predict" else {"films": [film]}
    answer = _ask(url, name, body)
    assert '"error_code": "not_uploaded"' in answer or '{"error": null}' in answer
    assert "finding" not in answer


@pytest.mark.parametrize("path", ["../../etc/passwd", "{uploads}/../secret.png", ""])
def test_no_path_leads_out_of_the_uploads(path, url, uploads):
    (uploads.parent / "secret.png").write_bytes(GOOD["film.png"]())
    answer = _ask(url, "predict", {"film": path.format(uploads=uploads)})
    assert "error_code" in answer and "finding" not in answer


def test_a_file_over_the_limit_is_refused(weights, tmp_path):
    with serve(weights, tmp_path, FRACTURE_MAX_UPLOAD_MB="1") as (_, url):
        files = {"files": ("large.png", bytes(2**20 + 1))}
        assert httpx.post(f"{url}gradio_api/upload", files=files).status_code == 413
        files = {"files": ("small.png", bytes(2**20 - 1000))}
        assert httpx.post(f"{url}gradio_api/upload", files=files).status_code == 200


def test_nothing_is_left_after_the_hour(sent, uploads):
    own = sent.parents[1]
    stray = own / "tmpabc"  # what a broken connection leaves
    stray.write_bytes(b"half a film")
    fresh = own / "fresh.png"
    fresh.write_bytes(b"another film")
    assert privacy.KEEP + privacy.PACE < 3600
    for path in uploads.rglob("*"):
        if path != fresh:
            os.utime(path, (time.time() - privacy.KEEP - 1,) * 2)
    privacy.sweep(own)
    assert [path for path in uploads.rglob("*") if path.is_file()] == [fresh]
    assert not sent.exists()


def test_the_examples_thumbnails_outlive_every_sweep(served, url):
    app, _ = served
    shutil.rmtree(app.UPLOADS)
    icons = [
        component["props"]["icon"]["url"]
        for component in httpx.get(f"{url}config").json()["components"]
        if component["props"].get("icon")
    ]
    assert len(icons) == len(app.tabs.EXAMPLES)
    assert {httpx.get(icon).status_code for icon in icons} == {200}


def test_the_sweep_runs_from_the_start(tmp_path, monkeypatch):
    old = tmp_path / "earlier" / "film.png"
    old.parent.mkdir()
    old.write_bytes(b"of an earlier process")
    os.utime(old, (0, 0))
    monkeypatch.setattr(privacy, "PACE", 0.05)
    privacy.keep_sweeping(privacy.own_folder(tmp_path))
    deadline = time.monotonic() + 10
    while old.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not old.exists()


OTHER = """
import sys
from fracture.web.privacy import own_folder
(own_folder(sys.argv[1]) / "film.png").write_bytes(b"a film")
print("ready", flush=True)
sys.stdin.read()
"""


def test_only_a_dead_process_loses_its_uploads(tmp_path):
    ours = privacy.own_folder(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", OTHER, tmp_path],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout.readline() == b"ready\n"
        (film,) = tmp_path.rglob("film.png")
        for path in (film, film.parent, ours):
            os.utime(path, (0, 0))  # an idle process is none the less alive
        privacy.sweep(ours)
        assert film.exists() and ours.exists()
        other.kill()
    privacy.sweep(ours)
    assert list(tmp_path.iterdir()) == [ours]


def test_a_process_that_ends_takes_its_own_uploads_alone(tmp_path):
    with process(tmp_path) as (first, site), process(tmp_path) as (second, other):
        files = {"files": ("film.png", GOOD["film.png"]())}
        (film,) = site.post("upload", files=files).json()
        other.post("upload", files=files)
        assert len(list(tmp_path.rglob("film.png"))) == 2
        for ended, number in ((second, signal.SIGTERM), (first, signal.SIGINT)):
            assert Path(film).exists()
            start = time.monotonic()
            ended.send_signal(number)
            assert ended.wait(20) == 0
            assert time.monotonic() - start < 10
            assert "Traceback" not in ended.stdout.read()
        assert not list(tmp_path.iterdir())


def test_the_page_tells_no_place_on_the_disk(url):
    for path in ("config", "gradio_api/info", "gradio_api/openapi.json", ""):
        text = httpx.get(f"{url}{path}").text
        for place in (ROOT, Path(sys.prefix), Path.home(), tempfile.gettempdir()):
            assert str(place) not in text, path


def test_a_batchs_heatmaps_come_with_the_page_and_lie_nowhere(served, url, uploads):
    app, _ = served
    run = next(fn for fn in app.demo.fns.values() if fn.name == "run")
    client = Client(url, verbose=False)
    path = client.submit(film=handle_file(FILM), api_name="/predict")
    path.result(timeout=60)
    (path,) = [path for path in uploads.rglob("displaced.png")][:1]
    before = set(uploads.rglob("*"))
    body = {"data": [[{"path": str(path)}]], "fn_index": run._id, "session_hash": "b"}
    httpx.post(f"{url}gradio_api/queue/join", json=body)
    told = httpx.get(f"{url}gradio_api/queue/data?session_hash=b", timeout=60).text
    content = re.search(r"data:application/zip;base64,([\w+/=]+)", told)[1]
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(content))) as archive:
        assert archive.namelist() == ["001-displaced.png"]
    assert set(uploads.rglob("*")) == before


def test_only_allowed_hosts_are_answered(weights, tmp_path):
    hosts = {"FRACTURE_HOSTS": "fracture.example, *.clinic.example"}
    with serve(weights, tmp_path, **hosts) as (_, url):
        for host, status in {
            "fracture.example": 200,
            "fracture.example:8080": 200,
            "reading.clinic.example": 200,
            "localhost": 200,
            "evil.example": 400,
            "fracture.example.evil.example": 400,
        }.items():
            reply = httpx.get(f"{url}config", headers={"Host": host})
            assert reply.status_code == status, host


def test_pages_load_nothing_from_elsewhere():
    """No font, script or picture of another host, and no beacon."""
    for path in [
        *ROOT.glob("fracture/web/assets/*"),
        *ROOT.glob("fracture/templates/*"),
    ]:
        text = path.read_text(encoding="utf-8")
        assert "http://" not in text and "https://" not in text, path.name
        assert "sendBeacon" not in text and "localStorage" not in text, path.name
