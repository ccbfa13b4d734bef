"""Long work, named, with the time that it took."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator


@contextlib.contextmanager
def stage(name: str) -> Iterator[None]:
    """Prints a stage's name when it begins, and its seconds when it has ended."""
    print(f"=== {name} ===", flush=True)
    begun = time.perf_counter()
    yield
    print(f"=== {name}: {time.perf_counter() - begun:.1f} s ===", flush=True)
