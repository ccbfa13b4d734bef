"""Stored DICOM values -> what the standard displays.

The order is that of PS3.4 N.2: modality LUT, then VOI LUT or window, then the
inversion that MONOCHROME1 or the presentation LUT shape asks for.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from fracture.radiograph.radiograph import Notice, blocks, to_uint8

if TYPE_CHECKING:
    from pydicom import Dataset


def code_string(dataset: Dataset, keyword: str) -> str:
    """A CS value as PS3.5 6.2 defines it; "" where the file holds anything else."""
    value = str(dataset.get(keyword, ""))
    return value if re.fullmatch("[A-Z0-9_ ]{1,16}", value) else ""


def display(stored: np.ndarray, dataset: Dataset, notices: list[Notice]) -> np.ndarray:
    """Stored values (H, W) -> uint8 (H, W) as the standard shows them, 0 black.

    What is shown depends on the value alone, so each is worked out once: an eighth of
    the memory, and of the time.
    """
    low = int(stored.min())
    span = int(stored.max()) - low + 1
    if span > 2**16:
        return _show(stored, dataset, notices)
    present = np.zeros(span, bool)
    for _, block in blocks(stored):
        present[block.astype(np.intp) - low] = True
    (levels,) = np.nonzero(present)
    table = np.zeros(span, np.uint8)
    table[levels] = _show((levels + low).astype(stored.dtype), dataset, notices)
    pixels = np.empty(stored.shape, np.uint8)
    for start, block in blocks(stored):
        pixels[start : start + len(block)] = table[block.astype(np.intp) - low]
    return pixels


def _show(stored: np.ndarray, dataset: Dataset, notices: list[Notice]) -> np.ndarray:
    padded = _padding(stored, dataset)
    values = stored.astype(np.float64)
    if luts := dataset.get("ModalityLUTSequence"):
        values, _ = _look_up(values, luts[0], dataset)
    else:
        values *= float(dataset.get("RescaleSlope") or 1)
        values += float(dataset.get("RescaleIntercept") or 0)
    if luts := dataset.get("VOILUTSequence"):
        values, high = _look_up(values, luts[0], dataset)
        limits = (0.0, high)
    else:
        values, limits = _window(values, dataset, notices)
    if limits is None:
        film = values if padded.all() else values[~padded]
        limits = (float(film.min()), float(film.max()))
    low, high = limits
    inverse = code_string(dataset, "PresentationLUTShape") == "INVERSE"
    if inverse or dataset.PhotometricInterpretation == "MONOCHROME1":
        # Before rounding, so that a film and its inverted twin come out identical.
        values, low, high = -values, -high, -low
    pixels = to_uint8(values, low, high)
    pixels[padded] = 0  # around the film there is nothing, which is black
    return pixels


def _padding(stored: np.ndarray, dataset: Dataset) -> np.ndarray:
    """Where stored values (H, W) are padding, not film (PS3.3 C.7.5.1.1.2): bool."""
    first = dataset.get("PixelPaddingValue")
    if first is None:
        return np.zeros(stored.shape, bool)
    last = dataset.get("PixelPaddingRangeLimit")
    # Some writers declare it unsigned over signed pixels: wrapped, it matches again.
    ends = np.array([first, first if last is None else last]).astype(stored.dtype)
    return (stored >= ends.min()) & (stored <= ends.max())


def _look_up(
    values: np.ndarray, lut: Dataset, dataset: Dataset
) -> tuple[np.ndarray, float]:
    """Values through a LUT, and the top of its range (PS3.3 C.11.1.1, C.11.2.1.1).

    pydicom's own wraps around where an 8-bit table has over 256 entries.
    """
    entries, first, bits = lut.LUTDescriptor
    entries = entries or 2**16
    table = lut.LUTData
    if isinstance(table, bytes):
        packed = bits == 8 and len(table) < 2 * entries
        words = "<u2" if dataset.original_encoding[1] else ">u2"
        table = np.frombuffer(table, np.uint8 if packed else words)
    table = np.ravel(table)[:entries].astype(np.float64)
    index = np.clip(np.rint(values) - first, 0, len(table) - 1).astype(np.intp)
    # The declared depth is often 16 where 12 bits are used, which would show dark.
    top = 2 ** int(table.max()).bit_length() - 1
    return table[index], float(top)


def _window(
    values: np.ndarray, dataset: Dataset, notices: list[Notice]
) -> tuple[np.ndarray, tuple[float, float] | None]:
    """The first window's values shown as black and as white (PS3.3 C.11.2.1.2)."""
    center, width = (_number(dataset, name) for name in ("WindowCenter", "WindowWidth"))
    function = code_string(dataset, "VOILUTFunction")
    if np.isnan(center) and np.isnan(width):
        return values, None
    if np.isfinite(center) and np.isfinite(width):
        # C.11.2.1.3.1, C.11.2.1.3.2 and C.11.2.1.2.1; the tanh cannot overflow.
        if function == "SIGMOID" and width > 0:
            return np.tanh(2 * (values - center) / width), (-1.0, 1.0)
        if function == "LINEAR_EXACT" and width > 0:
            return values, (center - width / 2, center + width / 2)
        if function not in ("SIGMOID", "LINEAR_EXACT") and width >= 1:
            return values, (center - width / 2, center + width / 2 - 1)
    message = "The display window is not valid; the whole range of values is shown."
    notices.append(Notice("invalid_window", message))
    return values, None


def _number(dataset: Dataset, keyword: str) -> float:
    """The first of a DS element's values, NaN without any."""
    values = np.ravel(np.asarray(dataset.get(keyword), dtype=np.float64))
    return float(values[0]) if values.size else np.nan
