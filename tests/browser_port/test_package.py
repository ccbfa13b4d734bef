"""`fracture-web` as its README shows it, and what is Python's in it beside films."""

from __future__ import annotations

import base64
import json
import re
import shutil

import numpy as np
import pytest
from browser_port.golden import FOLDER, WEIGHTS
from browser_port.test_golden import agree
from chromium import launch
from static_host import ISOLATED, host

from fracture import (
    FractureClassifier,
    RadiographError,
    WeightsError,
    __version__,
)
from fracture.result import Result
from fracture.study import combine

FILMS = ["displaced", "hairline", "normal"]
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; "
    "worker-src 'self'; img-src data:"
)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (WEIGHTS / "model.onnx").exists(), reason="needs weights"),
]


@pytest.fixture(scope="module")
def classifier():
    return FractureClassifier.from_pretrained(WEIGHTS, threads=1)


@pytest.fixture(scope="module")
def browser():
    with launch() as browser:
        yield browser


@pytest.fixture
def visit(browser, web):
    """A page beside the library, the weights and the golden films."""

    def open_page(url):
        page = browser.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", lambda m: m.type == "error" and errors.append(m.text))
        page.goto(url)
        return page

    errors = []
    yield open_page
    assert not errors


@pytest.fixture(scope="module")
def folders(web):
    return {"fracture-web": web / "lib", "weights": WEIGHTS, "golden": FOLDER}


def test_the_readmes_example(visit, web, folders, classifier):
    text = (web / "README.md").read_text("utf-8")
    (example,) = re.findall(r"```html\n(.*?)```", text, re.DOTALL)
    assert len(example.splitlines()) <= 11
    film = FOLDER / "marked.jpg"
    with host(folders, example.encode()) as server:
        page = visit(server.url)
        page.wait_for_function("!!document.querySelector('input').onchange")
        page.set_input_files("input", film)
        page.wait_for_function("!!document.querySelector('pre').textContent")
        found = json.loads(page.inner_text("pre"))
    agree(found, classifier.predict(film).to_dict())
    assert found["marks"]


def test_threads_and_a_strict_policy_change_nothing(visit, folders, classifier):
    headers = {**ISOLATED, "Content-Security-Policy": POLICY}
    with host(folders, headers=headers) as server:
        found = visit(server.url).evaluate(
            """async () => {
              const { FractureClassifier } = await import("/fracture-web/index.js");
              let told = [];
              const onProgress = (...bytes) => told.push(bytes);
              const options = { threads: 2, onProgress };
              const classifier = await FractureClassifier.load("/weights/", options);
              const film = await (await fetch("/golden/marked.jpg")).blob();
              const answer = (await classifier.predict(film)).toDict();
              return [crossOriginIsolated, answer, told.at(-1)];
            }"""
        )
    isolated, answer, (loaded, total) = found
    assert isolated
    agree(answer, classifier.predict(FOLDER / "marked.jpg").to_dict())
    # Two of three downloads are of a size that this test knows.
    assert loaded == total > 20e6


def test_a_study_is_the_same(visit, folders, classifier):
    studies = [
        ["marked.jpg", "clear.jpg"],
        ["clear.jpg", "clear.jpg"],
        ["clear.jpg", "cut.jpg", "grey.jpg"],
        ["uncertain.jpg"],
        ["cut.jpg", "blank.png"],
    ]
    with host(folders) as server:
        found = visit(server.url).evaluate(
            """async (studies) => {
              const library = await import("/fracture-web/index.js");
              const classifier = await library.FractureClassifier.load("/weights");
              return Promise.all(studies.map(async (names) => {
                const views = [];
                for (const name of names) {
                  const film = await (await fetch(`/golden/${name}`)).arrayBuffer();
                  views.push(await classifier.predict(film).catch((error) => error));
                }
                return library.combine(views, classifier.config).toDict(names);
              }));
            }""",
            studies,
        )
    for names, study in zip(studies, found, strict=True):
        views = []
        for name in names:
            try:
                views.append(Result(name, classifier.predict(FOLDER / name)))
            except RadiographError as error:
                views.append(Result(name, error=error))
        agree(study, combine(views).to_dict())


