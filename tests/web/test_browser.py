"""The page as people use it, in Chromium: every tab, every way to hand a film over."""

from __future__ import annotations

import asyncio
import contextlib
import csv
import io
import itertools
import json
import re
import threading
import time
import zipfile
from pathlib import Path

import pytest
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
from served import ROOT, serve
from specimens import GOOD, photograph

from fracture.rendering.fragments import percent
from fracture.weights import WeightsConfig

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
expect = playwright.expect
expect.set_options(timeout=30_000)  # machines that test are busy

pytestmark = pytest.mark.browser

EXAMPLES, WEIGHTS = ROOT / "examples", ROOT / "weights"
POINTS = WeightsConfig.load(WEIGHTS).operating_points
# Spread of a picture's grey values, 0 to 255, as the browser decodes them.
SPREAD = """(image) => {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = 64;
  const context = canvas.getContext("2d");
  context.drawImage(image, 0, 0, 64, 64);
  const greys = context.getImageData(0, 0, 64, 64).data.filter((_, i) => i % 4 === 0);
  return Math.max(...greys) - Math.min(...greys);
}"""


@pytest.fixture(scope="module")
def browser():
    with launch() as browser:
        yield browser


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    with serve(WEIGHTS, tmp_path_factory.mktemp("uploads")) as app_and_url:
        yield app_and_url


@pytest.fixture
def page(browser, served):
    with visit(browser, served[1]) as page:
        yield page


@pytest.fixture
def phone(browser, served):
    with visit(browser, served[1], width=390) as page:
        yield page


@pytest.fixture(scope="module")
def forty(tmp_path_factory) -> list[Path]:
    """A batch of 40 files, three of them broken."""
    folder = tmp_path_factory.mktemp("forty")
    film = Image.open(EXAMPLES / "displaced.png").resize((280, 340))
    for number in range(40):
        path = folder / f"film {number:02}.png"
        if number in (7, 19, 33):
            path.write_bytes(b"Dear doctor")
        else:
            film.save(path)
    return sorted(folder.iterdir())


def film_box(page):
    """The input of the open tab's box, once it is empty and takes films."""
    box = shown(page).locator(".drop")
    expect(box.get_by_text("Click to Upload")).to_be_visible()
    return box.locator("input[type=file]")


def choose(page, *paths: Path) -> None:
    film_box(page).set_input_files(paths)


def hand_over(page, path: Path, name: str, kind: str) -> None:
    expect(film_box(page)).to_be_attached()
    hand_over_file(page, path, name, kind)


def expect_result(page, name: str, width: int = 560) -> None:
    result = shown(page).locator(".block.result")
    expect(result.locator(".caption")).to_contain_text(name)
    expect(result).to_contain_text("probability of a fracture")
    for text, point in (("rule-out", "rule_out"), ("rule-in", "rule_in")):
        text = f"{text} {percent(POINTS[point])}"
        expect(result.locator(".scale")).to_contain_text(text)
    for label in ("Normal", "Hairline", "Displaced"):
        expect(result.locator("dt", has_text=label)).to_be_visible()
    expect(result.locator("h2")).to_be_in_viewport()
    expect(result.locator(".finding")).to_have_css("border-width", "1px 1px 1px 6px")
    film = result.locator("img.film")
    expect(film).to_have_js_property("naturalWidth", width)
    assert film.get_attribute("alt")
    expect(result.locator("img.heat:visible")).to_have_count(1)
    expect(result.get_by_text("Where the model looked.")).to_be_visible()


def test_reads_film_after_film_chosen_dropped_and_pasted(page):
    choose(page, EXAMPLES / "displaced.png")
    expect_result(page, "displaced.png · PNG")
    hand_over(page, EXAMPLES / "hairline.png", "dropped.png", "drop")
    expect_result(page, "dropped.png · PNG")
    hand_over(page, EXAMPLES / "normal.png", "beside.png", "drop beside the box")
    expect_result(page, "beside.png · PNG")
    hand_over(page, EXAMPLES / "displaced.png", "pasted.png", "paste")
    expect_result(page, "pasted.png · PNG")
    # Only words are spoken, neither the mark before them nor the pictures.
    expect(page.locator(".spoken[role=status]")).to_have_text(
        re.compile(r"^\w[\w ,:]+$")
    )


