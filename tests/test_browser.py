"""The page as people use it, in Chromium, as wide as a desk and as a phone."""

from __future__ import annotations

import base64
import re
import shutil
from pathlib import Path

import pytest
from served import ROOT, serve

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
expect = playwright.expect

pytestmark = pytest.mark.browser

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))),
    None,
)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
EXAMPLES = ROOT / "examples"
# What the system's clipboard or file manager would do with a file.
HAND_OVER = """([name, content, kind]) => {
  const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name));
  const options = { bubbles: true, cancelable: true };
  if (kind === "paste") {
    const event = new ClipboardEvent("paste", { ...options, clipboardData: data });
    document.body.dispatchEvent(event);
  } else {
    const target = document.querySelector(kind === "drop" ? "#film button" : "h1");
    const event = new DragEvent("drop", { ...options, dataTransfer: data });
    target.dispatchEvent(event);
  }
}"""


@pytest.fixture(scope="module")
def browser():
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def url(weights, tmp_path_factory):
    with serve(weights, tmp_path_factory.mktemp("uploads")) as (_, url):
        yield url


@pytest.fixture(params=[1280, 390], ids=["desk", "phone"])
def page(browser, url, request):
    """The page; in the end nothing may have gone wrong behind the scenes."""
    page = browser.new_page(viewport={"width": request.param, "height": 844})
    errors, elsewhere = [], []
    page.on("console", lambda m: m.type == "error" and errors.append(m.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda r: r.url.startswith(url) or elsewhere.append(r.url))
    page.goto(url)
    expect(page.locator("#report[aria-live]")).to_be_attached()
    page.evaluate("window.neverReloaded = true")
    yield page
    assert page.evaluate("window.neverReloaded") is True
    assert page.evaluate("document.documentElement.scrollWidth") <= request.param
    assert errors == []
    assert [u for u in elsewhere if not u.startswith(("data:", "blob:"))] == []
    page.close()


def choose(page, path: Path) -> None:
    page.set_input_files("#film input", path)


def hand_over(page, path: Path, name: str, kind: str) -> None:
    content = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(HAND_OVER, [name, content, kind])


def expect_result(page, name: str) -> None:
    report = page.locator("#report")
    expect(report).to_contain_text(name)
    expect(report).to_contain_text("probability of a fracture")
    for label in ("Normal", "Hairline", "Displaced"):
        expect(report.locator("dt", has_text=label)).to_be_visible()
    expect(report.locator("h2")).to_be_in_viewport()
    expect(page.locator(".films img")).to_have_count(2)
    for image in page.locator(".films img").all():
        image.scroll_into_view_if_needed()
        expect(image).to_have_js_property("complete", True)
        assert image.evaluate("image => image.naturalWidth") == 560
        assert image.get_attribute("alt")
    expect(page.get_by_text("Where the model looked.")).to_be_visible()


def test_reads_film_after_film_chosen_dropped_and_pasted(page):
    choose(page, EXAMPLES / "displaced.png")
    expect_result(page, "displaced.png · PNG")
    hand_over(page, EXAMPLES / "hairline.png", "dropped.png", "drop")
    expect_result(page, "dropped.png · PNG")
    hand_over(page, EXAMPLES / "normal.png", "beside.png", "drop beside the box")
    expect_result(page, "beside.png · PNG")
    hand_over(page, EXAMPLES / "displaced.png", "pasted.png", "paste")
    expect_result(page, "pasted.png · PNG")


def test_class_and_opacity_redraw_without_an_upload(page):
    choose(page, EXAMPLES / "displaced.png")
    expect_result(page, "displaced.png · PNG")
    overlay = page.locator(".films img").nth(1)
    for name in ("Hairline", "Displaced", "Normal"):
        page.get_by_role("radio", name=name).check()
        label = f"evidence of the class {name.lower()}"
        expect(overlay).to_have_attribute("alt", re.compile(label))
    # The small network of these tests finds much that is normal and little else.
    before = overlay.get_attribute("src")
    page.get_by_role("slider").focus()
    page.keyboard.press("Home")
    expect(overlay).not_to_have_attribute("src", before)
    expect(page.locator("#report")).to_contain_text("displaced.png")


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
        expect(page.locator(".films img")).to_have_count(0)
        expect(page.get_by_text("probability of a fracture")).to_have_count(0)
    choose(page, EXAMPLES / "normal.png")
    expect_result(page, "normal.png · PNG")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_an_example_shows_its_result_by_keyboard(page):
    expect(page.get_by_text("Research software, not a medical device.")).to_be_visible()
    page.get_by_role("button", name="Hairline").focus()
    page.keyboard.press("Enter")
    expect_result(page, "Synthetic film hairline.png")
    expect(page.get_by_text("not the outline of a fracture")).to_be_visible()
    page.get_by_role("button", name="For programs").click()
    expect(page.get_by_text("model_version")).to_be_visible()
