"""The queue: folders on one file system, changed by renames that survive a crash.

A film lies in `in` until its results lie in `out`; these lie there until the PACS has
them, which `answered` remembers. What cannot be judged or delivered lies in `failed`
beside a file with the reason. Whatever moment the process ends at, a film is in one of
these places, and doing its step again gives the same results under the same UIDs.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from fracture.node import NodeError

try:
    import fcntl
except ImportError:  # Windows: nothing keeps two nodes off one spool
    fcntl = None  # type: ignore[assignment]

IN, OUT, FAILED, ANSWERED, VIEWS = QUEUES = "in", "out", "failed", "answered", "views"
_TEMPORARY = "tmp"
FILM = ".dcm"
REASON = ".json"
SENT = "sent"  # the code of what the PACS has taken


def name_of(uid: str) -> str:
    """What a film is called in the spool and in the log: no UID, no patient."""
    return hashlib.sha256(uid.encode()).hexdigest()[:32]


class Spool:
    """Folders of one node; threads may share it, and so may commands beside the node.

    Attributes:
        root: the folder that holds the others.
    """

    def __init__(self, root: Path):
        """Makes the folders, for nobody else to read.

        Raises:
            NodeError: `spool_unusable`.
        """
        self.root = root
        try:
            for name in (*QUEUES, _TEMPORARY):
                (root / name).mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            message = f"{root} cannot be used as a spool: {error.strerror}"
            raise NodeError("spool_unusable", message) from None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keeps other nodes away, and sweeps up what a killed one was writing.

        Raises:
            NodeError: `spool_held`.
        """
        with (self.root / "lock").open("w") as lock:
            try:
                if fcntl:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                message = f"Another node works in {self.root}; give this one its own."
                raise NodeError("spool_held", message) from None
            for left in (self.root / _TEMPORARY).iterdir():
                _delete(left)
            yield

    def path(self, queue: str, name: str) -> Path:
        """Where an entry of a queue lies, if it does."""
        return self.root / queue / name

    def names(self, queue: str) -> list[str]:
        """Entries of a queue, the one that waits longest first; reasons are none."""
        return [name for _, name in self.arrivals(queue) if not name.endswith(REASON)]

    def arrivals(self, queue: str) -> list[tuple[float, str]]:
        """When each entry of a queue came, as `time.time()`, and its name, in order."""
        found = []
        with os.scandir(self.root / queue) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):  # taken meanwhile
                    found.append((entry.stat().st_mtime, entry.name))
        return sorted(found)

    def put(self, queue: str, name: str, content: bytes) -> None:
        """Writes a file as a whole or not at all; in place of an older one."""
        temporary = self._temporary(name)
        try:
            _write(temporary, content)
            os.replace(temporary, self.path(queue, name))
        finally:
            temporary.unlink(missing_ok=True)
        _sync(self.root / queue)

    def put_folder(self, queue: str, name: str, files: Mapping[str, bytes]) -> None:
        """Writes a folder of files as a whole or not at all, unless it is there."""
        temporary = self._temporary(name)
        temporary.mkdir(mode=0o700)
        try:
            for file, content in files.items():
                _write(temporary / file, content)
            _sync(temporary)
            if not self.path(queue, name).exists():
                os.rename(temporary, self.path(queue, name))
        finally:
            _delete(temporary)
        _sync(self.root / queue)

    def _temporary(self, name: str) -> Path:
        unique = f"{name}-{os.getpid()}-{time.monotonic_ns()}"
        return self.root / _TEMPORARY / unique

    def move(self, queue: str, name: str, to: str) -> None:
        """Moves an entry to another queue, in place of an older one of its name."""
        source, target = self.path(queue, name), self.path(to, name)
        if target.is_dir():
            _delete(target)
        os.replace(source, target)
        _sync(self.root / to)
        _sync(self.root / queue)

    def remove(self, queue: str, name: str) -> None:
        """Deletes an entry, if it is there."""
        path = self.path(queue, name)
        if path.is_dir():
            # A folder half deleted must not be taken for one that waits.
            trash = self._temporary(name)
            os.rename(path, trash)
            path = trash
        _delete(path)
        _sync(self.root / queue)

    def fail(self, queue: str, name: str, reason: dict) -> None:
        """Sets an entry aside, its reason beside it first, so that none lacks one."""
        stem = name.removesuffix(FILM)
        content = json.dumps({**reason, "time": round(time.time(), 3)}, indent=1)
        self.put(FAILED, stem + REASON, content.encode())
        self.move(queue, name, FAILED)

    def forgive(self, name: str) -> None:
        """Forgets an earlier failure of a film or of its results."""
        for entry in (name + FILM, name, name + REASON):
            if self.path(FAILED, entry).exists():
                self.remove(FAILED, entry)

    def answer(self, name: str, version: str, code: str) -> None:
        """Remembers that a film needs no more work, and why."""
        content = json.dumps({"model_version": version, "code": code})
        self.put(ANSWERED, name, content.encode())

    def answered(self, name: str) -> dict:
        """`model_version` and `code` of what is remembered of a film; else empty."""
        try:
            return json.loads(self.path(ANSWERED, name).read_bytes())
        except FileNotFoundError:
            return {}

    def sent(self, name: str, version: str) -> bool:
        """Whether the PACS has taken what these weights said of a film or study."""
        return self.answered(name) == {"model_version": version, "code": SENT}

    def knows(self, name: str, version: str) -> bool:
        """Whether a film waits, or its results do, or were sent."""
        if self.path(IN, name + FILM).exists() or self.path(OUT, name).exists():
            return True
        return self.sent(name, version)

    def reason(self, name: str) -> dict:
        """Why a film or its results were set aside; empty if they were not."""
        try:
            return json.loads(self.path(FAILED, name + REASON).read_bytes())
        except FileNotFoundError:
            return {}

    def expire(self, queue: str, seconds: float) -> int:
        """Deletes what has lain in a queue for so long; returns how many entries."""
        limit, count = time.time() - seconds, 0
        for path in (self.root / queue).iterdir():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < limit:
                    self.remove(queue, path.name)
                    count += 1
        return count

    def state(self) -> dict:
        """What waits and what was set aside, in plain JSON types."""
        waiting = [time for queue in (IN, OUT) for time, _ in self.arrivals(queue)]
        reasons = [
            json.loads(path.read_bytes())["code"]
            for path in (self.root / FAILED).glob(f"*{REASON}")
        ]
        return {
            "waiting_to_be_judged": len(self.names(IN)),
            "waiting_to_be_sent": len(self.names(OUT)),
            "longest_wait_seconds": round(
                time.time() - min(waiting, default=time.time())
            ),
            "answered": len(self.names(ANSWERED)),
            "set_aside": dict(collections.Counter(reasons).most_common()),
            "free_mib": self.free_bytes() // 2**20,
        }

    def free_bytes(self) -> int:
        """Free space for this node on the spool's file system."""
        return shutil.disk_usage(self.root).free


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    if os.name == "nt":  # which opens no folders
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
