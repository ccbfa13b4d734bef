"""Firefox, as distributions build it: Playwright drives only builds of its own."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from npm import install

PUPPETEER = "24.43.1"
FIREFOX = next(filter(None, map(shutil.which, ("firefox-esr", "firefox"))), None)
SCRIPT = Path(__file__).with_suffix(".mjs")


def evaluate(
    request: pytest.FixtureRequest, url: str, source: str, each: Sequence
) -> list:
    """What a JavaScript function says of each argument on a page, in plain JSON types.

    Skips where Firefox or npm is not there.
    """
    if FIREFOX is None:
        pytest.skip("Firefox is not installed")
    # A module is looked up from where the script lies.
    script = install(request, "puppeteer-core", PUPPETEER) / SCRIPT.name
    shutil.copy(SCRIPT, script)
    asked = {"executable": FIREFOX, "url": url, "source": source, "each": list(each)}
    done = subprocess.run(
        ["node", script],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert not done.returncode, done.stderr
    return json.loads(done.stdout)