@pytest.mark.parametrize("kind", ["choose", "drop", "drop beside the box", "paste"])
def test_the_chosen_film_shows_before_its_answer(page, served, monkeypatch, kind):
    service, ready = served[0].service, threading.Event()
    predict = service.predict

    async def late(*arguments):
        await asyncio.to_thread(ready.wait)
        return await predict(*arguments)

    choose(page, EXAMPLES / "hairline.png")
    expect_result(page, "hairline.png")
    monkeypatch.setattr(service, "predict", late)
    if kind == "choose":
        choose(page, EXAMPLES / "normal.png")
    else:
        hand_over(page, EXAMPLES / "normal.png", "normal.png", kind)
    preview = page.locator(".preview img")
    expect(preview).to_have_js_property("naturalWidth", 560)
    expect(preview).to_be_visible()
    expect(page.get_by_text("normal.png is being read")).to_be_visible()
    expect(page.locator(".caption")).not_to_be_visible()  # of the film before
    ready.set()
    expect_result(page, "normal.png · PNG")
    expect(page.locator(".preview")).to_have_count(0)


def test_a_film_that_only_the_server_reads_has_its_name_before_its_answer(
    page, tmp_path
):
    (path := tmp_path / "letter.dcm").write_bytes(b"Dear doctor")
    for _ in range(2):  # the same answer twice is an answer, too
        choose(page, path)
        expect(shown(page).get_by_text("could not be read").first).to_be_visible()
        expect(page.locator(".preview")).to_have_count(0)


def test_the_phone_shows_the_same(phone):
    choose(phone, EXAMPLES / "displaced.png")
    expect_result(phone, "displaced.png · PNG")
    boxes = "images => images.map(i => JSON.stringify(i.getBoundingClientRect()))"
    stage, film = phone.locator(".stage, img.film").evaluate_all(boxes)
    assert film == stage and json.loads(stage)["width"] > 300


@pytest.mark.parametrize(
    ("name", "caption"),
    [("film.dcm", "DICOM, 12 bits"), ("sixteen.png", "PNG, 16 bits")],
)
def test_deep_films_preview_properly(page, tmp_path, name, caption):
    path = tmp_path / name
    path.write_bytes(GOOD[name]())
    choose(page, path)
    expect_result(page, caption, Image.open(io.BytesIO(GOOD["film.png"]())).width)
    assert page.locator("img.film").evaluate(SPREAD) > 150


def test_the_viewer_answers_without_a_request(page):
    choose(page, EXAMPLES / "displaced.png")
    expect_result(page, "displaced.png")
    requests = []
    page.on("request", lambda r: r.url.startswith("http") and requests.append(r.url))
    for name in ("Hairline", "Displaced", "Normal", "Fracture"):
        page.get_by_role("radio", name=name).check()
        heat = page.locator("img.heat:visible")
        expect(heat).to_have_count(1)
        expect(heat).to_have_attribute("data-target", name.lower())
    marks = page.locator("svg.marks")
    expect(marks).to_be_visible()
    assert marks.bounding_box() == page.locator("img.film").bounding_box()
    page.get_by_role("checkbox", name="Marks").uncheck()
    expect(marks).to_be_hidden()
    page.get_by_role("slider", name="Opacity").focus()
    page.keyboard.press("Home")
    expect(heat).to_have_css("opacity", "0")
    over, film = page.locator(".over"), page.locator("img.film")
    before = over.evaluate("e => getComputedStyle(e).clipPath")
    page.get_by_role("slider", name="Compare").focus()
    page.keyboard.press("End")
    assert over.evaluate("e => getComputedStyle(e).clipPath") != before
    page.get_by_role("slider", name="Contrast").focus()
    page.keyboard.press("End")
    expect(film).to_have_css("filter", "brightness(1) contrast(2.5)")
    page.get_by_role("button", name="Reset").click()
    expect(heat).to_have_css("opacity", "0.6")
    expect(marks).to_be_visible()
    expect(film).to_have_css("filter", "brightness(1) contrast(1)")
    assert over.evaluate("e => getComputedStyle(e).clipPath") == before
    assert requests == []


