"""Nothing a visitor sends outlives the hour."""

from __future__ import annotations

import threading
import time
from pathlib import Path

KEEP = 50 * 60  # seconds that a file may lie
PACE = 5 * 60  # seconds between two sweeps


def sweep(folder: Path, age: float) -> None:
    """Deletes the files under a folder that are older than `age` seconds.

    Gradio's own sweep knows only uploads that were completed while it ran; this one
    also takes what a broken connection or an earlier process left.

    Args:
        folder: of the uploads.
        age: seconds since the last change.
    """
    limit = time.time() - age
    # Deepest first, so that a folder is empty when its turn comes.
    for path in sorted(folder.rglob("*"), reverse=True):
        try:
            if path.lstat().st_mtime > limit:
                continue
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        except OSError:
            continue  # not empty, or gone already


def keep_sweeping(folder: Path) -> None:
    """Sweeps now and from now on, in the background."""

    def run() -> None:
        while True:
            sweep(folder, KEEP)
            time.sleep(PACE)

    threading.Thread(target=run, name="sweep", daemon=True).start()
