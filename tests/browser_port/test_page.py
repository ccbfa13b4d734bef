"""The page that needs no server, in Chromium: as the app shows it, and nothing sent."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from browser_port.test_golden import agree
from chromium import (
    axe_core,
    hand_over_file,
    launch,
    open_tab,
    shown,
    violations,
    visit,
)
from PIL import Image
from specimens import GOOD, photograph
from static_host import host

from fracture import FractureClassifier, RadiographError
from fracture.publishing.site import write_site
from fracture.rendering.film_report import render_film_report
from fracture.rendering.fragments import HEATMAP_SIDE
from fracture.rendering.pictures import heatmap_png
from fracture.result import Result
from fracture.study import combine
from fracture.web import html

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
expect = playwright.expect
expect.set_options(timeout=60_000)  # machines that test are busy

pytestmark = [pytest.mark.browser, pytest.mark.npm]

ROOT = Path(__file__).parents[2]
EXAMPLES, WEIGHTS = ROOT / "examples", ROOT / "weights"
# Elements and words of a result, without its pictures and without its JSON.
MARKUP = """(html) => {
  const root = Object.assign(document.createElement("div"), { innerHTML: html });
  for (const part of root.querySelectorAll("[data-testid=json]")) part.textContent = "";
  const skipped = ["src", "href", "name"];
  return [...root.querySelectorAll("*")].map((element) => [
    element.localName,
    ...[...element.attributes].filter((a) => !skipped.includes(a.name)).sort()
      .map((a) => `${a.name}=${a.value}`),
    ...[...element.childNodes].filter((node) => node.nodeType === Node.TEXT_NODE)
      .map((node) => node.data.replace(/\\s+/g, " ").trim()).filter(Boolean),
  ].join(" | "));
}"""


@pytest.fixture(scope="module")
def site(web, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_site(web.parent, WEIGHTS, folder)
    return folder


@pytest.fixture(scope="module")
def served(site):
    with host(site) as server:
        yield server


@pytest.fixture(scope="module")
def browser(served):
    with launch() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(browser, served):
    with visit(browser, served.url) as page:
        yield page


@pytest.fixture(scope="module")
def classifier():
    return FractureClassifier.from_pretrained(WEIGHTS)


@pytest.fixture
def broken(tmp_path) -> Path:
    path = tmp_path / "broken.png"
    path.write_bytes(b"Dear doctor")
    return path


def choose(page, *paths: Path) -> None:
    shown(page).locator(".drop input").set_input_files(paths)


def answer(page, name: str) -> dict:
    """The JSON of what is called so, once it is there."""
    found = shown(page).locator(f'[data-testid=json][data-name="{name}"]')
    return json.loads(found.text_content())


def result(classifier, path: Path, name: str) -> Result:
    try:
        return Result(name, classifier.predict(path))
    except RadiographError as error:
        return Result(name, error=error)


def expect_app_page(page, expected: str) -> None:
    """What is shown is, but for pictures, what the app makes of Python's result."""
    found = shown(page).locator(".html-container").inner_html()
    assert page.evaluate(MARKUP, found) == page.evaluate(MARKUP, expected)


def test_reads_film_after_film_chosen_dropped_and_pasted(page, classifier):
    films = {"choose": "displaced", "drop": "hairline", "beside": "normal"}
    for kind, film in (*films.items(), ("paste", "displaced")):
        path, name = EXAMPLES / f"{film}.png", f"{film}.png"
        if kind == "choose":
            choose(page, path)
        else:
            name = f"{kind}.png"
            hand_over_file(page, path, name, kind)
        expected = result(classifier, path, name)
        agree(answer(page, name), expected.to_dict())
        expect_app_page(page, html.film(expected, guidance=True))
        expect(shown(page).locator("h2").nth(1)).to_be_in_viewport()
        expect(page.locator(".preview")).to_have_count(0)


def picture(page, selector: str, mode: str) -> np.ndarray:
    """The pixels of a picture inside the page."""
    uri = shown(page).locator(selector).get_attribute("src")
    content = base64.b64decode(uri.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert(mode), int)