def test_the_dividing_line_can_be_dragged(page):
    choose(page, EXAMPLES / "displaced.png")
    expect_result(page, "displaced.png")
    wipe = page.get_by_role("slider", name="Compare")
    wipe.scroll_into_view_if_needed()
    box = wipe.bounding_box()
    page.mouse.move(box["x"] + 12, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 20)
    page.mouse.up()
    assert 45 <= int(wipe.input_value()) <= 55


def test_a_broken_film_is_explained_in_place_and_the_next_one_read(page, tmp_path):
    choose(page, EXAMPLES / "displaced.png")
    expect_result(page, "displaced.png · PNG")
    drawing = tmp_path / "drawing.svg"
    drawing.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    cut = tmp_path / "cut.png"
    cut.write_bytes((EXAMPLES / "normal.png").read_bytes()[:9000])
    empty = tmp_path / "empty.png"
    empty.touch()
    for path, code in (
        (drawing, "unsupported_format"),
        (cut, "truncated_file"),
        (empty, "empty_file"),
    ):
        choose(page, path)
        alert = page.get_by_role("alert")
        expect(alert).to_contain_text(f"{path.name} could not be read")
        expect(alert).to_contain_text(code)
        expect(alert).to_be_in_viewport()
        expect(page.locator("img.film")).to_have_count(0)
        expect(page.get_by_text("probability of a fracture")).to_have_count(0)
    choose(page, EXAMPLES / "normal.png")
    expect_result(page, "normal.png · PNG")
    expect(page.get_by_role("alert")).to_have_count(0)


def expect_refusal(result) -> None:
    finding = result.locator(".finding.not_judged")
    expect(finding.locator("h2")).to_contain_text("Not judged")
    codes = finding.locator(".warnings code")
    expect(codes).to_have_text(["colour", "out_of_distribution"])
    expect(result.locator("img.film")).to_be_visible()
    expect(result.locator(".viewer, .heat, .scale, dl, .guidance")).to_have_count(0)
    expect(result).not_to_contain_text("probability of a fracture")


def test_a_photograph_is_not_judged(page, tmp_path):
    photo = tmp_path / "house.jpg"
    photo.write_bytes(photograph())
    choose(page, photo)
    result = shown(page).locator(".block.result")
    expect_refusal(result)
    page.get_by_text("For programs").click()
    answer = json.loads(result.locator("pre").text_content())
    assert answer["finding"] == "not_judged" and answer["severity"] is None
    expect(page.locator(".spoken")).to_contain_text("Not judged")

    open_tab(page, "Study")
    choose(page, photo)
    study = shown(page).locator(".block.result")
    expect(study.locator("h2").first).to_contain_text("Not judged")
    expect_refusal(study.locator(".views"))

    open_tab(page, "Batch")
    choose(page, photo, EXAMPLES / "normal.png")
    rows = page.locator(".table tbody tr")
    expect(rows).to_have_count(2)
    row, other = rows.all()
    expect(row.locator(".not_judged")).to_contain_text("Not judged")
    expect(row.locator(".number").last).to_be_empty()
    expect(row).to_contain_text("out_of_distribution")
    expect(other.locator(".no_fracture_seen")).to_be_visible()


