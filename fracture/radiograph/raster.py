"""Files told apart by their bytes, and PNG, JPEG, TIFF, WebP and BMP decoded by Pillow.

The rest is what Pillow would lose or get wrong: more than 8 bits, white-is-zero,
uninverted inks, PNG checksums, and a size that is seen only after a warning.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import re
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import (
    BmpImagePlugin,
    ExifTags,
    Image,
    ImageChops,
    ImageOps,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from fracture.radiograph.radiograph import Decoded, Notice, RadiographError, check_size
from fracture.radiograph.structure import check_structure
from fracture.radiograph.tiff_tags import check_exif, may_lack_pixels

_BITS = {"1": 1, "I": 32, "F": 32, "I;16": 16, "I;16B": 16}
_MAX_FRAMES = 100  # counted; a hostile TIFF may chain millions
# Tags of TIFF 6.0.
_BITS_PER_SAMPLE, _PHOTOMETRIC, _SAMPLE_FORMAT = 258, 262, 339
_SAMPLES = 277
_M_PERTURB = -6  # glibc's mallopt

# Raw modes of big-endian values -> of the same in the machine's order, as libtiff has
# them. Unsigned 16 bits Pillow mends itself.
_NATIVE = {
    "I;16BS": "I;16NS",
    "I;32B": "I;32N",
    "I;32BS": "I;32NS",
    "F;32BF": "F;32NF",
}


class _Tiff(TiffImagePlugin.TiffImageFile):
    """Takes out of Pillow's hands three things it gets wrong.

    It inverts white-is-zero at 8 bits but not at 16, and refuses both it and unsigned
    32 bits in big-endian files. Here values come as stored and are mended afterwards.
    Of big-endian values that libtiff unpacked it swaps the bytes again.
    """

    def _setup(self) -> None:
        tags = self.tag_v2
        one_sample = tags.get(_SAMPLES, 1) == 1
        self.white_is_zero = one_sample and tags.get(_PHOTOMETRIC, 0) == 0
        self.unsigned = tags.get(_SAMPLE_FORMAT, (1,))[0] == 1
        if self.white_is_zero:
            tags[_PHOTOMETRIC] = 1
        if self.unsigned and tags.get(_BITS_PER_SAMPLE) == (32,):
            tags[_SAMPLE_FORMAT] = 2
        super()._setup()
        if self.tile and self.tile[0].codec_name == "libtiff":
            (tile,) = self.tile
            native = _NATIVE.get(tile.args[0], tile.args[0])
            self.tile = [tile._replace(args=(native, *tile.args[1:]))]


# By class: Image.open warns about large pictures before their size can be checked.
_OPENERS = {
    "PNG": PngImagePlugin.PngImageFile,
    "JPEG": JpegImagePlugin.JpegImageFile,
    "TIFF": _Tiff,
    "WEBP": WebPImagePlugin.WebPImageFile,
    "BMP": BmpImagePlugin.BmpImageFile,
}


def read_file(data: bytes, kind: str, max_pixels: int) -> Decoded:
    """Decodes the first frame of a file of a kind that `sniff` told.

    Raises:
        RadiographError: `too_small`, `too_many_pixels`, or by `check_structure`.
        Exception: whatever Pillow raises; see `explain`.
    """
    check_structure(data, kind, max_pixels)
    image = _OPENERS[kind](io.BytesIO(data))
    check_size(*image.size, max_pixels)
    image.verify()  # PNG checksums, which Pillow skips when decoding
    if kind != "PNG":
        image = _OPENERS[kind](io.BytesIO(data))
        if may_lack_pixels(image):
            return _read_twice(data, max_pixels)
        return read_picture(image, max_pixels)
    depth, colour_type = data[24:26]
    wide_alpha = depth == 16 and colour_type == 4
    if wide_alpha:
        # Pillow halves 16-bit grey with alpha; declared RGBA all four bytes survive.
        header = b"IHDR" + data[16:24] + b"\x08\x06" + data[26:29]
        data = data[:12] + header + zlib.crc32(header).to_bytes(4, "big") + data[33:]
    image = PngImagePlugin.PngImageFile(io.BytesIO(data))
    values, notices, facts = read_picture(image, max_pixels, 8 if wide_alpha else depth)
    if wide_alpha:
        values = np.ascontiguousarray(values).view(">u2")
        facts.update(bits=16, photometric="MONOCHROME2")
    return values, notices, facts


def _read_twice(data: bytes, max_pixels: int) -> Decoded:
    """Decodes twice: where memory shows through, the two differ.

    A block that was made larger may keep its last seven bytes, filled or not.
    """
    films = []
    for value in (0, 254):
        with _filled_memory(value):
            films.append(read_picture(_Tiff(io.BytesIO(data)), max_pixels))
    (first, *_), (second, *_) = films
    if not np.array_equal(first, second):
        message = "The TIFF file lacks pixels; copy or export it again."
        raise RadiographError("truncated_file", message)
    return films[0]


@contextlib.contextmanager
def _filled_memory(value: int) -> Iterator[None]:
    """Has glibc fill what it hands out with 0 to 254; elsewhere does nothing."""
    _perturb(255 - value)
    try:
        yield
    finally:
        _perturb(0)


def _perturb(value: int) -> None:
    with contextlib.suppress(Exception):
        ctypes.CDLL(None).mallopt(_M_PERTURB, value)


def read_picture(image: Image.Image, max_pixels: int, depth: int = 0) -> Decoded:
    """Decodes a Pillow image, upright, into values (H, W) or (H, W, 3 | 4).

    Args:
        image: of any mode; its size is checked before it loads.
        max_pixels: most pixels.
        depth: bits per sample in the file, where Pillow does not tell.

    Raises: as `read_file` does.
    """
    check_size(*image.size, max_pixels)
    notices: list[Notice] = []
    mode = image.mode
    tags = getattr(image, "tag_v2", {})
    depth = depth or max(tags.get(_BITS_PER_SAMPLE, (_BITS.get(mode, 8),)))
    # The defaults are for a TIFF that the caller opened; 1 and L Pillow does invert.
    wide = tags.get(_BITS_PER_SAMPLE) == (32,) and tags.get(_SAMPLE_FORMAT) is None
    unsigned = mode == "I" and getattr(image, "unsigned", wide)
    missed = tags.get(_PHOTOMETRIC) == 0 and mode not in ("1", "L")
    white_is_zero = getattr(image, "white_is_zero", missed)
    facts = {
        "format": image.format or "picture",
        "bits": depth,
        "frames": _count_frames(image),
        "photometric": "MONOCHROME1" if white_is_zero else "MONOCHROME2",
    }
    # Pillow inverts the inks of every JPEG, but only Adobe stores them inverted.
    jpeg_inks = mode == "CMYK" and isinstance(image, JpegImagePlugin.JpegImageFile)
    uninverted = jpeg_inks and "adobe" not in image.info
    signed_bytes = mode == "L" and tags.get(_SAMPLE_FORMAT) == (2,)
    image.load()
    profile = "".join(image.info.get("Raw profile type exif", "").split("\n")[3:])
    if re.fullmatch("[0-9a-fA-F]*", profile):  # else Pillow does not parse it either
        check_exif(bytes.fromhex(profile[: len(profile) // 2 * 2]))
    with contextlib.suppress(Exception):  # unreadable EXIF turns nothing
        if image.getexif().get(ExifTags.Base.Orientation, 1) != 1:  # else a mere copy
            image = ImageOps.exif_transpose(image)
    if mode in ("I", "F") or mode.startswith("I;16"):
        values = np.asarray(image)
        if isinstance(clear := image.info.get("transparency"), int):
            values = np.where(values == clear, 0, values)
    else:
        if uninverted:
            image = ImageChops.invert(image)
        opaque = "L" if mode in ("1", "L") else "RGB"
        target = "RGBA" if image.has_transparency_data else opaque
        values = np.asarray(image if image.mode == target else image.convert(target))
        if facts["format"] == "BMP" and values.ndim == 3 and not values[..., 3:].any():
            values = values[..., :3]  # writers leave zeros where they have no alpha
    if values.ndim == 3:
        facts["photometric"] = "RGB"
        if depth > 8:
            message = "16-bit colour was read at 8 bits; export grey to keep it all."
            notices.append(Notice("reduced_depth", message))
            values = values * np.uint16(257)  # wide, so still stretched to the range
    if unsigned or signed_bytes:
        values = values.view(np.uint32 if unsigned else np.int8)
    if white_is_zero and values.ndim == 2:
        values = -values if values.dtype.kind == "f" else ~values
    return values, notices, facts


def _count_frames(image: Image.Image) -> int:
    if not isinstance(image, TiffImagePlugin.TiffImageFile):
        return getattr(image, "n_frames", 1)
    here, frames = image.tell(), 1
    while getattr(image, "is_animated", False) and frames < _MAX_FRAMES:
        try:
            image.seek(frames)
        except Exception:  # the end, or a later page that is damaged
            break
        frames += 1
    image.seek(here)
    return frames


def explain(error: Exception, kind: str, data: bytes) -> RadiographError:
    """Turns what a decoder or a stream raised into a `RadiographError`."""
    if kind == "PNG":
        short = b"IEND" not in data[-64:]
    elif kind == "JPEG":
        short = b"\xff\xd9" not in data[-64:]
    elif kind == "WEBP":
        short = len(data) < 8 + int.from_bytes(data[4:8], "little")
    else:
        ended = isinstance(error, (EOFError, struct.error))
        short = ended or "truncated" in str(error).lower()
    if short:
        message = f"The {kind} file ends too early; copy or export it again."
        return RadiographError("truncated_file", message)
    if kind == "TIFF" and isinstance(error, SyntaxError):
        message = "TIFF of this kind is not read; export it as 8- or 16-bit grey."
        return RadiographError("unsupported_pixels", message)
    message = f"The {kind} file is damaged or of a rare kind; export it again as PNG."
    return RadiographError("corrupt_file", message)
