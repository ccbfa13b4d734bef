"""Chromium for the tests that use the page as people do."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

import pytest

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
        viewport={"width": width, "height": 844}, reduced_motion="reduce"
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
