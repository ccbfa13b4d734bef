"""Files told apart by their bytes, never by their names."""

from __future__ import annotations

from fracture.radiograph.radiograph import RadiographError

_KNOWN = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"II+\0": "TIFF",  # BigTIFF
    b"MM\0+": "TIFF",
}
_FOREIGN = {
    b"%PDF": "a PDF document",
    b"GIF8": "a GIF",
    b"PK\x03\x04": "a zip archive",
}


def sniff(data: bytes) -> str:
    """Tells a file's format from its bytes: PNG, JPEG, TIFF, WEBP, BMP or DICOM.

    Raises:
        RadiographError: `unsupported_format`, naming the format where it shows.
    """
    if data[128:132] == b"DICM":
        return "DICOM"
    for magic, kind in _KNOWN.items():
        if data.startswith(magic):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    # Two letters alone could open a text; the zero bytes are reserved in every BMP.
    if data[:2] == b"BM" and data[6:10] == bytes(4):
        return "BMP"
    # Without its preamble DICOM starts at group 0002 or 0008, in either byte order.
    if data[:4:3] == b"\2\0" or data[:4:3] == b"\x08\0" or data[:3] == b"\0\x08\0":
        return "DICOM"
    what = _FOREIGN.get(data[:4], "")
    head = data[:2048].lower()
    if b"<html" in head or b"<!doctype html" in head:
        what = "a web page"
    elif b"<svg" in head:
        what = "a vector drawing (SVG)"
    elif not what and head.isascii() and b"\0" not in head:
        what = "text"
    message = (
        f"The file is {what or 'of no known kind'}, not a film; "
        "send it as PNG, JPEG, TIFF or DICOM."
    )
    raise RadiographError("unsupported_format", message)
