"""The page that judges films in its visitor's browser, as files for a static host."""

from __future__ import annotations

import gzip
import hashlib
import importlib
import json
from collections.abc import Iterable
from pathlib import Path

from fracture.hub import SERVING_FILES, resolve
from fracture.weights import CONFIG_FILE, WeightsConfig, WeightsError, sha256

PAGE = Path("web", "dist")  # in a clone, once it is built
INDEX, KEEPER, HEADERS = "index.html", "sw.js", "_headers"
_UNKNOWN = '<meta name="weights" content="weights/">'
_LISTED = "self.SITE = "
_NAMED = ("assets/", "weights-")
_PACKED = {".css", ".html", ".js", ".json", ".mjs", ".onnx", ".svg", ".wasm"}


def site_files(clone: str | Path, config: WeightsConfig) -> dict[str, Path | bytes]:
    """What a site consists of: path in it -> a file, or what it holds.

    Weights lie in a folder named by their content, as all else does that is large; the
    service worker knows every file, so that a visitor loads each one once.

    Args:
        clone: of this project, its page built.
        config: of the weights that go along.

    Raises:
        WeightsError: `no_page`: the page is not built.
    """
    page = Path(clone) / PAGE
    if not all((page / name).is_file() for name in (INDEX, KEEPER)):
        message = (
            f"there is no page in {page}; build it, which takes Node 20 or later: "
            "cd web && npm ci && npm run build"
        )
        raise WeightsError("no_page", message)
    folder = f"{_NAMED[1]}{sha256(config.folder / CONFIG_FILE)[:12]}/"
    built = {path.relative_to(page).as_posix(): path for path in page.rglob("*")}
    files: dict[str, Path | bytes] = {n: p for n, p in built.items() if p.is_file()}
    files |= {folder + name: config.folder / name for name in SERVING_FILES}
    index = (page / INDEX).read_text("utf-8")
    files[INDEX] = index.replace(
        _UNKNOWN, _UNKNOWN.replace("weights/", folder)
    ).encode()
    loaded = {n: f for n, f in files.items() if n not in (KEEPER, HEADERS)}
    listed = {
        "version": _digest(files),
        "files": {name: _size(file) for name, file in sorted(loaded.items())},
    }
    script = (page / KEEPER).read_text("utf-8")
    files[KEEPER] = f"{_LISTED}{json.dumps(listed)};\n{script}".encode()
    return files


def write_site(
    clone: str | Path, source: str | Path, out: str | Path, compress: bool = False
) -> list[Path]:
    """Writes a site to a folder, which any static host can serve.

    Args:
        clone: of this project, its page built.
        source: weights folder, or `user/name@revision` on the Hugging Face Hub.
        out: a new or empty folder, or an earlier site: what it no longer needs goes.
        compress: also writes what some hosts send in place of a file: `.gz`, and `.br`
            where Python has brotli.

    Returns:
        The files that were written.

    Raises:
        WeightsError: `site_exists`: `out` holds something else; `site_unwritable`; what
            `site_files` and `fracture.hub.resolve` raise.
    """
    out = Path(out)
    files = site_files(clone, WeightsConfig.load(resolve(source)))
    try:
        earlier = _earlier(out)
        # Last what names the others: whoever comes meanwhile finds what it needs.
        for name in sorted(files, key=lambda name: (name in (INDEX, KEEPER), name)):
            path, file = out / name, files[name]
            path.parent.mkdir(parents=True, exist_ok=True)
            content = file if isinstance(file, bytes) else file.read_bytes()
            path.write_bytes(content)
            if compress and path.suffix in _PACKED:
                _pack(path, content)
        for path in _with_packed(out, earlier - files.keys()):
            path.unlink(missing_ok=True)
    except OSError as error:
        message = f"{out} cannot be written: {error.strerror}"
        raise WeightsError("site_unwritable", message) from error
    return [path for path in _with_packed(out, files) if path.is_file()]


def isolation(clone: str | Path) -> dict[str, str]:
    """The headers that give a built page threads, named as in a Space."""
    lines = (Path(clone) / PAGE / HEADERS).read_text("utf-8").splitlines()
    headers = dict(
        line.strip().lower().split(": ", 1) for line in lines if ": " in line
    )
    return {n: value for n, value in headers.items() if n.startswith("cross-origin-")}


def is_named(name: str) -> bool:
    """Whether a file of a site is named by its content, so that it never changes."""
    return name.startswith(_NAMED)


def _earlier(out: Path) -> set[str]:
    """The files of the site that lies in a folder.

    Raises:
        WeightsError: `site_exists`: it holds something else.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return set()
    try:
        line = (out / KEEPER).read_text("utf-8").splitlines()[0]
        return set(json.loads(line.removeprefix(_LISTED).rstrip(";"))["files"])
    except (OSError, ValueError, IndexError, KeyError, TypeError):
        message = f"{out} holds something that is not a site: name a new folder"
        raise WeightsError("site_exists", message) from None


def _pack(path: Path, content: bytes) -> None:
    Path(f"{path}.gz").write_bytes(gzip.compress(content, mtime=0))
    try:
        brotli = importlib.import_module("brotli")
    except ModuleNotFoundError:
        return
    Path(f"{path}.br").write_bytes(brotli.compress(content, quality=9))


def _with_packed(out: Path, names: Iterable[str]) -> list[Path]:
    return [
        out / f"{name}{end}" for name in sorted(names) for end in ("", ".br", ".gz")
    ]


def _size(file: Path | bytes) -> int:
    return len(file) if isinstance(file, bytes) else file.stat().st_size


def _digest(files: dict[str, Path | bytes]) -> str:
    """One name for all of their content."""
    digests = {
        name: hashlib.sha256(file).hexdigest()
        if isinstance(file, bytes)
        else sha256(file)
        for name, file in files.items()
    }
    text = json.dumps(digests, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
