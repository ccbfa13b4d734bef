"""What every reader shares: a film, its notices, its errors and its limits."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # who asks for a name alone need not wait for it
    import numpy as np

MIN_SIDE = 32  # pixels; below this no bone can be read
LOW_SIDE = 224  # pixels; the input side of the published networks


@dataclasses.dataclass(frozen=True)
class Notice:
    """Something the reader of a result should know: a stable code and a sentence."""

    code: str
    message: str


@dataclasses.dataclass(frozen=True, eq=False)
class Radiograph:
    """A film as the model sees it.

    Attributes:
        pixels: uint8, shape (H, W), read-only; 0 is black (air).
        warnings: what the reader of a result should know about this film.
        metadata: technical facts only (format, width, height, bits, frames,
            photometric; from DICOM modality, body_part): no patient tag, no file name.
    """

    pixels: np.ndarray
    warnings: tuple[Notice, ...]
    metadata: Mapping[str, str | int | float]

    @property
    def digest(self) -> str:
        """Of the pixels: films that share it are copies."""
        return hashlib.sha256(self.pixels.data).hexdigest()


class RadiographError(ValueError):
    """Not readable as a radiograph: a stable `code` and a `message` to act on."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)  # both, so that it survives pickling
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return self.message

    def to_dict(self) -> dict[str, str]:
        """Returns `{"code": ..., "message": ...}`."""
        return {"code": self.code, "message": self.message}


class NeedsProcess(Exception):
    """What decodes this film may abort, or show what memory held before.

    Attributes:
        met: whether this is a process of `ReaderPool`, where both do no harm.
    """

    met = False


# What a decoder hands over: values still to be made grey, notices, metadata.
Decoded = tuple["np.ndarray", list[Notice], dict[str, Any]]


def check_size(width: int, height: int, max_pixels: int, frames: int = 1) -> None:
    """Raises `RadiographError` unless the declared size, in pixels, may be decoded."""
    if min(width, height) < MIN_SIDE:
        message = f"{width} x {height} pixels; at least {MIN_SIDE} a side are needed."
        raise RadiographError("too_small", message)
    if width * height * frames > max_pixels:
        message = (
            f"{width * height * frames / 1e6:.1f} megapixels where at most "
            f"{max_pixels / 1e6:g} are read; send one frame, or a smaller one."
        )
        raise RadiographError("too_many_pixels", message)


def at_most(what: str, count: float, most: int) -> None:
    """Raises `RadiographError` (`too_many_parts`) where a file has more than `most`."""
    if count > most:
        message = f"Over {most} {what}, more than a film needs; export it again."
        raise RadiographError("too_many_parts", message)


def to_uint8(
    values: np.ndarray, low: float | None = None, high: float | None = None
) -> np.ndarray:
    """Scales values linearly, `low` to 0 and `high` to 255, rounded, into uint8.

    Without limits the least and the greatest value are taken. Limits that coincide
    make a step: 255 above them, 0 elsewhere.

    Raises:
        RadiographError: `non_finite_pixels`.
    """
    import numpy as np

    low = float(values.min()) if low is None else low
    high = float(values.max()) if high is None else high
    pixels = np.empty(values.shape, np.uint8)
    for start, block in blocks(values):
        if not ((high - low) * 255 < np.inf and np.isfinite(block).all()):
            message = "Some pixels are not finite numbers; replace NaN and infinity."
            raise RadiographError("non_finite_pixels", message)
        if high <= low:
            pixels[start : start + len(block)] = np.where(block > low, 255, 0)
            continue
        scaled = block.astype(np.float64)
        scaled -= low
        scaled *= 255
        scaled /= high - low
        scaled += 0.5
        pixels[start : start + len(block)] = np.clip(scaled, 0, 255, out=scaled)
    return pixels


def blocks(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Some rows at a time, and the first one's index: work on a part of the memory."""
    rows = max(1, 2**20 // max(1, values[:1].size))
    for start in range(0, len(values), rows):
        yield start, values[start : start + rows]
