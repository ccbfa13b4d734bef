"""Packages from npm for the tests that need them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def install(request: pytest.FixtureRequest, package: str, version: str) -> Path:
    """A folder with the package under `node_modules`, kept between runs; or a skip."""
    need_node()
    name = package.replace("/", "-").strip("@")
    folder = request.config.cache.mkdir(f"{name}-{version}")
    if not (folder / "node_modules" / package / "package.json").exists():
        fetch(
            "install", "--no-audit", f"{package}@{version}", folder=folder, seconds=60
        )
    return folder


def need_node() -> None:
    """Skips where Node or npm is not installed."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")


def fetch(*words: str, folder: Path, seconds: float) -> None:
    """Has npm fetch packages for a folder; or skips where it cannot."""
    command = ["npm", *words, "--no-fund", "--fetch-retries=0", "--prefix", str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        pytest.skip("npm gets no answer")
    if done.returncode:
        pytest.skip(f"npm cannot install: {done.stderr[-300:]}")