def test_the_strength_of_a_map(visit, folders, classifier):
    prediction = classifier.predict(FOLDER / "grey.jpg")
    with host(folders) as server:
        found = visit(server.url).evaluate(
            """async () => {
              const { FractureClassifier } = await import("/fracture-web/index.js");
              const classifier = await FractureClassifier.load("/weights");
              const film = await (await fetch("/golden/grey.jpg")).blob();
              const prediction = await classifier.predict(film);
              return ["displaced", "fracture"].map((map) => {
                const { values, width, height } = prediction.strength(map, 1e4);
                const { buffer } = values;
                let text = "";
                new Uint8Array(buffer).forEach((b) => (text += String.fromCharCode(b)));
                return [btoa(text), width, height];
              });
            }"""
        )
    maps = (prediction.heatmaps["displaced"], prediction.heatmap)
    for (text, width, height), heatmap in zip(found, maps, strict=True):
        strength = np.frombuffer(base64.b64decode(text), np.float32)
        expected = heatmap / prediction.config.heatmap_reference
        assert (height, width) == heatmap.shape
        assert np.abs(strength.reshape(heatmap.shape) - expected).max() < 1e-4


def test_the_package_has_the_version_of_the_weights_it_reads(web):
    package = json.loads((web / "package.json").read_text("utf-8"))
    assert package["version"] == __version__
    # What a clone installs is what was tested.
    assert all(v[0].isdigit() for v in package["devDependencies"].values())


def remove(values, *keys):
    for key in keys[:-1]:
        values = values[key]
    del values[keys[-1]]


# What is done to config.json, a dict or its text.
BROKEN = {
    "checksum": lambda c: c["files"].update({"model.onnx": "0" * 64}),
    "shape": lambda c: c["outputs"]["novelty"].update(shape=[2]),
    "side": lambda c: c["input"].update(shape=[300, 300, 1]),
    "format": lambda c: c.update(format=3),
    "classes": lambda c: c.update(classes=["a", "b"]),
    "points": lambda c: c["operating_points"]["rule_in"].update(threshold=0.001),
    "marks": lambda c: c.update(marks={"side": 0.1}),
    "parts": lambda c: c.update(body_parts=["hand", "hand"]),
    "grid": lambda c: remove(c, "heatmap_grid", "step"),
    "reference": lambda c: c.update(heatmap_reference=True),
}


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Weights folders that cannot be used, by what is wrong with each."""
    root = tmp_path_factory.mktemp("weights")
    config = (WEIGHTS / "config.json").read_text("utf-8")
    for name, change in BROKEN.items():
        values = json.loads(config)
        change(values)
        (root / name).mkdir()
        (root / name / "config.json").write_text(json.dumps(values), "utf-8")
        shutil.copy(WEIGHTS / "model.onnx", root / name)
    (root / "json").mkdir()
    (root / "json" / "config.json").write_text(config[:-9], "utf-8")
    shutil.copy(WEIGHTS / "model.onnx", root / "json")
    (root / "model").mkdir()
    (root / "model" / "config.json").write_text(config, "utf-8")
    return root


def test_unfit_weights_are_refused_with_pythons_reasons(browser, folders, broken):
    names = sorted(path.name for path in broken.iterdir())
    with host({**folders, "broken": broken}) as server:
        page = browser.new_page()
        page.goto(server.url)
        found = page.evaluate(
            """async (names) => {
              const { FractureClassifier } = await import("/fracture-web/index.js");
              const reasons = {};
              for (const name of names) {
                await FractureClassifier.load(`/broken/${name}`).catch((error) => {
                  reasons[name] = [error.code, error.message];
                });
              }
              return reasons;
            }""",
            names,
        )
        page.close()
    assert list(found) == names
    for name, (code, message) in found.items():
        with pytest.raises(WeightsError) as caught:
            FractureClassifier.from_pretrained(broken / name)
        assert code == caught.value.code, name
        if name in BROKEN and code in ("weights_config", "weights_checksum"):
            assert message == caught.value.message
