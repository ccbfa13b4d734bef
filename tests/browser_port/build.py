"""The browser port's packages and builds, as npm makes them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from npm import fetch, need_node

WEB = Path(__file__).parents[2] / "web"
NODE = (20, 19)


def build() -> None:
    """Installs the packages where they changed, and builds everything; or skips."""
    need_node()
    version = run("node", "--version").stdout.strip()
    if tuple(map(int, version.strip("v").split(".")[:2])) < NODE:
        pytest.skip(f"Node {version} is too old")
    installed, wanted = (
        WEB / "node_modules/.package-lock.json",
        WEB / "package-lock.json",
    )
    if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
        fetch("ci", folder=WEB, seconds=240)
    done = run("npm", "run", "build")
    assert not done.returncode, done.stdout + done.stderr


def run(*command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """What a command says, run in `web/`."""
    return subprocess.run(
        command, cwd=WEB, capture_output=True, text=True, timeout=timeout
    )
