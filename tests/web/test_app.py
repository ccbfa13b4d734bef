"""The app over its API: same JSON as Python, every bad film explained as data."""

from __future__ import annotations

import asyncio
import base64
import html
import io
import itertools
import json
import re
import time
import zipfile
from html.parser import HTMLParser

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from served import ROOT, load_app, serve
from specimens import BAD, FILM, GOOD, encode

from fracture import FractureClassifier
from fracture.batch import row
from fracture.data.phantom import draw_phantom
from fracture.rendering.film_report import render_film_report
from fracture.study import RULE, combine
from fracture.web.tabs import model_card

ENDPOINTS = ["/predict", "/predict_study", "/predict_batch", "/model"]


@pytest.fixture(scope="module")
def served(weights, tmp_path_factory):
    with serve(weights, tmp_path_factory.mktemp("uploads")) as app_and_url:
        yield app_and_url


@pytest.fixture(scope="module")
def url(served) -> str:
    return served[1]


@pytest.fixture(scope="module")
def client(url) -> Client:
    return Client(url, verbose=False)


@pytest.fixture(scope="module")
def classifier(weights) -> FractureClassifier:
    return FractureClassifier.from_pretrained(weights)


def result(app, name, path):
    """What the app's service finds of a film."""
    return asyncio.run(app.service.predict(name, path, lambda found: found))


@pytest.fixture
def film(tmp_path):
    """Writes a specimen and hands it over."""

    def write(name):
        path = tmp_path / name
        path.write_bytes(GOOD[name]() if name in GOOD else BAD[name][1]())
        return handle_file(path)

    return write


@pytest.mark.parametrize("name", GOOD)
def test_predict_answers_what_python_answers(name, client, classifier, film, tmp_path):
    answer = client.predict(film=film(name), api_name="/predict")
    assert answer == classifier.predict(tmp_path / name).to_dict()


@pytest.mark.parametrize("name", BAD)
def test_a_bad_film_is_explained_at_once(name, client, film, tmp_path):
    sent = film(name)
    assert (tmp_path / name).stat().st_size < 20_000
    start = time.perf_counter()
    answer = client.predict(film=sent, api_name="/predict")
    assert time.perf_counter() - start < 2
    assert list(answer) == ["error_code", "error_message"]
    assert answer["error_code"] == BAD[name][0]
    assert re.fullmatch(r"[A-Z0-9].*\.", answer["error_message"])


@pytest.mark.parametrize("endpoint", ENDPOINTS[:3])
def test_no_film_and_a_wrong_parameter_are_explained(client, endpoint):
    name = "film" if endpoint == "/predict" else "films"
    answer = client.predict(**{name: None}, api_name=endpoint)
    assert answer["error_code"] == "no_film"
    answer = client.predict(**{name: None}, heatmap="jpeg", api_name=endpoint)
    assert answer["error_code"] == "bad_parameter"
    assert "none, png, array" in answer["error_message"]


def test_the_heatmap_comes_as_picture_and_as_numbers(client, classifier, film):
    plain = client.predict(film=film("film.png"), api_name="/predict")
    png = client.predict(film=film("film.png"), heatmap="png", api_name="/predict")
    array = client.predict(film=film("film.png"), heatmap="array", api_name="/predict")
    assert plain.items() <= png.items() and plain.items() <= array.items()
    assert png["heatmap_unit"] == array["heatmap_unit"]
    assert "log-odds" in png["heatmap_unit"]

    heatmap = classifier.predict(FILM).heatmap
    picture = Image.open(io.BytesIO(base64.b64decode(png["heatmap_png"])))
    assert picture.size == (png["heatmap_width"], png["heatmap_height"])
    assert picture.size == (png["film_width"], png["film_height"])
    reference = png["heatmap_index_255"]
    values = np.asarray(picture) / 255 * reference
    np.testing.assert_allclose(
        values, np.minimum(heatmap, reference), atol=reference / 200
    )

    numbers = np.array(array["heatmap"])
    assert numbers.shape == (array["heatmap_height"], array["heatmap_width"])
    assert max(numbers.shape) == 128
    assert numbers.max() == pytest.approx(heatmap.max(), rel=0.05)


def test_another_class_has_another_heatmap(client, film):
    ask = {"film": film("film.png"), "heatmap": "array", "api_name": "/predict"}
    maps = {}
    for target in ("fracture", "normal"):
        answer = client.predict(**ask, target=target)
        assert answer["heatmap_target"] == target
        maps[target] = answer["heatmap"]
    assert maps["fracture"] != maps["normal"]


def test_a_study_is_its_views_and_what_they_say_together(client, film):
    names = ["film.png", "film.dcm", "letter.png"]
    answer = client.predict(films=[film(n) for n in names], api_name="/predict_study")
    assert [view["name"] for view in answer["views"]] == names
    assert answer["rule"] == RULE
    assert answer["views"][2]["error_code"] == "unsupported_format"
    assert "incomplete_study" in [w["code"] for w in answer["warnings"]]
    probabilities = [v["fracture_probability"] for v in answer["views"][:2]]
    assert answer["fracture_probability"] == max(probabilities)