def test_pictures_are_the_apps(page, classifier):
    choose(page, EXAMPLES / "displaced.png")
    answer(page, "displaced.png")
    prediction = classifier.predict(EXAMPLES / "displaced.png")
    found = picture(page, "img.film", "L")
    assert np.abs(found - prediction.film.pixels).mean() < 2  # both are JPEGs
    for target in ("fracture", "normal"):
        found = picture(page, f"img.heat[data-target={target}]", "RGBA")
        drawn = Image.open(io.BytesIO(heatmap_png(prediction, target, HEATMAP_SIDE)))
        expected = np.asarray(drawn.convert("RGBA"), int)
        seen = expected[..., 3] > 100  # of what is clearer little of the colour is left
        assert np.abs(found - expected)[seen].max(initial=0) <= 2
        assert np.abs(found - expected)[..., 3].max() <= 1


def test_the_viewer_answers_without_a_request(page, served):
    choose(page, EXAMPLES / "displaced.png")
    answer(page, "displaced.png")
    asked = len(served.asked)
    for name in ("Hairline", "Displaced", "Normal", "Fracture"):
        page.get_by_role("radio", name=name).check()
        heat = page.locator("img.heat:visible")
        expect(heat).to_have_attribute("data-target", name.lower())
    marks = page.locator("svg.marks")
    page.get_by_role("checkbox", name="Marks").uncheck()
    expect(marks).to_be_hidden()
    page.get_by_role("slider", name="Opacity").focus()
    page.keyboard.press("Home")
    expect(heat).to_have_css("opacity", "0")
    over = page.locator(".over")
    before = over.evaluate("e => getComputedStyle(e).clipPath")
    page.get_by_role("slider", name="Compare").focus()
    page.keyboard.press("End")
    assert over.evaluate("e => getComputedStyle(e).clipPath") != before
    page.get_by_role("button", name="Reset").click()
    expect(heat).to_have_css("opacity", "0.6")
    expect(marks).to_be_visible()
    assert len(served.asked) == asked


def test_a_broken_film_is_explained_and_the_next_one_read(page, classifier, broken):
    choose(page, broken)
    assert answer(page, "broken.png")["error_code"] == "unsupported_format"
    expect_app_page(page, html.film(result(classifier, broken, "broken.png"), True))
    expect(page.get_by_role("alert")).to_be_in_viewport()
    choose(page, broken)  # the same film again is a film again
    choose(page, EXAMPLES / "normal.png")
    answer(page, "normal.png")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_hostile_name_is_text(page):
    name = '"><img src=x onerror="alert(1)">.png'
    hand_over_file(page, EXAMPLES / "normal.png", name, "paste")
    caption = shown(page).locator(".caption")
    expect(caption).to_have_text(f"{name} · PNG, 8 bits, 560 x 681 pixels")


def test_who_chooses_another_film_gets_that_one(page):
    choose(page, EXAMPLES / "displaced.png")
    choose(page, EXAMPLES / "hairline.png")
    choose(page, EXAMPLES / "normal.png")
    answer(page, "normal.png")
    caption = shown(page).locator(".caption")
    expect(caption).to_contain_text("normal.png")
    choose(page, EXAMPLES / "displaced.png")
    answer(page, "displaced.png")


def ribbon() -> bytes:
    """A film that no canvas could hold as it is."""
    stream = io.BytesIO()
    Image.linear_gradient("L").resize((32, 200_000)).save(stream, "PNG")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("film.dcm", GOOD["film.dcm"]),
        ("house.jpg", photograph),
        ("ribbon.png", ribbon),
    ],
)
def test_films_of_other_kinds_are_shown_as_in_the_app(
    page, classifier, tmp_path, name, content
):
    path = tmp_path / name
    path.write_bytes(content())
    choose(page, path)
    expected = result(classifier, path, name)
    agree(answer(page, name), expected.to_dict())
    expect_app_page(page, html.film(expected, guidance=True))


