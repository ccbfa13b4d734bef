"""The app as users get it, served for a test."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).parents[1]


def load_app() -> ModuleType:
    """`app.py`, executed anew: Gradio looks up its folder when components are made."""
    spec = importlib.util.spec_from_file_location("app_under_test", ROOT / "app.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextlib.contextmanager
def serve(
    weights: Path, uploads: Path, **environment: str
) -> Iterator[tuple[ModuleType, str]]:
    """Launches the app over a weights folder; uploads stay in their folder.

    Yields:
        The module and the address, which ends in a slash.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FRACTURE_WEIGHTS", str(weights))
        patch.setenv("GRADIO_TEMP_DIR", str(uploads))
        for name, value in environment.items():
            patch.setenv(name, value)
        app = load_app()
        options = app.launch_options(app.service.settings)
        _, url, _ = app.demo.launch(prevent_thread_lock=True, quiet=True, **options)
        try:
            yield app, url
        finally:
            app.service.close(5)
            app.demo.close()


@contextlib.contextmanager
def process(
    uploads: Path, **options: Any
) -> Iterator[tuple[subprocess.Popen, httpx.Client]]:
    """The app as `python app.py` starts it, and a client of it."""
    variables = {"GRADIO_TEMP_DIR": str(uploads), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    ) as app:
        try:
            said = ""
            while not (found := re.search(r"http://127.0.0.1:\d+", said)):
                said += app.stdout.readline()
                assert app.poll() is None, said
            with httpx.Client(base_url=f"{found[0]}/gradio_api/", timeout=30) as site:
                yield app, site
        finally:
            app.kill()