def test_a_study_has_an_end(client, film):
    films = [film("film.png")] * 13
    answer = client.predict(films=films, api_name="/predict_study")
    assert answer["error_code"] == "too_many_views"


def test_a_batch_reads_films_and_archives_and_survives_bad_ones(client, film, tmp_path):
    path = tmp_path / "films.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("wrist/a.png", GOOD["film.png"]())
        archive.writestr("wrist/b.png", b"")
    films = [film("film.jpg"), handle_file(path), film("cut.jpg")]
    answer = client.predict(films=films, heatmap="png", api_name="/predict_batch")
    assert (answer["films"], answer["unread"]) == (4, 2)
    assert [(row["name"], row.get("error_code")) for row in answer["rows"]] == [
        ("film.jpg", None),
        ("wrist/a.png", None),
        ("wrist/b.png", "empty_file"),
        ("cut.jpg", "truncated_file"),
    ]
    assert ["heatmap_png" in row for row in answer["rows"]] == [
        True,
        True,
        False,
        False,
    ]


def test_model_says_what_answers_here(client, classifier):
    answer = client.predict(api_name="/model")
    config = classifier.config
    assert answer["model_version"] == config.model_version
    assert answer["checksum_sha256"] == config.values["files"]["model.onnx"]
    assert answer["operating_points"] == config.values["operating_points"]
    assert answer["classes"] == ["normal", "hairline", "displaced"]
    assert {"peak_x", "heatmap", "probabilities", "body_parts"} <= set(answer["units"])
    assert answer["input_max_films"] == 500


def test_clients_at_the_same_time_get_their_own_answers(client, classifier, tmp_path):
    paths = []
    for seed in range(6):
        paths.append(tmp_path / f"{seed}.png")
        pixels = draw_phantom("hairline", seed, (227, 187)).pixels
        paths[-1].write_bytes(encode(pixels, "png"))
    jobs = [client.submit(film=handle_file(p), api_name="/predict") for p in paths]
    expected = [p.to_dict() for p in classifier.predict(paths)]
    # A batch of another size may round differently in the last digit.
    for job, want in zip(jobs, expected, strict=True):
        answer = job.result(timeout=30)
        assert answer["probabilities"] == pytest.approx(want["probabilities"], abs=1e-4)
        assert answer["finding"] == want["finding"]


def test_endpoints_are_the_public_four_and_documented(client, url):
    named = client.view_api(return_format="dict")["named_endpoints"]
    assert list(named) == ENDPOINTS
    film, heatmap, _ = named["/predict"]["parameters"]
    assert film["example_input"]["path"] == "film.png"
    assert heatmap["type"] == {"enum": ["none", "png", "array"]}
    paths = httpx.get(f"{url}gradio_api/openapi.json").json()["paths"]
    documented = {
        path.rsplit("/", 1)[1]: entry["post"]
        for path, entry in paths.items()
        if "/call/v2/" in path
    }
    assert [f"/{name}" for name in documented] == ENDPOINTS
    for name, words in {
        "predict": ["body_parts", "not a medical device", "heatmap_png"],
        "predict_study": ["most suspicious view", "rule"],
        "predict_batch": ["zip", "a bad one ends nothing"],
        "model": ["checksum_sha256", "operating_points"],
    }.items():
        for word in [*words, *([] if name == "model" else ["error_code"])]:
            assert word in documented[name]["description"], word
    body = documented["predict"]["requestBody"]["content"]["application/json"]
    assert list(body["schema"]["properties"]) == ["film", "heatmap", "target"]


TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
}


def misfits(schema: dict, value, at: str = "") -> list[str]:
    """Places where a value is not of its OpenAPI type, and keys too many or too few."""
    if "oneOf" in schema:
        return min((misfits(kind, value, at) for kind in schema["oneOf"]), key=len)
    if "enum" in schema:
        return [] if value in schema["enum"] else [at]
    if not isinstance(value, TYPES[schema["type"]]):
        return [at]
    if isinstance(value, list):
        return [m for item in value for m in misfits(schema["items"], item, at)]
    if not isinstance(value, dict):
        return []
    if other := schema.get("additionalProperties"):
        return [m for k in value for m in misfits(other, value[k], f"{at}.{k}")]
    kinds, inside = schema["properties"], []
    for key in kinds.keys() & value.keys():
        inside += misfits(kinds[key], value[key], f"{at}.{key}")
    lacking = set(schema.get("required", ())) - value.keys()
    return [*lacking, *(value.keys() - kinds.keys()), *inside]