def test_the_report_is_the_apps(page, classifier):
    choose(page, EXAMPLES / "displaced.png")
    answer(page, "displaced.png")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download the report").click()
    assert waiting.value.suggested_filename == "displaced-report.html"
    found = Path(waiting.value.path()).read_text("utf-8")
    expected = render_film_report(
        result(classifier, EXAMPLES / "displaced.png", "displaced.png")
    )
    time = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
    found, expected = (re.sub(time, "TIME", text) for text in (found, expected))
    assert "TIME" in found
    assert page.evaluate(MARKUP, found) == page.evaluate(MARKUP, expected)


def test_a_study_is_read_as_one(page, classifier, broken):
    open_tab(page, "Study")
    films = [EXAMPLES / "displaced.png", EXAMPLES / "normal.png", broken]
    choose(page, *films)
    views = [result(classifier, path, path.name) for path in films]
    agree(answer(page, "study"), combine(views).to_dict())
    expect_app_page(page, html.study(combine(views), guidance=True))
    expect(page.locator(".spoken")).to_contain_text("Fracture suspected")
    choose(page, *[films[0]] * 13)
    assert answer(page, "The study")["error_code"] == "too_many_views"
    open_tab(page, "Read")


def test_tabs_and_examples_by_keyboard(page):
    page.get_by_role("tab", name="Read").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Study")).to_be_focused()
    expect(page.get_by_text("Choose or drop all views")).to_be_visible()
    page.keyboard.press("Home")
    page.get_by_role("button", name="Hand, fractured").focus()
    page.keyboard.press("Enter")
    assert answer(page, "FracAtlas IMG0002313")["film_width"] == 819
    expect(shown(page)).to_contain_text("Its readers called this film fractured")
    for summary in ("For programs", "For clinicians"):
        shown(page).locator("summary", has_text=summary).focus()
        page.keyboard.press("Enter")
    expect(page.get_by_text("Not advice for this patient")).to_be_visible()


REFUSED = """(url) => fetch(url, { method: "POST", body: "film" })
  .then(() => "sent", () => "refused")"""


def test_nothing_is_sent(page, served, site, tmp_path):
    """Not by what the page does, and neither page nor worker could."""
    files = {f"/{path.relative_to(site).as_posix()}" for path in site.rglob("*")}
    assert {method for method, _, _ in served.asked} == {"GET"}
    assert {path for _, path, _ in served.asked} <= {"/?__theme=light", *files}
    assert not any(length for _, _, length in served.asked)
    assert len(page.workers) >= 2
    (tmp_path / "index.html").touch()
    with host(tmp_path) as elsewhere:
        for place in page.workers:
            assert place.evaluate(REFUSED, elsewhere.url) == "refused"
        assert not elsewhere.asked


def test_the_page_works_offline_after_the_first_visit(browser, served, site):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(served.url)
    choose(page, EXAMPLES / "hairline.png")
    first = answer(page, "hairline.png")
    assert page.evaluate("crossOriginIsolated") is False  # the host sends no headers

    before = served.sent
    page.reload()
    choose(page, EXAMPLES / "hairline.png")
    assert answer(page, "hairline.png") == first
    assert served.sent == before  # the second visit loads nothing
    assert page.evaluate("crossOriginIsolated") is True

    context.set_offline(True)
    page.reload()
    expect(page.get_by_text("The model is here")).to_be_visible()
    choose(page, EXAMPLES / "displaced.png")
    assert answer(page, "displaced.png")["finding"] == "fracture_suspected"
    context.close()


@pytest.mark.slow
def test_a_first_visit_loads_what_the_readme_says(site):
    brotli = pytest.importorskip("brotli")
    files = [path.read_bytes() for path in site.rglob("*") if path.is_file()]
    assert sum(map(len, files)) < 26e6
    assert sum(len(brotli.compress(file, quality=5)) for file in files) < 13e6


