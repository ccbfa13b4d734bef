"""The browser port is built once for a session."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from browser_port.build import WEB, build
from filelock import FileLock


@pytest.fixture(scope="session")
def web(tmp_path_factory) -> Path:
    """`web/` with its packages installed and everything built; or a skip."""
    # The workers of a session share that folder; the first of them does the work.
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    with FileLock(shared / "web.lock"):
        if not (shared / "web.built").exists():
            build()
            (shared / "web.built").touch()
    return WEB
