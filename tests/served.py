"""The app as users get it, served for a test."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

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
            app.demo.close()