def test_a_newer_site_comes_with_a_next_visit(browser, tmp_path, site):
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "model.onnx").symlink_to(WEIGHTS / "model.onnx")
    config = json.loads((WEIGHTS / "config.json").read_text("utf-8"))
    context = browser.new_context()
    page = context.new_page()
    folder = tmp_path / "site"
    folder.mkdir()
    with host(folder) as server:
        for version in ("1.0.0", "1.0.1"):
            text = json.dumps({**config, "version": version})
            (weights / "config.json").write_text(text)
            write_site(ROOT, weights, folder)
            page.goto(server.url)
            page.evaluate(
                """async () => {
                  const found = await navigator.serviceWorker.ready;
                  await found.update();
                  const busy = () => found.installing ?? found.waiting;
                  while (busy()) await new Promise((done) => setTimeout(done, 50));
                }"""
            )
            page.reload()
            expect(page.get_by_text(f"The model is here: .* {version}")).to_have_count(
                0
            )
            expect(page.locator("#model")).to_contain_text(version)
            names = page.evaluate("caches.keys()")
            assert len(names) == 1
    context.close()


# Answers that it is ready, and then no more.
HANGS = """onmessage = ({ data }) => data.path[0] === "ready" &&
  postMessage({ id: data.id, type: "RAW", value: undefined });"""


@pytest.fixture
def with_reader(browser, served, site):
    """A visit whose first reader is a script of the test's."""
    (reader,) = site.glob("assets/reader.worker-*.js")
    context = browser.new_context(service_workers="block")
    page = context.new_page()

    def visit(script: str):
        served.once[f"/{reader.relative_to(site).as_posix()}"] = script
        page.goto(served.url)
        return page

    yield visit
    context.close()


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ("throw new Error('out of memory')", "reader_crashed"),
        pytest.param(HANGS, "reader_timeout", marks=pytest.mark.slow),
    ],
)
def test_a_reader_that_ends_or_hangs_is_a_reason(with_reader, script, code):
    page = with_reader(script)
    choose(page, EXAMPLES / "normal.png")
    assert answer(page, "normal.png")["error_code"] == code
    choose(page, EXAMPLES / "displaced.png")
    assert answer(page, "displaced.png")["finding"] == "fracture_suspected"


def test_another_film_ends_one_that_hangs(with_reader):
    page = with_reader(HANGS)
    choose(page, EXAMPLES / "normal.png")
    expect(page.get_by_text("The model is here")).to_be_visible()
    expect(page.get_by_text("normal.png is being read")).to_be_visible()
    choose(page, EXAMPLES / "displaced.png")
    page.locator("[data-name='displaced.png']").wait_for(
        state="attached", timeout=9_000
    )
    assert page.locator("[data-name='normal.png']").count() == 0


def test_weights_that_are_not_there_are_a_reason(browser, site, tmp_path):
    for path in site.rglob("*"):
        if path.is_file() and path.suffix != ".onnx":
            copy = tmp_path / path.relative_to(site)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.symlink_to(path)
    context = browser.new_context()
    page = context.new_page()
    with host(tmp_path) as server:
        page.goto(server.url)
        choose(page, EXAMPLES / "normal.png")
        assert answer(page, "The model")["error_code"] == "weights_missing"
        (model,) = site.rglob("*.onnx")
        (tmp_path / model.relative_to(site)).symlink_to(model)
        choose(page, EXAMPLES / "normal.png")
        assert answer(page, "normal.png")["finding"] == "no_fracture_seen"
    context.close()


@pytest.fixture(scope="module")
def axe(request) -> str:
    return axe_core(request)


@pytest.mark.parametrize(
    ("width", "theme"),
    [
        (1280, "dark"),
        (390, "light"),
        pytest.param(390, "dark", marks=pytest.mark.slow),
        pytest.param(1280, "light", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing_serious(browser, served, axe, width, theme, broken):
    with visit(browser, served.url, width, theme) as page:
        found = {"empty": violations(page, axe)}
        choose(page, EXAMPLES / "displaced.png")
        answer(page, "displaced.png")
        for summary in page.locator("summary").all():
            summary.click()
        found["read"] = violations(page, axe)
        choose(page, broken)
        answer(page, "broken.png")
        found["broken"] = violations(page, axe)
        open_tab(page, "Study")
        choose(page, EXAMPLES / "displaced.png", broken)
        answer(page, "study")
        found["study"] = violations(page, axe)
        assert not any(found.values()), found
