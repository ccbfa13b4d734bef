"""Packages from npm for the tests that need them, and the page that npm builds."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WEB = ROOT / "web"
# What the page is made of.
_PARTS = (
    *("web/*.*", "web/public/*", "web/src/**/*", "web/vite/*", "examples/*"),
    *("fracture/guidance.json", "fracture/rendering/templates/*"),
    "fracture/web/assets/*",
)
_LEAST = 20  # of Node's versions


def need_node() -> None:
    """Skips the test where Node is not installed."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")


def run(command: list, folder: Path = ROOT, seconds: int = 60):
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=seconds
    )


@contextlib.contextmanager
def _one_at_a_time(request: pytest.FixtureRequest) -> Iterator[None]:
    """Test workers share the folder that npm works in."""
    fcntl = pytest.importorskip("fcntl")
    with (request.config.cache.mkdir("page") / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _newest(*paths: Path) -> float:
    return max((p.stat().st_mtime for p in paths if p.is_file()), default=0)


def install(request: pytest.FixtureRequest, package: str, version: str) -> Path:
    """A folder with the package under `node_modules`, kept between runs; or a skip."""
    need_node()
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


def build_page(request: pytest.FixtureRequest) -> Path:
    """The clone with its page built from what lies there now; or a skip."""
    need_node()
    if int(run(["node", "--version"]).stdout.strip("v").split(".")[0]) < _LEAST:
        pytest.skip(f"Node {_LEAST} builds the page, this one is older")
    with _one_at_a_time(request):
        lock, installed = WEB / "package-lock.json", WEB / "node_modules"
        if _newest(lock) > _newest(installed / ".package-lock.json"):
            done = run(["npm", "ci", "--fetch-retries=0"], WEB, 300)
            if done.returncode:
                pytest.skip(f"npm cannot install: {done.stderr[-200:]}")
        sources = [path for part in _PARTS for path in ROOT.glob(part)]
        if _newest(*sources) > _newest(WEB / "dist" / "index.html"):
            done = run(["npm", "run", "build:page"], WEB, 300)
            assert not done.returncode, done.stdout + done.stderr
    return ROOT
