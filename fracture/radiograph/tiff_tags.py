"""TIFF and EXIF directories, walked before a library parses them (TIFF 6.0, BigTIFF).

A tag of twelve bytes can claim the whole file as its value, thousands of tags can claim
the same bytes, and directories can chain in a loop. Honest files share no bytes.
"""

from __future__ import annotations

import numpy as np
from PIL import Image

from fracture.radiograph.radiograph import (
    NeedsProcess,
    RadiographError,
    at_most,
    check_size,
)

# Directories inside another one that Pillow loads: EXIF, GPS, interoperability.
_INNER = (0x8769, 0x8825, 0xA005)
_MOST_DIRECTORIES = 400  # 100 pages are counted, each with its inner ones
_MOST_TAGS = 20_000
_MOST_NUMBERS = 200_000  # each becomes a Python object; a strip or tile has two
_SLACK = 2**16  # bytes
_SPARE_TILE = 2**24  # pixels by which a tile may exceed the picture
# NumPy types of the field types (TIFF 6.0, 2); pairs of numbers are rationals.
_TYPES = {
    **{1: "S1", 2: "S1", 3: "u2", 4: "u4", 5: "2u4", 6: "i1", 7: "S1", 8: "i2"},
    **{9: "i4", 10: "2i4", 11: "f4", 12: "f8", 13: "u4", 16: "u8", 17: "i8", 18: "u8"},
}
_KINDS = [np.dtype(_TYPES.get(kind, "V0")) for kind in range(20)]
_SIZES = np.array([kind.itemsize for kind in _KINDS])
# What a value costs, in numbers: Pillow makes slow fractions of pairs.
_COSTS = np.array(
    [{"V": 100 if k.subdtype else 0, "S": 0}.get(k.kind, 1) for k in _KINDS]
)
_WIDTH, _HEIGHT, _COMPRESSION, _PREDICTOR = 256, 257, 259, 317
_TILE_WIDTH, _TILE_HEIGHT = 322, 323
_BITS, _SAMPLES, _PLANAR = 258, 277, 284
_OFFSETS_AND_BYTES = ((273, 279), (324, 325))  # of strips, of tiles
# Fax and JPEG, whose data libtiff lets end before the picture is full.
_ENDING_EARLY = (2, 3, 4, 32771, 6, 7)
# What libtiff undoes a predictor for: LZW, deflate, LZMA, zstd. Elsewhere it would
# ignore the tag, while other readers do not.
_PREDICTED = (5, 8, 32946, 34925, 50000)


def check_tiff(data: bytes, max_pixels: int) -> None:
    """Raises `RadiographError` unless a TIFF file's tags bound what it costs to read.

    Its code is `no_pixels`, `truncated_file`, `unsupported_pixels`, `too_many_parts`
    or a size. Fax and JPEG inside raise `NeedsProcess`.
    """
    directories = Directories(data)
    if directories.first == 0:
        raise RadiographError("no_pixels", "The TIFF file holds no picture at all.")
    if data[:4] == b"MM\0+":
        message = "Big-endian BigTIFF is not read; export it as plain TIFF."
        raise RadiographError("unsupported_pixels", message)

    def first(tag: int) -> int:
        return int(directories.values(tag)[:1].sum())

    width, height, compression = first(_WIDTH), first(_HEIGHT), first(_COMPRESSION)
    if width and height:
        check_size(width, height, max_pixels)
        tile = first(_TILE_WIDTH) * first(_TILE_HEIGHT)
        at_most("pixels in a tile", tile, width * height + _SPARE_TILE)
    if compression in _ENDING_EARLY and not NeedsProcess.met:
        raise NeedsProcess
    raw = compression in (0, 1)
    predicted = first(_PREDICTOR) > 1 and compression not in _PREDICTED
    # Pillow mistakes planes of two samples, and of wide ones that are not compressed.
    wide = raw and first(_BITS) > 8
    mixed = first(_PLANAR) == 2 and (first(_SAMPLES) == 2 or wide)
    if predicted or mixed or directories.doubled:
        message = "TIFF of this rare layout is not read; export it as plain grey."
        raise RadiographError("unsupported_pixels", message)
    ends = directories.end
    if not raw:
        for offsets, sizes in _OFFSETS_AND_BYTES:
            starts, counts = directories.values(offsets), directories.values(sizes)
            at_most("bytes in strips", counts.sum(), len(data) + _SLACK)
            pairs = zip(starts, counts, strict=False)
            ends = max(ends, *map(sum, pairs), 0)
    if ends > len(data):
        message = "The TIFF file ends too early; copy or export it again."
        raise RadiographError("truncated_file", message)


