"""The golden files say the same in Python, in browsers and, where it can, in Node."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest
from browser_port import films, firefox
from browser_port.build import run
from browser_port.golden import ANSWERS, FILMS, FOLDER, WEIGHTS, answer
from chromium import launch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from static_host import host

from fracture import FractureClassifier, RadiographError, read_radiograph

DATA = os.environ.get("FRACTURE_DATA")
KINDS = {".jpg", ".jpeg", ".png", ".bmp", ".tif"}
GOLDEN = json.loads(ANSWERS.read_text("utf-8"))
# Two builds of ONNX Runtime add up floats in different orders: probabilities of a class
# to 1e-5; novelty is log-odds without bounds, made of a thousand features.
TOLERANCE = {"novelty": 2e-4, "body_parts": 5e-5}
# Reads films, each as its bytes in base64; knows the weights where they are asked for.
READ = """async ([films, weights]) => {
  const { FractureClassifier, Letterbox, readFilm } = await import("/lib/index.js");
  const hex = async (bytes) =>
    [...new Uint8Array(await crypto.subtle.digest("SHA-256", bytes))]
      .map((byte) => byte.toString(16).padStart(2, "0")).join("");
  if (weights) window.classifier ??= await FractureClassifier.load("/weights");
  const found = [];
  for (const text of films) {
    const data = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    try {
      const film = await readFilm(new Blob([data]));
      const { pixels, metadata, warnings, width, height } = film;
      const answer = { metadata, warnings, pixels: await hex(pixels) };
      if (weights) {
        const box = new Letterbox(height, width, window.classifier.config.imageSize);
        answer.square = await hex(box.apply(pixels));
        answer.answer = (await window.classifier.predict(film)).toDict();
      }
      found.push(answer);
    } catch (error) {
      if (!error.code) throw error;
      found.push({ error: error.toDict() });
    }
  }
  return found;
}"""

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(not (WEIGHTS / "model.onnx").exists(), reason="needs weights"),
]


def agree(found, expected, tolerance=1e-5):
    """Fails unless keys, their order and words are the same, and numbers close."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            agree(found[key], value, TOLERANCE.get(key, tolerance))
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            agree(one, other, tolerance)
    elif isinstance(expected, float):
        # Both are rounded to six decimals.
        assert found == pytest.approx(expected, rel=0, abs=tolerance + 1e-6)
    else:
        assert found == expected


@pytest.fixture(scope="module")
def classifier():
    return FractureClassifier.from_pretrained(WEIGHTS, threads=1)


@pytest.fixture(scope="module")
def page(web):
    folders = {"lib": web / "lib", "weights": WEIGHTS}
    with host(folders) as server, launch() as browser:
        page = browser.new_page()
        errors, elsewhere = [], []
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on(
            "request", lambda r: r.url.startswith(server.url) or elsewhere.append(r.url)
        )
        page.goto(server.url)
        yield page
        assert not errors
        assert not [u for u in elsewhere if not u.startswith(("data:", "blob:"))]


def asked(films, weights=False):
    """What `READ` takes."""
    return [[base64.b64encode(film).decode() for film in films], weights]


def read(page, films, weights=False):
    return page.evaluate(READ, asked(films, weights))


@pytest.fixture(scope="module", params=["Chromium", "Firefox"])
def answers(request, web):
    """Asks the library in a browser what it says of films."""
    if request.param == "Chromium":
        page = request.getfixturevalue("page")
        return lambda films: [read(page, [film], weights=True)[0] for film in films]

    def ask(films):
        each = [asked([film], weights=True) for film in films]
        with host({"lib": web / "lib", "weights": WEIGHTS}) as server:
            found = firefox.evaluate(request, server.url, READ, each)
        return [answer for (answer,) in found]

    return ask


@pytest.fixture(scope="module")
def seen(answers):
    """What a browser says of every golden film."""
    films = [(FOLDER / name).read_bytes() for name in GOLDEN]
    return dict(zip(GOLDEN, answers(films), strict=True))


