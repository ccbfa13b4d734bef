"""What stays in memory: a visitor's last answers, and no more heaps than are needed."""

from __future__ import annotations

import collections
import contextlib
import ctypes
import dataclasses
import threading

from fracture.classifier import FractureClassifier
from fracture.prediction import Prediction
from fracture.radiograph import Radiograph

_MOST = 64  # films of all visitors together, some 10 kB each
_M_ARENA_MAX, _ARENAS = -8, 2  # of mallopt, glibc


def bound_heaps() -> None:
    """Has all threads share two heaps: glibc would give each of dozens its own.

    Each keeps what the largest film of its thread needed. Other systems have no such
    call.
    """
    with contextlib.suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _ARENAS)


class Memory:
    """What the network said of the last films of each session; no film itself."""

    def __init__(self, most: int = _MOST):
        """Keeps `most` films of all sessions together."""
        self._most, self._lock = most, threading.Lock()
        self._kept: collections.OrderedDict[tuple, Prediction] = (
            collections.OrderedDict()
        )

    def of(self, classifier: FractureClassifier, session: str | None) -> Remembering:
        """The classifier for one session; without one nothing is kept."""
        return Remembering(self, classifier, session)

    def recall(self, key: tuple) -> Prediction | None:
        """What was kept, which is now the latest."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def keep(self, key: tuple, prediction: Prediction) -> None:
        """Keeps it instead of the one that was not asked for the longest."""
        with self._lock:
            self._kept[key] = dataclasses.replace(prediction, film=None)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


@dataclasses.dataclass(frozen=True)
class Remembering:
    """A classifier that asks the memory of a session first."""

    memory: Memory
    classifier: FractureClassifier
    session: str | None

    def predict(self, film: Radiograph) -> Prediction:
        """As `FractureClassifier.predict`."""
        if not self.session:
            return self.classifier.predict(film)
        key = (self.session, film.pixels.shape, film.digest)
        if found := self.memory.recall(key):
            return dataclasses.replace(found, film=film)
        found = self.classifier.predict(film)
        self.memory.keep(key, found)
        return found
