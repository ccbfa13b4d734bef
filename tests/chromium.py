"""Chromium for the tests that use the page as people do."""

from __future__ import annotations

import base64
import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from npm import install

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


AXE = "4.11.0"
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
    const boxes = [...document.querySelectorAll(".drop button, label.drop")];
    const box = boxes.find((box) => box.checkVisibility());
    const target = kind === "drop" ? box : document.body;
    const event = new DragEvent("drop", { ...options, dataTransfer: data });
    target.dispatchEvent(event);
  }
}"""
# Results fade in; a colour half faded has no contrast to speak of.
SETTLED = """() => !document.querySelector(".pending") && document.getAnimations()
  .every(({ playState, effect }) =>
    playState !== "running" || effect.getComputedTiming().iterations === Infinity)"""


@contextlib.contextmanager
def launch() -> Iterator:
    """A browser, or a skip where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as driver:
        try:
            browser = driver.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        except playwright.Error as error:  # a stub of a package, for example
            pytest.skip(f"Chromium does not start: {error.message[:200]}")
        yield browser
        browser.close()


@contextlib.contextmanager
def visit(browser, url: str, width: int = 1280, theme: str = "light") -> Iterator:
    """The page; in the end nothing may have gone wrong behind the scenes."""
    # Without motion, or a click would aim at what still scrolls.
    page = browser.new_page(
        viewport={"width": width, "height": 844},
        reduced_motion="reduce",
        color_scheme=theme,
    )
    errors, elsewhere = [], []
    page.on("console", lambda m: m.type == "error" and errors.append(m.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda r: r.url.startswith(url) or elsewhere.append(r.url))
    page.goto(f"{url}?__theme={theme}")
    page.wait_for_selector("html[data-ready]")
    page.evaluate("window.neverReloaded = true")
    yield page
    assert page.evaluate("window.neverReloaded") is True
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert errors == [], errors
    assert [u for u in elsewhere if not u.startswith(("data:", "blob:"))] == []
    page.close()


def shown(page):
    """The panel of the tab that is open."""
    return page.locator("[role=tabpanel]:visible")


def open_tab(page, name: str) -> None:
    from playwright.sync_api import expect

    page.get_by_role("tab", name=name).click()
    expect(page.get_by_role("tab", name=name)).to_have_attribute(
        "aria-selected", "true"
    )


def hand_over_file(page, path: Path, name: str, kind: str) -> None:
    """Pastes a file, or drops it on the open box (`drop`) or beside it."""
    content = base64.b64encode(path.read_bytes()).decode()
    page.evaluate(HAND_OVER, [name, content, kind])


def axe_core(request: pytest.FixtureRequest) -> str:
    """The script that looks for barriers, or a skip."""
    folder = install(request, "axe-core", AXE)
    return (folder / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")


def violations(page, axe: str) -> list[str]:
    """Serious and critical ones, each with the first element it found."""
    page.wait_for_function(SETTLED)
    page.evaluate(axe)
    found = page.evaluate("axe.run().then((results) => results.violations)")
    return [
        f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:300]}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]