@pytest.mark.parametrize("endpoint", ENDPOINTS[:3])
def test_answers_are_of_the_type_that_openapi_says(client, url, film, endpoint):
    paths = httpx.get(f"{url}gradio_api/openapi.json").json()["paths"]
    got = paths[f"/gradio_api/call{endpoint}/{{event_id}}"]["get"]["responses"]["200"]
    (schema,) = got["content"]["text/event-stream"]["schema"]["prefixItems"]
    for name, heatmap in itertools.product(
        ["film.png", "cut.jpg", None], ["png", "array"]
    ):
        sent = name and film(name)
        films = {"film": sent} if endpoint == "/predict" else {"films": name and [sent]}
        answer = client.predict(**films, heatmap=heatmap, api_name=endpoint)
        assert not misfits(schema, answer)
        assert misfits(schema, answer | {"more": 1}) and misfits(schema, {})


@pytest.mark.parametrize("guidance", ["on", "off"])
def test_guidance_is_switched_by_the_environment(monkeypatch, weights, guidance):
    monkeypatch.setenv("FRACTURE_GUIDANCE", guidance)
    monkeypatch.setenv("FRACTURE_WEIGHTS", str(weights))
    app = load_app()
    for page in (
        app.html.film(result(app, "a", app.EXAMPLES / "normal.png"), _on(app)),
        app.html.study(
            combine([result(app, "a", app.EXAMPLES / "normal.png")]), _on(app)
        ),
    ):
        assert ("For clinicians" in page) is (guidance == "on")


def _on(app) -> bool:
    return app.service.settings.guidance


def test_the_page_holds_what_python_answers(served, classifier):
    app, _ = served
    path = ROOT / "examples/displaced.png"
    page = app.html.film(result(app, "<b>a.png", path), guidance=True)
    answer = classifier.predict(path).to_dict()
    assert answer["summary"] in page
    assert answer["location"] in page
    assert "&lt;b&gt;a.png · PNG, 8 bits, 560 x 681 pixels" in page
    shown = re.search(r"<pre[^>]*>(.*?)</pre>", page, re.DOTALL)[1]
    assert json.loads(html.unescape(shown)) == answer
    assert page.count('class="heat"') == 4
    assert "<b>" not in page


HOSTILE = '"><script>alert(1)</script><img src=x onerror="alert(1)">.png'


class Markup(HTMLParser):
    """Collects the tags and the text of a page."""

    def __init__(self, page: str):
        super().__init__()
        self.tags, self.attributes, self.text = set(), set(), ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize("name", ["film.png", "cut.jpg"])
def test_a_hostile_name_is_text_on_every_page(served, film, tmp_path, name):
    app, _ = served
    film(name)
    pages = {}
    for called in ("plain.png", HOSTILE):
        found = result(app, called, tmp_path / name)
        cells = row({"name": called, **found.to_dict()})
        pages[called] = [
            app.html.film(found, guidance=True),
            app.html.study(combine([found]), guidance=True),
            app.html.table([cells], [None]),
            render_film_report(found) if found.prediction else "",
        ]
    for plain, page in zip(*pages.values(), strict=True):
        plain, page = Markup(plain), Markup(page)
        assert page.tags == plain.tags and page.attributes == plain.attributes
        assert ("plain.png" in plain.text) == (HOSTILE in page.text)


def test_two_viewers_of_a_page_do_not_share_their_radios(served):
    app, _ = served
    film = result(app, "a", ROOT / "examples/displaced.png")
    page = app.html.study(combine([film, film]), guidance=False)
    names = re.findall(r'type="radio" name="([^"]+)"', page)
    assert len(names) == 8 and len(set(names)) == 2


def test_the_card_belongs_to_the_model_that_answers(monkeypatch):
    monkeypatch.delenv("FRACTURE_WEIGHTS", raising=False)
    app = load_app()
    card = model_card(app.service, ROOT / "MODEL_CARD.md")
    assert card.startswith("\n# ") or card.startswith("# ")
    assert app.service.classifier.config.model_version in card
    assert "data:image/png;base64" in card
    assert not re.search(r"!\[[^]]*\]\((?!data:)", card)


def test_another_models_card_is_not_shown(served):
    app, _ = served
    card = model_card(app.service, ROOT / "MODEL_CARD.md")
    assert card.startswith("There is no card of `")


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("FRACTURE_WEIGHTS", "nowhere", "weights_missing"),
        ("FRACTURE_MAX_FILMS", "many", "bad_setting"),
        ("FRACTURE_GUIDANCE", "maybe", "bad_setting"),
    ],
)
def test_a_bad_setting_ends_in_one_sentence(name, value, code, monkeypatch, capsys):
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as caught:
        raise SystemExit(load_app().main())
    message = capsys.readouterr().err or f"{caught.value.code}\n"
    assert message.count("\n") == 1
    assert message.endswith(f"[{code}]\n")
