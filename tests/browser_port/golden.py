"""Golden files: small films of every kind, and what Python says of them.

`python tests/browser_port/golden.py` writes `web/golden/` anew. The browser port must
say the same, to the byte of the square and to 1e-5 of a probability; where it refuses
what Python reads, `browser` is its code.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from dicom_films import coded_film, dataset, write
from PIL import Image
from pydicom import uid
from specimens import encode, photograph, wide_png

from fracture import FractureClassifier, RadiographError, read_radiograph
from fracture.data.phantom import draw_phantom
from fracture.radiograph import Letterbox

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "web" / "golden"
WEIGHTS = ROOT / "weights"
ANSWERS = FOLDER / "answers.json"
UNREAD = "unsupported_pixels"


def phantom(label: str, seed: int, height: int, width: int) -> np.ndarray:
    film = Image.fromarray(draw_phantom(label, seed).pixels)
    return np.asarray(film.resize((width, height), Image.Resampling.LANCZOS))


SMALL = phantom("displaced", 19, 98, 76)
HAIR = phantom("hairline", 4, 83, 107)
LARGE = phantom("displaced", 7, 431, 533)
SIZE = SMALL.shape[::-1]
WIDE = SMALL.astype(np.uint16) * 13 + 700  # 12 bits
DEEP = SMALL.astype(np.uint16) * 250 + np.arange(SIZE[0], dtype=np.uint16)
COLOUR = np.stack([SMALL, SMALL // 2 + 60, 255 - SMALL], -1)
GREYS = np.repeat(SMALL[..., None], 3, -1)
ALPHA = np.tile(np.linspace(0, 255, SIZE[0]).astype(np.uint8), (SIZE[1], 1))


# === PNG ===


def chunk(name: bytes, body: bytes) -> bytes:
    check = zlib.crc32(name + body).to_bytes(4, "big")
    return len(body).to_bytes(4, "big") + name + body + check


def png(rows: list[bytes], size: tuple[int, int], depth: int, colour: int, **options):
    """A PNG by hand: what Pillow reads and does not write."""
    header = struct.pack(">IIBBBBB", *size, depth, colour, 0, 0, options.get("adam", 0))
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows), 9)
    parts = [(b"IHDR", header), *options.get("before", ()), (b"IDAT", pixels)]
    body = b"".join(chunk(*part) for part in [*parts, (b"IEND", b"")])
    return b"\x89PNG\r\n\x1a\n" + body


def packed(values: np.ndarray, bits: int) -> list[bytes]:
    """Rows of so many bits a value."""
    spread = (values[..., None] >> np.arange(bits)[::-1]) & 1
    return [np.packbits(row.reshape(-1)).tobytes() for row in spread.astype(np.uint8)]


def adam(values: np.ndarray) -> list[bytes]:
    """Rows of the seven passes, big-endian."""
    passes = ["0088", "4088", "0448", "2044", "0224", "1022", "0112"]
    steps = [tuple(map(int, one)) for one in passes]
    return [
        np.ascontiguousarray(row).tobytes()
        for x, y, dx, dy in steps
        for row in values[y::dy, x::dx]
    ]


def grey_png(bits: int, **options) -> bytes:
    values = SMALL >> (8 - bits)
    return png(packed(values, bits), SIZE, bits, 0, **options)


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[274] = orientation
    return tags


def animated(kind: str) -> bytes:
    frames = [Image.fromarray(GREYS), Image.fromarray(255 - GREYS)]
    options = {"save_all": True, "append_images": frames[1:], "lossless": True}
    return encode(frames[0], kind, **options)


def indexed(**options) -> bytes:
    picture = Image.fromarray(COLOUR).quantize(40)
    return encode(picture, "png", **options)


PNG = {
    "grey.png": lambda: encode(LARGE, "png", optimize=True),
    "hairline.png": lambda: encode(HAIR, "png"),
    "grey16.png": lambda: encode(DEEP, "png"),
    "grey1.png": lambda: grey_png(1),
    "grey2.png": lambda: grey_png(2),
    "grey4.png": lambda: grey_png(4),
    "grey1-clear.png": lambda: grey_png(1, before=[(b"tRNS", b"\0\1")]),
    "grey8-clear.png": lambda: grey_png(8, before=[(b"tRNS", b"\0\x50")]),
    "grey16-clear.png": lambda: png(
        [row.tobytes() for row in DEEP.astype(">u2")],
        *(SIZE, 16, 0),
        before=[(b"tRNS", DEEP[50, 40].astype(">u2").tobytes())],
    ),
    "adam16.png": lambda: png(adam(DEEP.astype(">u2")), SIZE, 16, 0, adam=1),
    "adam8.png": lambda: png(adam(COLOUR), SIZE, 8, 2, adam=1),
    "rgb.png": lambda: encode(COLOUR, "png"),
    "rgb-clear.png": lambda: png(
        [row.tobytes() for row in COLOUR],
        *(SIZE, 8, 2),
        before=[(b"tRNS", COLOUR[50, 40].astype(">u2").tobytes())],
    ),
    "rgb16.png": lambda: png(
        [row.tobytes() for row in (COLOUR.astype(">u2") * 257 + 3)], SIZE, 16, 2
    ),
    "rgba.png": lambda: encode(np.dstack([COLOUR, ALPHA]), "png"),
    "rgba16.png": lambda: png(
        [r.tobytes() for r in np.dstack([COLOUR, ALPHA]).astype(">u2") * 257],
        *(SIZE, 16, 6),
    ),
    "grey-alpha.png": lambda: encode(np.dstack([SMALL, ALPHA]), "png"),
    "grey-alpha16.png": lambda: png(
        [
            r.tobytes()
            for r in np.dstack([DEEP, ALPHA.astype("u2") * 257]).astype(">u2")
        ],
        *(SIZE, 16, 4),
    ),
    "palette.png": lambda: indexed(),
    "palette-clear.png": lambda: indexed(transparency=bytes([0, 90, 255, 30])),
    "palette4.png": lambda: encode(Image.fromarray(COLOUR).quantize(12), "png", bits=4),
    "turned.png": lambda: encode(SMALL, "png", exif=exif(6)),
    "xmp.png": lambda: grey_png(
        8,
        before=[
            (
                b"iTXt",
                b"XML:com.adobe.xmp\0\0\0\0\0"
                b'<x:xmpmeta tiff:Orientation="8"></x:xmpmeta>',
            )
        ],
    ),
    "animated.png": lambda: animated("png"),
    "profile.png": lambda: grey_png(
        8,
        before=[
            (
                b"zTXt",
                b"Raw profile type exif\0\0"
                + zlib.compress(b"\nexif\n40\n" + exif(3).tobytes().hex().encode()),
            )
        ],
    ),
    "blank.png": lambda: encode(np.full((60, 70), 9, np.uint8), "png"),
    "cut.png": lambda: encode(SMALL, "png")[:-1500],
    "checksum.png": lambda: encode(SMALL, "png").replace(b"IDATx", b"IDATy", 1),
    "tiny.png": lambda: encode(SMALL[:20], "png"),
    "wide.png": wide_png,
}

# === JPEG, WebP, BMP: what browsers decode ===


def jpeg_in_inks() -> bytes:
    return encode(Image.fromarray(COLOUR).convert("CMYK"), "jpeg")


PICTURES = {
    "clear.jpg": lambda: encode(draw_phantom("normal", 10).pixels, "jpeg"),
    "uncertain.jpg": lambda: encode(draw_phantom("hairline", 7).pixels, "jpeg"),
    "marked.jpg": lambda: encode(draw_phantom("hairline", 11).pixels, "jpeg"),
    "grey.jpg": lambda: encode(LARGE, "jpeg", quality=88),
    "progressive.jpg": lambda: encode(LARGE, "jpeg", quality=70, progressive=True),
    "colour.jpg": lambda: encode(COLOUR, "jpeg", quality=85),
    "colour-full.jpg": lambda: encode(COLOUR, "jpeg", subsampling=0),
    "restarts.jpg": lambda: encode(HAIR, "jpeg", restart_marker_rows=2),
    "profile.jpg": lambda: encode(
        GREYS, "jpeg", icc_profile=b"\0\0\2\x0clcms" + bytes(515)
    ),
    **{
        f"turned{n}.jpg": lambda n=n: encode(HAIR, "jpeg", exif=exif(n))
        for n in (2, 3, 5, 6, 7, 8)
    },
    "cut.jpg": lambda: encode(LARGE, "jpeg")[:7000],
    "holed.jpg": lambda: encode(LARGE, "jpeg")[:7000] + b"\0" * 100,
    "scans.jpg": lambda: (
        encode(HAIR, "jpeg")[:-2] + b"\xff\xda\0\2" * 101 + b"\xff\xd9"
    ),
    "photograph.jpg": photograph,
    "lossy.webp": lambda: encode(GREYS, "webp", quality=80),
    "lossless.webp": lambda: encode(COLOUR, "webp", lossless=True),
    "turned.webp": lambda: encode(GREYS, "webp", lossless=True, exif=exif(8)),
    "animated.webp": lambda: animated("webp"),
    "cut.webp": lambda: encode(GREYS, "webp", quality=80)[:-500],
    "grey.bmp": lambda: encode(SMALL, "bmp"),
    "black-white.bmp": lambda: encode(Image.fromarray(HAIR).convert("1"), "bmp"),
    "rgb.bmp": lambda: encode(COLOUR[:90], "bmp"),
    "palette.bmp": lambda: encode(Image.fromarray(COLOUR).quantize(40), "bmp"),
    "cut.bmp": lambda: encode(SMALL, "bmp")[:-2000],
}
# Read by Python, refused by browsers, whose own decoders see these otherwise.
REFUSED = {
    "inks.jpg": (UNREAD, jpeg_in_inks),
    "alpha.webp": (
        UNREAD,
        lambda: encode(np.dstack([COLOUR, ALPHA]), "webp", lossless=True),
    ),
    "alpha.bmp": (UNREAD, lambda: encode(np.dstack([COLOUR, ALPHA])[:50], "bmp")),
    "grey4-clear.png": (UNREAD, lambda: grey_png(4, before=[(b"tRNS", b"\0\3")])),
    "adam1.png": (
        UNREAD,
        lambda: png(
            [row for part in adams(SMALL > 90) for row in packed(part, 1)],
            *(SIZE, 1, 0),
            adam=1,
        ),
    ),
    "coded.tif": (UNREAD, lambda: tiff(SMALL, compression="jpeg")),
    "fax.tif": (
        UNREAD,
        lambda: encode(
            Image.fromarray(HAIR).convert("1"), "tiff", compression="group4"
        ),
    ),
    "inks.tif": (
        UNREAD,
        lambda: encode(Image.fromarray(COLOUR).convert("CMYK"), "tiff"),
    ),
}


def adams(values: np.ndarray) -> list[np.ndarray]:
    passes = ["0088", "4088", "0448", "2044", "0224", "1022", "0112"]
    steps = [tuple(map(int, one)) for one in passes]
    return [values[y::dy, x::dx].astype(np.uint8) for x, y, dx, dy in steps]


# === TIFF ===


def tiff(values: np.ndarray, order: str = "<", big: bool = False, **options) -> bytes:
    from tifffile import TiffWriter

    stream = io.BytesIO()
    with TiffWriter(stream, bigtiff=big, byteorder=order) as writer:
        for page in options.pop("pages", [values]):
            writer.write(page, metadata=None, software=False, **options)
    return stream.getvalue()


FLOATS = (SMALL / 255 - 0.4).astype(np.float32)
TILES = {"tile": (32, 48)}
STRIPS = {"rowsperstrip": 20}

TIFF = {
    "grey.tif": lambda: tiff(SMALL, compression="lzw", **STRIPS),
    "white-is-zero.tif": lambda: tiff(HAIR, photometric="miniswhite", **STRIPS),
    "bits1.tif": lambda: tiff(SMALL > 90, compression="packbits"),
    "bits4.tif": lambda: packed_tiff(4),
    "signed8.tif": lambda: tiff((SMALL.astype(int) - 128).astype("i1")),
    "deep.tif": lambda: tiff(DEEP),
    "deep-predicted.tif": lambda: tiff(
        DEEP, ">", compression="lzw", predictor=2, **TILES
    ),
    "deep-white.tif": lambda: tiff(
        DEEP, compression="zlib", predictor=2, photometric="miniswhite"
    ),
    "signed16.tif": lambda: tiff(
        DEEP.astype("i4").astype("i2"), ">", compression="zlib"
    ),
    "words.tif": lambda: tiff(
        DEEP.astype("u4") * 60000, ">", compression="zlib", **TILES
    ),
    "words-signed.tif": lambda: tiff(DEEP.astype("i4") * -30000, compression="lzw"),
    "floats.tif": lambda: tiff(FLOATS, compression="zlib", predictor=3, **STRIPS),
    "floats-big.tif": lambda: tiff(
        FLOATS, ">", compression="zlib", predictor=3, **TILES
    ),
    "big.tif": lambda: tiff(SMALL, big=True, compression="packbits"),
    "rgb.tif": lambda: tiff(COLOUR, photometric="rgb", compression="lzw", predictor=2),
    "rgb-planar.tif": lambda: tiff(
        np.moveaxis(COLOUR, 2, 0),
        photometric="rgb",
        planarconfig="separate",
        compression="zlib",
        **TILES,
    ),
    "rgb16.tif": lambda: tiff(
        COLOUR.astype("u2") * 257 + 3, ">", photometric="rgb", compression="zlib"
    ),
    "rgba.tif": lambda: tiff(
        np.dstack([COLOUR, ALPHA]),
        photometric="rgb",
        extrasamples=["unassalpha"],
        compression="zlib",
    ),
    "grey-alpha.tif": lambda: tiff(
        np.dstack([SMALL, ALPHA]),
        photometric="minisblack",
        extrasamples=["unassalpha"],
        compression="zlib",
    ),
    "palette.tif": lambda: encode(
        Image.fromarray(COLOUR).quantize(40), "tiff", compression="tiff_lzw"
    ),
    "turned.tif": lambda: tiff(HAIR, extratags=[(274, "H", 1, 5, True)]),
    "pages.tif": lambda: tiff(SMALL, pages=[SMALL, HAIR], compression="zlib"),
    "infinite.tif": lambda: tiff(np.where(SMALL > 200, np.nan, FLOATS)),
    "big-endian-big.tif": lambda: tiff(SMALL[:60], ">", big=True),
    "half.tif": lambda: tiff(FLOATS[:60].astype("f2")),
    "cut.tif": lambda: tiff(SMALL, compression="lzw")[:-300],
    "none.tif": lambda: b"II*\0\0\0\0\0",
    "claims.tif": lambda: (
        b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 700, 1, 2**31, 0) + bytes(4)
    ),
}


def packed_tiff(bits: int) -> bytes:
    data = b"".join(packed(SMALL >> (8 - bits), bits))
    tags = {
        256: SIZE[0],
        257: SIZE[1],
        258: bits,
        259: 1,
        262: 1,
        273: 122,
        277: 1,
        278: SIZE[1],
    }
    tags[279] = len(data)
    body = b"".join(struct.pack("<HHII", t, 4, 1, v) for t, v in sorted(tags.items()))
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags))
    return (head + body + bytes(4)).ljust(122, b"\0") + data


# === DICOM ===


def lut(entries: np.ndarray, first: int, bits: int) -> list:
    from pydicom.dataset import Dataset

    item = Dataset()
    item.LUTDescriptor = [len(entries) % 65536, first, bits]
    item.LUTData = np.asarray(entries, "<u2").tobytes()
    item["LUTData"].VR, item["LUTDescriptor"].VR = "OW", "US"
    return [item]


def dicom(pixels: np.ndarray = WIDE, syntax=uid.ExplicitVRLittleEndian, **elements):
    return write(dataset(pixels, **elements), syntax)


def signed() -> bytes:
    values = WIDE.astype(np.int16) - 2000
    values[:9] = -2048
    made = dataset(values, PixelPaddingValue=-2048, RescaleSlope="0.5")
    made.BitsStored, made.HighBit = 16, 15
    made.WindowCenter, made.WindowWidth = 100, 900
    return write(made)


def big_endian() -> bytes:
    made = dataset(WIDE.byteswap(), VOILUTSequence=lut(TABLE, 0, 12))
    made.VOILUTSequence[0].LUTData = TABLE.astype(">u2").tobytes()
    return write(made, uid.ExplicitVRBigEndian)


def transcoded(syntax, pixels: np.ndarray = WIDE, **elements) -> bytes:
    import tempfile

    import gdcm

    with tempfile.TemporaryDirectory() as folder:
        native, made = f"{folder}/native.dcm", f"{folder}/coded.dcm"
        Path(native).write_bytes(dicom(pixels, **elements))
        reader, writer = gdcm.ImageReader(), gdcm.ImageWriter()
        reader.SetFileName(native)
        assert reader.Read()
        change = gdcm.ImageChangeTransferSyntax()
        kind = gdcm.TransferSyntax.GetTSType(syntax)
        change.SetTransferSyntax(gdcm.TransferSyntax(kind))
        change.SetInput(reader.GetImage())
        assert change.Change()
        writer.SetFileName(made)
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        assert writer.Write()
        return Path(made).read_bytes()


def renamed(syntax: str) -> bytes:
    """A film that claims a transfer syntax which nobody here decodes."""
    return write(coded_film(SMALL, "JPEG"), syntax)


def frames() -> bytes:
    made = dataset(WIDE, NumberOfFrames=2)
    made.PixelData = WIDE.tobytes() + WIDE[::-1].tobytes()
    return write(made)


WINDOW = {"WindowCenter": [1900, 7], "WindowWidth": [2200, 9]}
TABLE = np.sqrt(np.arange(4096) / 4095)[::-1] * 4095 // 1
SIGNED = (WIDE.astype(np.int16) - 2000) >> 1

DICOM = {
    "range.dcm": lambda: dicom(),
    "implicit.dcm": lambda: dicom(WIDE, uid.ImplicitVRLittleEndian, **WINDOW),
    "big-endian.dcm": big_endian,
    "deflated.dcm": lambda: dicom(WIDE, uid.DeflatedExplicitVRLittleEndian),
    "no-preamble.dcm": lambda: write(dataset(WIDE), file_format=False),
    "window.dcm": lambda: dicom(**WINDOW, RescaleSlope=1.5, RescaleIntercept=-100),
    "exact.dcm": lambda: dicom(**WINDOW, VOILUTFunction="LINEAR_EXACT"),
    "sigmoid.dcm": lambda: dicom(**WINDOW, VOILUTFunction="SIGMOID"),
    "bad-window.dcm": lambda: dicom(WindowCenter=9, WindowWidth=0),
    "modality-lut.dcm": lambda: dicom(ModalityLUTSequence=lut(TABLE, 0, 16), **WINDOW),
    "voi-lut.dcm": lambda: dicom(VOILUTSequence=lut(TABLE, 500, 12)),
    "implicit-lut.dcm": lambda: dicom(
        WIDE, uid.ImplicitVRLittleEndian, VOILUTSequence=lut(TABLE, 500, 12)
    ),
    "monochrome1.dcm": lambda: dicom(
        4095 - WIDE, PhotometricInterpretation="MONOCHROME1", **WINDOW
    ),
    "inverse.dcm": lambda: dicom(PresentationLUTShape="INVERSE", PixelPaddingValue=700),
    "signed.dcm": signed,
    "high-bits.dcm": lambda: dicom(WIDE | 0xA000),
    "deep.dcm": lambda: dicom(DEEP, BitsStored=16, HighBit=15),
    "eight.dcm": lambda: dicom(SMALL),
    "words.dcm": lambda: dicom(DEEP.astype("u4") * 60000),
    "frames.dcm": frames,
    "rgb.dcm": lambda: dicom(COLOUR),
    "no-modality.dcm": lambda: dicom(Modality="", BurnedInAnnotation="YES"),
    "processing.dcm": lambda: dicom(PresentationIntentType="FOR PROCESSING"),
    "rle.dcm": lambda: transcoded(uid.RLELossless),
    "rle-signed.dcm": lambda: transcoded(uid.RLELossless, SIGNED),
    "jpeg.dcm": lambda: write(coded_film(SMALL, "JPEG"), uid.JPEGBaseline8Bit),
    "lossless.dcm": lambda: transcoded(uid.JPEGLossless),
    "lossless-first.dcm": lambda: transcoded(uid.JPEGLosslessSV1, DEEP, BitsStored=16),
    "jpeg-ls.dcm": lambda: transcoded(uid.JPEGLSLossless),
    "jpeg-ls-eight.dcm": lambda: transcoded(uid.JPEGLSLossless, SMALL),
    "jpeg-ls-near.dcm": lambda: transcoded(uid.JPEGLSNearLossless),
    "jpeg2000.dcm": lambda: transcoded(uid.JPEG2000Lossless),
    "jpeg2000-eight.dcm": lambda: transcoded(uid.JPEG2000Lossless, SMALL),
    "jpeg2000-lossy.dcm": lambda: transcoded(uid.JPEG2000),
    "lossless-signed.dcm": lambda: transcoded(uid.JPEGLossless, SIGNED),
    "jpeg-ls-signed.dcm": lambda: transcoded(uid.JPEGLSLossless, SIGNED),
    "jpeg2000-signed.dcm": lambda: transcoded(uid.JPEG2000Lossless, SIGNED),
    "rle-rgb.dcm": lambda: transcoded(uid.RLELossless, COLOUR),
    "rgb-planes.dcm": lambda: dicom(
        np.moveaxis(COLOUR, 2, 0).reshape(COLOUR.shape), PlanarConfiguration=1
    ),
    "throughput.dcm": lambda: renamed(uid.HTJ2K),
    "film.dcm": lambda: renamed(uid.MPEG2MPML),
    "tomograph.dcm": lambda: dicom(Modality="CT"),
    "no-pixels.dcm": lambda: dicom(PixelData=b""),
    "palette.dcm": lambda: dicom(SMALL, PhotometricInterpretation="PALETTE COLOR"),
    "high-bit.dcm": lambda: dicom(HighBit=15),
    "cut.dcm": lambda: dicom()[:-900],
    "cut-coded.dcm": lambda: transcoded(uid.JPEGLSLossless)[:-900],
    "cut-deflated.dcm": lambda: dicom(WIDE, uid.DeflatedExplicitVRLittleEndian)[:-900],
    "other-size.dcm": lambda: write(
        coded_film(SMALL, "JPEG", Rows=120), uid.JPEGBaseline8Bit
    ),
}

OTHERS = {
    "empty.png": lambda: b"",
    "letter.png": lambda: b"Dear doctor",
    "page.html": lambda: b"<!DOCTYPE html><html></html>",
    "drawing.svg": lambda: b"<svg xmlns='...'></svg>",
    "paper.pdf": lambda: b"%PDF-1.7",
    "archive.zip": lambda: b"PK\x03\x04" + bytes(40),
    "moving.gif": lambda: b"GIF89a" + bytes(40),
    "noise.bin": lambda: bytes(range(255, 0, -1)),
}

FILMS: dict[str, Callable[[], bytes]] = {**PNG, **PICTURES, **TIFF, **DICOM, **OTHERS}
FILMS |= {name: make for name, (_, make) in REFUSED.items()}


def answer(classifier: FractureClassifier, data: bytes) -> dict:
    """What Python says: of a film its square, facts and answer, or else the error."""
    try:
        film = read_radiograph(data)
    except RadiographError as error:
        return {"error": error.to_dict()}
    box = Letterbox(*film.pixels.shape, classifier.config.image_size)
    return {
        "square": hashlib.sha256(box.apply(film.pixels).data).hexdigest(),
        "metadata": dict(film.metadata),
        "answer": classifier.predict(film).to_dict(),
    }


def main() -> None:
    """Writes films and answers."""
    classifier = FractureClassifier.from_pretrained(WEIGHTS)
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.iterdir():
        old.unlink()
    answers = {}
    for name, make in sorted(FILMS.items()):
        data = make()
        (FOLDER / name).write_bytes(data)
        answers[name] = answer(classifier, data)
        if name in REFUSED:
            answers[name]["browser"] = REFUSED[name][0]
    ANSWERS.write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")
    size = sum(path.stat().st_size for path in FOLDER.iterdir())
    print(f"{len(answers)} films, {size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
