"""Packages from npm for the tests that need them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest


def install(request: pytest.FixtureRequest, package: str, version: str) -> Path:
    """A folder with the package under `node_modules`, kept between runs; or a skip."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
    name = package.replace("/", "-").strip("@")
    folder = request.config.cache.mkdir(f"{name}-{version}")
    if not (folder / "node_modules" / package / "package.json").exists():
        command = ["npm", "install", "--no-audit", "--no-fund", "--fetch-retries=0"]
        try:
            done = subprocess.run(
                [*command, f"{package}@{version}", "--prefix", folder],
                capture_output=True,
                text=True,
                timeout=60,
            )
        except subprocess.TimeoutExpired:
            pytest.skip("npm gets no answer")
        if done.returncode:
            pytest.skip(f"npm cannot install {package}: {done.stderr[-200:]}")
    return folder
