"""Files that people send: films of every kind, and what is not a film."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from fracture.data.phantom import draw_phantom

FILM = draw_phantom("displaced", 19).pixels


def encode(picture: np.ndarray | Image.Image, kind: str, **options) -> bytes:
    """A picture as a file of that kind; options are Pillow's."""
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def dicom(pixels: np.ndarray) -> bytes:
    """Pixels as a DICOM file, 12 bits in 16."""
    pydicom = pytest.importorskip("pydicom")
    meta = pydicom.dataset.FileMetaDataset()
    meta.MediaStorageSOPClassUID = pydicom.uid.DigitalXRayImageStorageForPresentation
    meta.MediaStorageSOPInstanceUID = pydicom.uid.generate_uid()
    meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    file = pydicom.dataset.FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
    file.SOPClassUID = meta.MediaStorageSOPClassUID
    file.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
    file.Rows, file.Columns = pixels.shape
    file.SamplesPerPixel, file.PhotometricInterpretation = 1, "MONOCHROME2"
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
    file.PixelRepresentation, file.Modality = 0, "DX"
    file.PixelData = (pixels.astype("<u2") << 4).tobytes()
    stream = io.BytesIO()
    pydicom.dcmwrite(stream, file)
    return stream.getvalue()


def wide_png() -> bytes:
    """A few kilobytes that unpack to 100 megapixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        check = zlib.crc32(kind + body).to_bytes(4, "big")
        return len(body).to_bytes(4, "big") + kind + body + check

    side = (10_000).to_bytes(4, "big")
    rows = zlib.compress(bytes((1 + 10_000 // 8) * 10_000), 9)
    header = side + side + b"\1\0\0\0\0"
    parts = chunk(b"IHDR", header), chunk(b"IDAT", rows), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def photograph() -> bytes:
    """A house under the sun, as a phone would send it."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:480, :640]
    picture = np.stack([90 + y // 6, 150 + y // 8, np.full_like(y, 230)], -1)
    ground = y > 300 + 40 * np.sin(x / 70)
    picture[ground] = np.add((60, 110, 50), rng.integers(-50, 50, (ground.sum(), 1)))
    picture[(x - 450) ** 2 + (y - 100) ** 2 < 2500] = 255, 240, 150
    picture[(abs(x - 200) < 60) & (abs(y - 330) < 50)] = 170, 60, 40
    picture[(y > 230) & (y < 280) & (abs(x - 200) < 1.6 * (y - 230))] = 80, 30, 30
    return encode(picture.clip(0, 255).astype(np.uint8), "jpeg")


GOOD = {
    "film.png": lambda: encode(FILM, "png"),
    "film.jpg": lambda: encode(FILM, "jpeg"),
    "sixteen.png": lambda: encode(FILM.astype(np.uint16) * 257 + 3, "png"),
    "film.dcm": lambda: dicom(FILM),
    "IM000001": lambda: dicom(FILM),  # as on a patient's CD
    "film.txt": lambda: encode(FILM, "png"),
}
# Name -> reason code, content.
BAD = {
    "empty.png": ("empty_file", lambda: b""),
    "cut.jpg": ("truncated_file", lambda: encode(FILM, "jpeg")[:9000]),
    "letter.png": ("unsupported_format", lambda: b"Dear doctor"),
    "drawing.svg": ("unsupported_format", lambda: b"<svg xmlns='...'></svg>"),
    "wide.png": ("too_many_pixels", wide_png),
    "none.tiff": ("no_pixels", lambda: b"II*\0\0\0\0\0"),
}
