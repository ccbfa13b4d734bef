"""The limits hold at the work: whatever door a request comes through, or leaves by."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from served import ROOT, serve

WORKERS, WAITING = 2, 3
FILM = ROOT / "examples" / "normal.png"


class Slow:
    """Reads films slowly and keeps count of how many at a time."""

    def __init__(self, read):
        self._read, self._lock = read, threading.Lock()
        self.now = self.most = self.done = 0
        self.seconds = 0.2

    def __call__(self, source):
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        time.sleep(self.seconds)
        with self._lock:
            self.now -= 1
            self.done += 1
        return self._read(source)


@pytest.fixture(scope="module")
def served(weights, tmp_path_factory):
    limits = {"FRACTURE_CONCURRENCY": str(WORKERS), "FRACTURE_QUEUE": str(WAITING)}
    uploads = tmp_path_factory.mktemp("uploads")
    with serve(weights, uploads, **limits) as (app, url):
        app.service.classifier  # noqa: B018  loads it
        yield app, url


@pytest.fixture
def slow(served, monkeypatch) -> Slow:
    service = served[0].service
    reader = Slow(service.read)
    monkeypatch.setattr(service, "read", reader)
    yield reader
    deadline = time.monotonic() + 10
    while reader.now and time.monotonic() < deadline:
        time.sleep(0.05)


@pytest.fixture(scope="module")
def site(served) -> httpx.Client:
    with httpx.Client(base_url=f"{served[1]}gradio_api/", timeout=60) as client:
        yield client


@pytest.fixture(scope="module")
def film(site) -> dict:
    (path,) = site.post("upload", files={"files": FILM.open("rb")}).json()
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def joined(site, name: str, data: list) -> str:
    return site.post(f"call/{name}", json={"data": data}).json()["event_id"]


def heard(site, name: str, event: str) -> dict:
    said = site.get(f"call/{name}/{event}").text
    return json.loads(said.rpartition("data: ")[2])[0]


def called(site, name: str, data: list) -> dict:
    return heard(site, name, joined(site, name, data))


def posted(site, name: str, data: list, door: str = "run") -> dict:
    return site.post(f"{door}/{name}", json={"data": data}).json()["data"][0]


def together(*calls) -> list:
    with ThreadPoolExecutor(len(calls)) as pool:
        return [done.result() for done in [pool.submit(*call) for call in calls]]


def test_every_door_leads_to_the_same_few_workers(site, film, slow):
    asked = [film, "png", "fracture"]
    answers = together(
        (posted, site, "predict", asked),
        (posted, site, "predict", asked, "api"),
        (called, site, "predict", asked),
        (called, site, "predict_study", [[film, film], "none", "fracture"]),
        (posted, site, "predict_batch", [[film] * 3, "none", "fracture"]),
    )
    assert not [answer for answer in answers if "error_code" in answer]
    assert slow.most <= WORKERS
    assert slow.done == 8


@pytest.mark.parametrize("door", [posted, called])
def test_who_finds_no_place_is_told_at_once(site, film, slow, door):
    slow.seconds = 1.0
    start, ends = time.monotonic(), {}

    def ask(number):
        answer = door(site, "predict", [film, "none", "fracture"])
        ends[number] = time.monotonic() - start
        return answer

    answers = together(*((ask, number) for number in range(12)))
    codes = Counter(answer.get("error_code") for answer in answers)
    assert codes == {None: WORKERS + WAITING, "busy": 12 - WORKERS - WAITING}
    turned_away = [
        ends[number] for number, answer in enumerate(answers) if "error_code" in answer
    ]
    assert max(turned_away) < min(ends[n] for n in ends if ends[n] not in turned_away)
    assert slow.most == WORKERS
    slow.seconds = 0
    assert "finding" in door(site, "predict", [film, "none", "fracture"])


def cancel(served, site, name: str, event: str) -> None:
    (index,) = (fn._id for fn in served[0].demo.fns.values() if fn.api_name == name)
    body = {"session_hash": event, "fn_index": index, "event_id": event}
    assert site.post("cancel", json=body).json() == {"success": True}


def test_a_cancelled_request_keeps_its_worker_to_the_end(served, site, film, slow):
    slow.seconds = 0.5
    for _ in range(6):
        event = joined(site, "predict", [film, "none", "fracture"])
        time.sleep(0.2)
        cancel(served, site, "predict", event)
    slow.seconds = 0
    assert "finding" in called(site, "predict", [film, "none", "fracture"])
    assert slow.most <= WORKERS


def test_a_cancelled_batch_stops_at_the_next_film(served, site, film, slow):
    event = joined(site, "predict_batch", [[film] * 40, "none", "fracture"])
    while not slow.done:
        time.sleep(0.02)
    cancel(served, site, "predict_batch", event)
    begun = slow.done + slow.now
    time.sleep(3 * slow.seconds)
    assert slow.done <= begun + 1 and not slow.now


def test_a_server_that_stops_refuses_what_waits(weights, tmp_path):
    with serve(weights, tmp_path, FRACTURE_CONCURRENCY="1") as (app, url):
        app.service.read = Slow(app.service.read)
        app.service.read.seconds = 1.0
        with httpx.Client(base_url=f"{url}gradio_api/", timeout=60) as site:
            (path,) = site.post("upload", files={"files": FILM.open("rb")}).json()
            asked = [{"path": path}, "none", "fracture"]
            events = [joined(site, "predict", asked) for _ in range(3)]
            while not app.service.read.now:
                time.sleep(0.02)
            app.service.close(5)
            events.append(joined(site, "predict", asked))
            answers = [heard(site, "predict", event) for event in events]
        codes = [answer.get("error_code") for answer in answers]
        assert codes[:3] == [None, "stopping", "stopping"]
        assert codes[3] in ("stopping", "busy")


def test_a_film_that_hangs_its_reader_ends_in_time(weights, tmp_path):
    """Two such films keep no good one waiting for longer than they may take."""
    limits = {"FRACTURE_READER_SECONDS": "1", "FRACTURE_CONCURRENCY": "2"}
    with serve(weights, tmp_path, **limits) as (app, url):
        with httpx.Client(base_url=f"{url}gradio_api/", timeout=60) as site:
            (path,) = site.post("upload", files={"files": FILM.open("rb")}).json()
            answered = asyncio.run(app.service.predict("a", FILM, lambda found: found))
            assert answered.prediction
            for worker in app.service._readers._workers:
                worker._await_start()  # to load its libraries it has a minute
                os.kill(worker._process.pid, signal.SIGSTOP)
            start = time.monotonic()
            asked = [{"path": path}, "none", "fracture"]
            answers = together(*[(posted, site, "predict", asked)] * 3)
            assert time.monotonic() - start < 15
        codes = [answer.get("error_code") for answer in answers]
        assert sorted(codes, key=str) == [None, "reader_timeout", "reader_timeout"]
