"""Nothing a visitor sends outlives the hour, or the process that it was sent to."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows: whether another process lives is told by age alone
    fcntl = None

KEEP = 50 * 60  # seconds that a file may lie
PACE = 5 * 60  # seconds between two sweeps
_PREFIX = "process-"


def own_folder(shared: str | os.PathLike) -> Path:
    """Makes a folder for this process alone in one that it may share with others.

    It stays locked for as long as the process lives, however that ends.

    Args:
        shared: made if it is missing.
    """
    Path(shared).mkdir(parents=True, exist_ok=True)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=shared))
        # Another's sweep may be quicker; then there is no such folder any more.
        with contextlib.suppress(BlockingIOError, FileNotFoundError):
            _lock(folder)
            folder.stat()
            return folder


def sweep(own: Path) -> None:
    """Deletes what has lain too long, and all that a dead process left.

    Gradio's own sweep knows only uploads that were completed while it ran; this one
    also takes what a broken connection left.

    Args:
        own: folder of this process; those beside it may have other owners.
    """
    limit = time.time() - KEEP
    _delete_under(own, limit)
    for path in own.parent.iterdir():
        if path.is_symlink() or not path.is_dir():
            _delete(path, limit)
            continue
        with contextlib.suppress(OSError):  # its owner lives, or it is gone
            lock = _lock(path)
            if fcntl and path.name.startswith(_PREFIX):
                shutil.rmtree(path, ignore_errors=True)
            _delete_under(path, limit)
            _delete(path, limit)
            os.close(lock)


def keep_sweeping(own: Path) -> None:
    """Sweeps now and from now on, in the background."""

    def run() -> None:
        while True:
            sweep(own)
            time.sleep(PACE)

    threading.Thread(target=run, name="sweep", daemon=True).start()


def _delete_under(folder: Path, limit: float) -> None:
    # Deepest first, so that a folder is empty when its turn comes.
    for path in sorted(folder.rglob("*"), reverse=True):
        _delete(path, limit)


def _delete(path: Path, limit: float) -> None:
    with contextlib.suppress(OSError):  # not empty, or gone already
        if path.lstat().st_mtime <= limit:
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def _lock(folder: Path) -> int:
    """Locks a folder for as long as the returned descriptor is open.

    Raises:
        OSError: another process has it.
    """
    if not fcntl:
        return os.open(os.devnull, os.O_RDONLY)
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
