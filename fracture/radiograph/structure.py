"""Files walked part by part before a decoder sees them, so that their parts are few.

Decoders bound pixels, but not what a file can hold beside them: millions of empty
chunks, a thousand scans of one picture, megabytes of junk read byte by byte. Honest
films stay far below each limit.
"""

from __future__ import annotations

import io
import itertools
import math
import re
import struct
import zlib
from collections.abc import Iterator

from fracture.radiograph.radiograph import RadiographError, at_most, check_size
from fracture.radiograph.tiff_tags import check_exif, check_tiff

_MOST_SCANS = 100  # of a JPEG; ten are usual, and each may cost what decoding costs
_MOST_SCANNED = 10**9  # pixels over all scans
_MOST_SEGMENTS = 1_000
_MOST_TABLE_BYTES = 2**20  # of tables and Photoshop resources, parsed in Python
_MOST_JUNK = 2**16  # bytes between segments, which Pillow skips one by one
_MOST_CHUNKS = 50_000  # of a PNG; libpng writes one for each 8 KiB
_MOST_EXTRAS = 200  # chunks that hold no pixels; some inflate to a megabyte
MOST_READS = 50_000  # of a DICOM by pydicom, two or three for an element or a fragment
_MOST_RUNS = 5_000_000  # of DICOM's RLE, which pydicom decodes in Python
_MOST_RIFF_CHUNKS = 5_000
_MOST_RLE_BYTES = 2**20  # of a BMP; Pillow decodes runs in Python
_MOST_RLE_WIDTH = 2**14  # pixels; one step may skip 255 rows

# A marker, after fill bytes and entropy-coded data, where 0xFF is followed by a zero,
# a restart marker or in JPEG-LS by less than 0x80 (T.81 B.1.1.2, T.87 A.1).
_MARKER = re.compile(rb"\xff([\xc0-\xcf\xd8-\xfe])")
_EOI, _SOS, _APP1, _APP13, _COM = 0xD9, 0xDA, 0xE1, 0xED, 0xFE
_APP = range(0xE0, 0xF0)
# Start of frame, all coding processes (T.81 table B.1) and JPEG-LS (T.87).
_START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}

# Width and height from the first ten bytes of a WebP chunk (RFC 9649, 2.7.1; RFC 6386,
# 9.1; RFC 9649, 3.4).
_CANVAS = {
    b"VP8X": lambda b: (1 + _little(b[4:7]), 1 + _little(b[7:10])),
    b"VP8 ": lambda b: (_little(b[6:8]) & 0x3FFF, _little(b[8:10]) & 0x3FFF),
    b"VP8L": lambda b: (
        1 + (_little(b[1:5]) & 0x3FFF),
        1 + (_little(b[1:5]) >> 14 & 0x3FFF),
    ),
}


def _little(data: bytes) -> int:
    return int.from_bytes(data, "little")


