"""The browser port's packages and builds, as npm makes them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).parents[2] / "web"
NODE = (20, 19)


def build() -> None:
    """Installs the packages where they changed, and builds everything; or skips."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    version = run("node", "--version").stdout.strip()
    if tuple(map(int, version.strip("v").split(".")[:2])) < NODE:
        pytest.skip(f"Node {version} is too old")
    installed, wanted = (
        WEB / "node_modules/.package-lock.json",
        WEB / "package-lock.json",
    )
    if not installed.exists() or installed.stat().st_mtime < wanted.stat().st_mtime:
        try:
            done = run("npm", "ci", "--fetch-retries=0", timeout=240)
        except subprocess.TimeoutExpired:
            pytest.skip("npm gets no answer")
        if done.returncode:
            pytest.skip(f"npm cannot install: {done.stderr[-300:]}")
    done = run("npm", "run", "build")
    assert not done.returncode, done.stdout + done.stderr


def run(*command: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """What a command says, run in `web/`."""
    return subprocess.run(
        command, cwd=WEB, capture_output=True, text=True, timeout=timeout
    )