def test_an_example_shows_its_result_by_keyboard(page):
    expect(page.get_by_text("Research software, not a medical device.")).to_be_visible()
    page.get_by_role("button", name="Hand, fractured").focus()
    page.keyboard.press("Enter")
    expect_result(page, "FracAtlas IMG0002313", 819)
    expect(page.get_by_text("Its readers called this film fractured")).to_be_visible()
    expect(page.get_by_text("not the outline of a fracture")).to_be_visible()
    for summary in ("For programs", "For clinicians"):
        page.locator("summary", has_text=summary).focus()
        page.keyboard.press("Enter")
    expect(page.locator("pre")).to_contain_text("model_version")
    expect(page.get_by_text("Not advice for this patient")).to_be_visible()


def test_the_report_downloads_and_prints_on_one_page(page, browser, served, tmp_path):
    choose(page, EXAMPLES / "displaced.png")
    expect_result(page, "displaced.png")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download the report").click()
    assert waiting.value.suggested_filename == "displaced-report.html"
    path = tmp_path / "report.html"
    waiting.value.save_as(path)
    assert served[0].service.classifier.config.model_version in path.read_text("utf-8")
    report = browser.new_page(viewport={"width": 390, "height": 844})
    report.goto(path.as_uri())
    assert report.evaluate("document.documentElement.scrollWidth") <= 390
    pdf = report.pdf(prefer_css_page_size=True, print_background=True)
    assert pdf.count(b"/Type /Page\n") == 1
    report.close()


def test_a_study_is_read_as_one(phone, tmp_path):
    page = phone
    open_tab(page, "Study")
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"Dear doctor")
    choose(page, EXAMPLES / "displaced.png", EXAMPLES / "normal.png", broken)
    result = shown(page).locator(".block.result")
    expect(result.locator(".caption").first).to_have_text("Study of 3 views")
    expect(result.locator("h2").first).to_be_in_viewport()
    expect(page.locator(".spoken")).to_contain_text("Fracture suspected")
    expect(result).to_contain_text("most suspicious view")
    expect(result).to_contain_text("incomplete_study")
    expect(result.locator(".viewer")).to_have_count(2)
    expect(result.get_by_role("alert")).to_contain_text("broken.png could not be read")
    # The radios of one view leave those of the other alone.
    first, second = result.locator(".viewer").all()
    first.get_by_role("radio", name="Normal").check()
    expect(second.get_by_role("radio", name="Fracture")).to_be_checked()
    expect(first.locator("img.heat:visible")).to_have_attribute("data-target", "normal")


def test_a_batch_of_forty_with_three_broken(page, forty):
    open_tab(page, "Batch")
    choose(page, *forty)
    expect(page.get_by_text("40 of 40 films, 3 could not be read")).to_be_visible(
        timeout=60_000
    )
    # Only the end brings it; a table still growing would lose its order again.
    expect(page.get_by_text("Download the heatmaps")).to_be_visible()
    rows = page.locator(".table tbody tr")
    expect(rows).to_have_count(40)
    expect(rows.nth(7)).to_contain_text("unsupported_format")
    expect(rows.nth(8).locator("img")).to_be_visible()

    header = page.locator("th", has_text="Name")
    header.get_by_role("button").click()
    header.get_by_role("button").click()
    expect(header).to_have_attribute("aria-sort", "descending")
    expect(rows.first).to_contain_text("film 39.png")
    page.locator("th", has_text="Finding").get_by_role("button").click()
    names = page.locator(".table tbody td:nth-child(4)").all_text_contents()
    findings = [name[1:] for name in names]  # without the mark
    assert [key for key, _ in itertools.groupby(findings)] == sorted(set(findings))

    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download as CSV").click()
    text = Path(waiting.value.path()).read_text(encoding="utf-8-sig")
    table = list(csv.DictReader(io.StringIO(text)))
    assert [line["name"] for line in table] == [path.name for path in forty]
    assert sum(bool(line["error_code"]) for line in table) == 3

    with page.expect_download() as waiting:
        page.get_by_text("Download the heatmaps").click()
    with zipfile.ZipFile(waiting.value.path()) as archive:
        assert len(archive.namelist()) == 37
        assert archive.namelist()[0] == "001-film_00.png"
        assert Image.open(archive.open("001-film_00.png")).mode == "P"