def check_structure(data: bytes, kind: str, max_pixels: int) -> None:
    """Raises `RadiographError` where a file has more parts than any film needs.

    Args:
        data: a file of the kind that `sniff` told, DICOM excepted.
        kind: PNG, JPEG, TIFF, WEBP or BMP.
        max_pixels: most pixels.

    Raises:
        RadiographError: `too_many_parts`, or what `check_tiff` raises.
    """
    if kind == "PNG":
        _check_png(data)
    elif kind == "JPEG":
        check_jpeg(data)
    elif kind == "TIFF":
        check_tiff(data, max_pixels)
    elif kind == "WEBP":
        _check_webp(data, max_pixels)
    elif (
        kind == "BMP" and _little(data[14:18]) >= 40 and _little(data[30:34]) in (1, 2)
    ):
        at_most("bytes of runs", len(data), _MOST_RLE_BYTES)
        at_most("pixels a row in runs", _little(data[18:22]), _MOST_RLE_WIDTH)


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Walks a JPEG or JPEG-LS stream (T.81 B.1) up to its end of image.

    Yields:
        A marker's second byte; where its parameters start and end.
    """
    at, scanned = 2, False
    while match := _MARKER.search(data, at):
        marker, at = match[1][0], match.end()
        start = at
        if marker not in (0xD8, _EOI) and at + 2 <= len(data):
            at += max(2, int.from_bytes(data[at : at + 2], "big"))
            start += 2
        yield marker, start, at
        scanned |= marker == _SOS
        if marker == _EOI and scanned:
            return


def check_jpeg(data: bytes) -> None:
    """Raises `RadiographError` where a JPEG stream has too many scans or segments."""
    scans = segments = tables = junk = pixels = 0
    exif, last = b"", 2
    for marker, start, end in jpeg_segments(data):
        if not scans:
            junk += max(0, start - 4 - last)
        if marker == _SOS:
            scans += 1
        else:
            segments += 1
        if marker in _START_OF_FRAME and end - start >= 5:
            pixels = math.prod(struct.unpack_from(">HH", data, start + 1))
        if marker == _APP1 and data[start : start + 6] == b"Exif\0\0":
            exif += data[start + 6 * bool(exif) : end]
        elif marker == _APP13 or marker not in (*_APP, _COM):
            tables += end - start
        last = end
        at_most("scans", scans, _MOST_SCANS)
        at_most("pixels in all scans", scans * pixels, _MOST_SCANNED)
        at_most("segments", segments, _MOST_SEGMENTS)
        at_most("bytes of tables", tables, _MOST_TABLE_BYTES)
        at_most("bytes between segments", junk, _MOST_JUNK)
    if exif:
        check_exif(exif)


def _check_png(data: bytes) -> None:
    at, chunks, extras = 8, 0, 0
    while at + 8 <= len(data):
        length, name = struct.unpack_from(">I4s", data, at)
        chunks += 1
        extras += name not in (b"IDAT", b"fcTL", b"fdAT")
        at_most("chunks", chunks, _MOST_CHUNKS)
        at_most("chunks without pixels", extras, _MOST_EXTRAS)
        if name == b"eXIf":
            check_exif(data[at + 8 : at + 8 + length])
        at += 12 + length


def _check_webp(data: bytes, max_pixels: int) -> None:
    at, chunks = 12, 0
    while at + 8 <= len(data):
        name, length = struct.unpack_from("<4sI", data, at)
        body = data[at + 8 : at + 18]
        chunks += 1
        at_most("chunks", chunks, _MOST_RIFF_CHUNKS)
        if name in _CANVAS and len(body) == 10:
            # The decoder takes memory for the whole canvas before it says how large.
            check_size(*_CANVAS[name](body), max_pixels)
        elif name == b"EXIF":
            check_exif(data[at + 8 : at + 8 + length])
        at += 8 + length + length % 2


def check_runs(frame: bytes, pixels: int, planes: int) -> None:
    """Raises `RadiographError` where DICOM run lengths unpack to more than the picture.

    Args:
        frame: encoded as PS3.5 G.3 to G.5 say.
        pixels: of the picture.
        planes: bytes of one pixel.
    """
    ends = [*struct.unpack_from("<15I", frame, 4)[:planes], len(frame)]
    most = pixels * planes + _MOST_JUNK
    steps = size = 0
    for start, end in itertools.pairwise(ends):
        end = min(end, len(frame))
        while start < end and size <= most and steps <= _MOST_RUNS:
            run = frame[start]
            steps += 1
            if run < 128:
                size += run + 1
                start += run + 2
            elif run > 128:
                size += 257 - run
                start += 2
            else:
                start += 1
    at_most("runs", steps, _MOST_RUNS)
    at_most("bytes in runs", size, most)


def check_codestream(frame: bytes, size: tuple[int, int, int]) -> bytes:
    """The JPEG, JPEG-LS or JPEG 2000 codestream in a frame, if it declares that size.

    Decoders trust it: one declared larger could take all memory. Of the boxes of a JP2
    file around it some are a trap to pydicom's parser, and PS3.5 A.4.4 allows none.

    Args:
        frame: of encapsulated pixels.
        size: rows, columns and samples of a pixel.

    Raises:
        RadiographError: `corrupt_file`, `too_many_parts`.
    """
    declared = None
    if frame.startswith(b"\xff\xd8"):
        check_jpeg(frame)
        for marker, start, end in jpeg_segments(frame):
            if marker in _START_OF_FRAME and end - start >= 6:
                declared = struct.unpack_from(">HHB", frame, start + 1)
                break
    else:
        # SOC, SIZ: capabilities, extent, tiles, components (T.800 A.5.1).
        frame = frame[frame.index(b"\xff\x4f\xff\x51") :]
        right, bottom, left, top, *_, parts = struct.unpack_from(">8IH", frame, 8)
        declared = (bottom - top, right - left, parts)
    if declared != size:
        message = "The compressed image is not of the declared size; export it again."
        raise RadiographError("corrupt_file", message)
    return frame


class Metered(io.BytesIO):
    """Bytes whose parsing ends after so many steps, wherever they lead."""

    reads = 0

    def read(self, size: int | None = -1) -> bytes:
        self.reads += 1
        at_most("elements", self.reads, MOST_READS)
        return super().read(size)


def inflate(data: bytes, max_bytes: int) -> bytes:
    """A deflated file as if it had never been deflated (PS3.5 A.5); others as is."""
    from pydicom.filereader import read_dataset
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

    stream = Metered(data)
    stream.seek(132)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, *_: tag.group != 2)
    deflated = DeflatedExplicitVRLittleEndian.encode()
    if meta.get("TransferSyntaxUID") != DeflatedExplicitVRLittleEndian:
        return data
    head = data[: stream.tell()]
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    body = inflater.decompress(data[len(head) :], max_bytes + 1)
    if len(body) > max_bytes:
        message = f"The data set inflates to over {max_bytes / 2**20:g} MiB."
        raise RadiographError("too_many_bytes", message)
    if not inflater.eof:
        raise EOFError
    plain = ExplicitVRLittleEndian.encode().ljust(len(deflated), b"\0")
    return head.replace(deflated, plain) + body
