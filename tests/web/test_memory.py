"""The same film of one visitor runs once; of two visitors twice."""

import dataclasses

import httpx
import numpy as np
import pytest
from served import serve

from fracture import FractureClassifier, read_radiograph
from fracture.data.phantom import draw_phantom
from fracture.web.memory import Memory


@pytest.fixture(scope="module")
def films():
    return [read_radiograph(draw_phantom("hairline", n).pixels) for n in range(4)]


class Counting:
    """A classifier that keeps count."""

    def __init__(self, classifier):
        self._classifier, self.runs = classifier, 0

    def predict(self, film):
        self.runs += 1
        return self._classifier.predict(film)


@pytest.fixture
def counting(weights):
    return Counting(FractureClassifier.from_pretrained(weights))


def test_a_session_has_each_film_run_once(counting, films):
    memory = Memory()
    mine = memory.of(counting, "mine")
    first, again = mine.predict(films[0]), mine.predict(films[0])
    assert counting.runs == 1
    assert again.to_dict() == first.to_dict()
    np.testing.assert_array_equal(again.heatmap, first.heatmap)
    mine.predict(films[1])
    memory.of(counting, "another").predict(films[0])
    assert counting.runs == 3
    # Turned by a quarter it is another film, which has the same bytes if it is blank.
    blank = dataclasses.replace(films[0], pixels=np.zeros((60, 40), np.uint8))
    turned = dataclasses.replace(films[0], pixels=np.zeros((40, 60), np.uint8))
    mine.predict(blank)
    assert mine.predict(turned).heatmap.shape == (40, 60)
    assert counting.runs == 5


def test_without_a_session_nothing_is_kept(counting, films):
    nobody = Memory().of(counting, None)
    for _ in range(2):
        nobody.predict(films[0])
    assert counting.runs == 2


def test_the_memory_is_bounded_and_holds_no_film(counting, films):
    memory = Memory(most=2)
    mine = memory.of(counting, "mine")
    for film in (films[0], films[1], films[0], films[2]):
        mine.predict(film)
    assert counting.runs == 3
    assert [kept.film for kept in memory._kept.values()] == [None, None]
    mine.predict(films[0])  # asked for more lately than films[1]
    assert counting.runs == 3
    mine.predict(films[1])
    assert counting.runs == 4


def test_a_page_remembers(weights, tmp_path, monkeypatch):
    with serve(weights, tmp_path) as (app, url):
        counting = Counting(app.service.classifier)
        monkeypatch.setattr(app.service, "_classifier", counting)
        fns = app.demo.fns.values()
        example = next(fn for fn in fns if fn.name == "show_example")
        for session, runs in (("a", 1), ("a", 1), ("b", 2)):
            body = {"data": [], "fn_index": example._id, "session_hash": session}
            answer = httpx.post(f"{url}gradio_api/run/predict", json=body, timeout=60)
            assert "heat" in answer.json()["data"][0]
            assert counting.runs == runs