def test_a_zip_is_a_batch_on_the_phone(phone, tmp_path):
    open_tab(phone, "Batch")
    path = tmp_path / "films.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(EXAMPLES / "normal.png", "cd/normal.png")
        archive.writestr("cd/readme.txt", "Dear doctor")
    hand_over(phone, path, path.name, "drop")
    expect(phone.get_by_text("2 of 2 films, 1 could not be read")).to_be_visible()
    expect(phone.locator(".table tbody tr").first).to_contain_text("cd/normal.png")


@contextlib.contextmanager
def slowly(service):
    """Every film takes a while to read; yields the list of those begun."""
    read, begun = service.read, []

    def slow(source):
        begun.append(source)
        time.sleep(0.3)
        return read(source)

    service.read = slow
    try:
        yield begun
    finally:
        service.read = read


def test_a_batch_can_be_cancelled(page, forty, served):
    open_tab(page, "Batch")
    with slowly(served[0].service) as begun:
        choose(page, *forty)
        cancel = page.get_by_role("button", name="Cancel")
        expect(cancel).to_be_enabled()
        rows = page.locator(".table tbody tr")
        expect(rows.first).to_be_visible()
        cancel.click()
        expect(page.get_by_text("Cancelled")).to_be_visible()
        expect(cancel).to_be_disabled()
        before, read = rows.count(), len(begun)
        time.sleep(1)
        assert rows.count() == before < 40
        assert len(begun) <= read + 1  # nobody computes on
    choose(page, *forty[:2])
    expect(page.get_by_text("2 of 2 films")).to_be_visible()


def test_about_shows_the_card(phone):
    open_tab(phone, "About")
    card = phone.locator(".card")
    expect(card.get_by_role("heading", name="Results")).to_be_visible()
    figure = card.get_by_alt_text("Training and validation curves")
    expect(figure).to_be_visible()
    expect(figure).to_have_js_property("complete", True)
    assert figure.evaluate("image => image.naturalWidth") > 300


@pytest.fixture(scope="module")
def axe(request) -> str:
    return axe_core(request)


@pytest.mark.npm
@pytest.mark.parametrize(
    ("width", "theme"),
    [
        (1280, "light"),
        pytest.param(390, "dark", marks=pytest.mark.slow),
        pytest.param(1280, "dark", marks=pytest.mark.slow),
        pytest.param(390, "light", marks=pytest.mark.slow),
    ],
)
def test_axe_finds_nothing_serious(browser, served, axe, width, theme, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"Dear doctor")
    photo = tmp_path / "house.jpg"
    films = [EXAMPLES / "displaced.png", EXAMPLES / "normal.png", broken]
    with visit(browser, served[1], width, theme) as page:
        found = {"empty": violations(page, axe)}
        choose(page, films[0])
        expect_result(page, "displaced.png")
        for summary in page.locator("summary").all():
            summary.click()
        found["read"] = violations(page, axe)
        choose(page, broken)
        expect(page.get_by_role("alert")).to_be_visible()
        found["broken"] = violations(page, axe)
        photo.write_bytes(photograph())
        choose(page, photo)
        expect(page.locator(".finding.not_judged")).to_be_visible()
        found["refused"] = violations(page, axe)
        open_tab(page, "Study")
        choose(page, *films)
        expect(shown(page).locator(".viewer")).to_have_count(2)
        found["study"] = violations(page, axe)
        open_tab(page, "Batch")
        choose(page, *films)
        expect(page.get_by_text("3 of 3 films")).to_be_visible()
        found["batch"] = violations(page, axe)
        open_tab(page, "About")
        expect(page.locator(".card h2").first).to_be_visible()
        found["about"] = violations(page, axe)
        assert not any(found.values()), found