def test_there_is_an_answer_to_every_film():
    names = {path.name for path in FOLDER.iterdir()} - {ANSWERS.name}
    assert names == GOLDEN.keys() == FILMS.keys()
    assert len(names) > 100
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 1.5e6
    kinds = {a["answer"]["finding"] for a in GOLDEN.values() if "answer" in a}
    assert kinds == {
        "no_fracture_seen",
        "uncertain",
        "fracture_suspected",
        "not_judged",
    }


@pytest.mark.parametrize("name", GOLDEN)
def test_python_says_what_it_said(name, classifier):
    expected = {k: v for k, v in GOLDEN[name].items() if k != "browser"}
    agree(answer(classifier, (FOLDER / name).read_bytes()), expected)


@pytest.mark.browser
@pytest.mark.parametrize("name", GOLDEN)
def test_a_browser_says_the_same(name, seen):
    expected, found = GOLDEN[name], seen[name]
    if "browser" in expected:
        assert found["error"]["code"] == expected["browser"]
    elif "error" in expected:
        assert found == {"error": expected["error"]}
    else:
        kept = ("square", "metadata", "answer")
        agree({key: found[key] for key in kept}, {key: expected[key] for key in kept})


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.browser
@pytest.mark.skipif(not DATA, reason="FRACTURE_DATA names no folder of films")
def test_a_browser_says_the_same_of_a_hundred_real_films(answers, classifier):
    paths = sorted(path for path in Path(DATA).rglob("*.*") if path.suffix in KINDS)
    films = [path.read_bytes() for path in paths[:: len(paths) // 100][:100]]
    for film, found in zip(films, answers(films), strict=True):
        expected = answer(classifier, film)
        agree({key: found[key] for key in expected}, expected)


@pytest.mark.slow
@pytest.mark.npm
def test_node_says_the_same(web):
    """Vitest reads PNG, TIFF and DICOM; the rest of its tests run as well."""
    done = run("npm", "test", timeout=200)
    assert not done.returncode, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.npm
def test_types_hold(web):
    done = run("npm", "run", "check")
    assert not done.returncode, done.stdout + done.stderr


# === Films that nobody chose ===


def python(data: bytes) -> dict:
    try:
        film = read_radiograph(data)
    except RadiographError as error:
        return {"error": error.to_dict()}
    return {
        "metadata": dict(film.metadata),
        "warnings": [{"code": w.code, "message": w.message} for w in film.warnings],
        "pixels": hashlib.sha256(np.ascontiguousarray(film.pixels).data).hexdigest(),
    }


def same(found: dict, expected: dict) -> bool:
    """The same film or error, or a refusal of what only Python reads."""
    refused = found.get("error", {}).get("code") == "unsupported_pixels"
    return found == expected or refused


@pytest.mark.browser
@pytest.mark.parametrize("kind", ["dicom", "tiff"])
@settings(
    max_examples=4,
    deadline=None,
    derandomize=True,  # a verdict must not depend on the draw
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_films_that_nobody_chose_are_read_alike(page, kind, data):
    """pydicom and tifffile write numbers; both read the same of them."""
    made = [data.draw(getattr(films, kind)()) for _ in range(25)]
    for (film, told), found in zip(made, read(page, [f for f, _ in made]), strict=True):
        expected = python(film)
        assert same(found, expected), (told, found, expected)


@pytest.mark.browser
def test_damaged_films_are_refused_with_a_reason(page):
    """Bytes changed at random: an answer or a code, never another error."""
    rng = np.random.default_rng(5)
    names = [
        n
        for n, a in GOLDEN.items()
        if "answer" in a and len((FOLDER / n).read_bytes()) < 30_000
    ]
    damaged = []
    for name in names:
        film = bytearray((FOLDER / name).read_bytes())
        for at in rng.integers(0, min(len(film), 600), 3):
            film[at] = rng.integers(256)
        damaged.append(bytes(film[: rng.integers(len(film) // 2, len(film) + 1)]))
    found = read(page, damaged)
    assert len(found) == len(names)
    assert sum("error" in one for one in found) > len(names) / 3