def may_lack_pixels(picture: Image.Image) -> bool:
    """Whether libtiff would leave pixels that the data lack as the memory was."""
    return getattr(picture, "tag_v2", {}).get(_COMPRESSION) in _ENDING_EARLY


def check_exif(data: bytes) -> None:
    """Raises `RadiographError` where EXIF would cost more than any film's should."""
    at_most("EXIF headers", data[:64].count(b"Exif\0\0"), 2)
    while data.startswith(b"Exif\0\0"):
        data = data[6:]
    Directories(data)


class Directories:
    """All directories of a TIFF file or of EXIF data, counted; the first one's values.

    Attributes:
        first: offset of the first directory, 0 if there is none.
        end: where the first directory ends, perhaps beyond the data.
        doubled: whether it has a tag twice, of which readers take either.

    Raises:
        RadiographError: `too_many_parts`.
    """

    def __init__(self, data: bytes):
        order = "<" if data[:2] == b"II" else ">"
        self._data, self._order, big = data, order, data[2:3] == b"+"  # as Pillow tells
        word = np.dtype(order + ("u8" if big else "u4"))
        count_type = np.dtype(order + ("u8" if big else "u2"))
        field = [("tag", order + "u2"), ("type", order + "u2")]
        entry = np.dtype([*field, ("count", word), ("value", word)])
        self._first: dict[int, tuple[int, ...]] = {}
        self.first = self._number(word, 8 if big else 4)
        self.end, self.doubled = self.first, False
        tags = claimed = numbers = 0
        ahead, seen = [self.first], {0}
        while ahead and len(seen) <= _MOST_DIRECTORIES:
            if (start := ahead.pop()) in seen:
                continue
            seen.add(start)
            count = self._number(count_type, start)
            start += count_type.itemsize
            end = start + count * entry.itemsize
            tags += count
            at_most("tags", tags, _MOST_TAGS)
            fits = max(0, min(count, (len(data) - start) // entry.itemsize))
            table = np.frombuffer(data, entry, fits, min(start, len(data)))
            kinds = np.minimum(table["type"], 19)
            counts = table["count"].astype(float)
            lengths = _SIZES[kinds] * counts
            outside = lengths > word.itemsize
            claimed += lengths[outside].sum()
            numbers += (_COSTS[kinds] * counts).sum()
            at_most("bytes in tags", claimed, len(data) + _SLACK)
            at_most("numbers in tags", numbers, _MOST_NUMBERS)
            inline = start + entry.itemsize * np.arange(1, fits + 1) - word.itemsize
            places = np.where(outside, table["value"], inline)
            columns = (table["tag"], kinds, counts, places)
            page = {
                int(tag): tuple(map(int, at)) for tag, *at in zip(*columns, strict=True)
            }
            self.doubled |= not self._first and len(page) < fits
            if not self._first:
                self._first, self.end = page, end
            ahead.append(self._number(word, end))
            ahead += [int(n) for tag in _INNER for n in self._read(page, tag)[:1]]

    def values(self, tag: int) -> np.ndarray:
        """The numbers of a tag in the first directory as float64, none without it."""
        return self._read(self._first, tag)

    def _read(self, page: dict[int, tuple[int, ...]], tag: int) -> np.ndarray:
        kind, count, place = page.get(tag, (0, 0, 0))
        dtype = np.dtype(_TYPES.get(kind, "S1")).newbyteorder(self._order)  # type: ignore[arg-type]
        if dtype.kind not in "uif" or place + count * dtype.itemsize > len(self._data):
            return np.zeros(0)
        return np.frombuffer(self._data, dtype, count, place).astype(float)

    def _number(self, dtype: np.dtype, at: int) -> int:
        if at + dtype.itemsize > len(self._data):
            return 0
        return int(np.frombuffer(self._data, dtype, 1, at)[0])
