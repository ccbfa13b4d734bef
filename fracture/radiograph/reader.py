"""One way in: bytes, path, array or picture -> `Radiograph`.

The format is told from the bytes, never from the name; sizes are checked on the
header before anything is decoded; wide pixels are scaled, never clipped; what cannot
be read is refused with a code and a sentence a person can act on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from fracture.radiograph import pool
from fracture.radiograph.radiograph import (
    LOW_SIDE,
    Decoded,
    NeedsProcess,
    Notice,
    Radiograph,
    RadiographError,
    blocks,
    check_size,
    to_uint8,
)
from fracture.radiograph.sniff import sniff
from fracture.radiograph.source import MAX_BYTES, MAX_PIXELS, File, read_bytes

Source = File | np.ndarray | Image.Image | Radiograph


def read_radiograph(
    source: Source,
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
) -> Radiograph:
    """Reads PNG, JPEG, TIFF, WebP, BMP, DICOM, an array or a Pillow image.

    Unsigned 8-bit values stay as they are and 1-bit become 0 and 255; every other type
    is scaled linearly, its least value to 0 and its greatest to 255. White-is-zero is
    inverted, EXIF turns applied, alpha laid on black, colour reduced to ITU-R 601 luma.
    DICOM follows PS3.4 N.2, see `radiograph/dicom.py`. Of several frames the first is
    read.

    Args:
        source: a path, a file's bytes, a binary file (read from where it stands), an
            array (H, W) or (H, W, 1 | 3 | 4) of bool, int or float (alpha is opaque at
            the integer type's maximum or 1.0), or a `Radiograph` (returned as it is).
        max_pixels: most pixels, told from the header before decoding; in DICOM over
            all frames. Pillow's own MAX_IMAGE_PIXELS (89 million) holds above it.
        max_bytes: most bytes read from the source.

    Returns:
        The film with its warnings and technical metadata.

    Raises:
        RadiographError: the source cannot be read; no other exception comes out.
    """
    if isinstance(source, Radiograph):
        return source
    # Whoever has films read elsewhere starts without the decoders.
    from fracture.radiograph import dicom, raster

    max_pixels = min(max_pixels, Image.MAX_IMAGE_PIXELS or max_pixels)
    kind, data = "array", b""
    try:
        if isinstance(source, np.ndarray):
            values, notices, facts = _check_array(source, max_pixels)
        elif isinstance(source, Image.Image):
            kind = "picture"
            values, notices, facts = raster.read_picture(source, max_pixels)
        else:
            data = read_bytes(source, max_bytes)
            kind = sniff(data)
            if kind == "DICOM":
                values, notices, facts = dicom.read_dicom(data, max_pixels, max_bytes)
            else:
                values, notices, facts = raster.read_file(data, kind, max_pixels)
        pixels, coloured = _grey(values)
    except RadiographError:
        raise
    except NeedsProcess:
        limits = {"max_pixels": max_pixels, "max_bytes": max_bytes}
        return pool.shared().read(data, **limits)
    except MemoryError:
        message = "There is not enough memory for this picture; send a smaller one."
        raise RadiographError("reader_memory", message) from None
    except Exception as error:  # on damaged bytes decoders raise anything at all
        raise raster.explain(error, kind, data) from None
    if facts["frames"] > 1:
        notices.append(Notice("multiple_frames", "Only the first frame was read."))
    if coloured:
        message = "The picture has colours, which a film has not; is it a photo of one?"
        notices.append(Notice("colour", message))
    if pixels.min() == pixels.max():
        message = "Every pixel has the same value; check that the film was exposed."
        notices.append(Notice("blank", message))
    height, width = pixels.shape
    if min(height, width) < LOW_SIDE:
        message = f"{width} x {height} pixels are few; a fine fracture may not show."
        notices.append(Notice("low_resolution", message))
    pixels.setflags(write=False)
    return Radiograph(
        pixels, tuple(notices), {**facts, "width": width, "height": height}
    )


def read_tags(data: bytes, keywords: Sequence[str], max_bytes: int = MAX_BYTES) -> dict:
    """Elements of a DICOM file, none of them its pixels, in the standard's JSON.

    Args:
        data: the file.
        keywords: of the elements wanted, besides SOPClassUID, Rows and Columns.
        max_bytes: most bytes that a deflated data set may inflate to.

    Returns:
        The DICOM JSON model (PS3.18 F) of what is there; text is Unicode.

    Raises:
        RadiographError: as by `read_radiograph`, the pixels apart.
    """
    from fracture.radiograph import dicom, raster  # as above

    try:
        return dicom.read_tags(data, keywords, max_bytes)
    except RadiographError:
        raise
    except Exception as error:  # on damaged bytes pydicom raises anything at all
        raise raster.explain(error, "DICOM", data) from None


def _check_array(values: np.ndarray, max_pixels: int) -> Decoded:
    channels = values.shape[2] if values.ndim == 3 else 1
    if (
        values.dtype.kind not in "buif"
        or values.ndim not in (2, 3)
        or channels not in (1, 3, 4)
    ):
        message = (
            f"An array of shape {values.shape} and type {values.dtype} is no picture; "
            "pass (H, W) or (H, W, 1 | 3 | 4) of bool, int or float."
        )
        raise RadiographError("unsupported_array", message)
    check_size(values.shape[1], values.shape[0], max_pixels)
    bits = 1 if values.dtype == bool else 8 * values.dtype.itemsize
    photometric = "MONOCHROME2" if channels == 1 else "RGB"
    facts = {"format": "array", "bits": bits, "frames": 1, "photometric": photometric}
    return values, [], facts


def _grey(values: np.ndarray) -> tuple[np.ndarray, bool]:
    """Values (H, W) or (H, W, 1 to 4) -> uint8 (H, W), whether there was colour."""
    if values.dtype == bool:
        values = values * np.uint8(255)
    if values.dtype != np.uint8:
        values = to_uint8(_on_black(values))
    pixels, coloured = np.empty(values.shape[:2], np.uint8), 0
    for start, block in blocks(values):
        block = _on_black(block)
        rows = pixels[start : start + len(block)]
        if block.ndim == 2:
            rows[:] = block
            continue
        if block.shape[2] == 1:
            rows[:] = block[..., 0]
            continue
        red, green, blue = np.moveaxis(block, 2, 0)
        most = np.maximum(np.maximum(red, green), blue)
        least = np.minimum(np.minimum(red, green), blue)
        # JPEG leaves a few levels of chroma on a grey film; a dozen an eye sees.
        coloured += int(np.count_nonzero(most - least > 12))
        rows[:] = np.asarray(Image.fromarray(block).convert("L"))
    return pixels, coloured / pixels.size > 0.005


def _on_black(values: np.ndarray) -> np.ndarray:
    """Values (H, W, 2 | 4) without their last channel, alpha; others as they are."""
    if values.ndim == 2 or values.shape[2] not in (2, 4):
        return values
    opaque = 1 if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    values, alpha = values[..., :-1], values[..., -1:]
    if (alpha == opaque).all():
        return values
    lit = values * (alpha.astype(np.float32) / opaque)
    return np.rint(lit).astype(np.uint8) if values.dtype == np.uint8 else lit
