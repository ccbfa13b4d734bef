"""Films that hypothesis makes: numbers as pydicom and tifffile write them."""

from __future__ import annotations

import io
import itertools

import imagecodecs
import numpy as np
from dicom_films import dataset, write
from hypothesis import strategies as st
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

# Encoders that are none of those that read here.
CODED = {
    uid.RLELossless: None,
    uid.JPEGLSLossless: lambda film, _: imagecodecs.jpegls_encode(film),
    uid.JPEG2000Lossless: lambda film, bits: imagecodecs.jpeg2k_encode(
        film, level=0, reversible=True, codecformat="j2k", bitspersample=bits
    ),
    uid.JPEGLossless: lambda film, bits: imagecodecs.ljpeg_encode(
        film, bitspersample=bits
    ),
}
NATIVE = [
    uid.ImplicitVRLittleEndian,
    uid.ExplicitVRLittleEndian,
    uid.DeflatedExplicitVRLittleEndian,
]


@st.composite
def dicom(draw) -> tuple[bytes, dict]:
    """A DICOM with any display that PS3.3 C.11 knows, and what it was made of."""
    signed = draw(st.booleans())
    bits = draw(st.sampled_from([8, 10, 12, 15, 16]))
    kind = f"{'i' if signed else 'u'}{1 if bits == 8 else 2}"
    low = -(2 ** (bits - 1)) if signed else 0
    high = low + 2**bits - 1
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    # Never all the same: of one value a lossless JPEG has no code to tell.
    values = st.lists(st.integers(low, high), min_size=2, max_size=2, unique=True)
    ends = sorted(draw(values))
    shape = draw(st.integers(32, 40)), draw(st.integers(32, 40))
    pixels = rng.integers(ends[0], ends[1] + 1, shape).astype(kind)
    number = st.one_of(
        st.integers(-5000, 70000), st.floats(-5000, 70000).map(lambda x: round(x, 3))
    )
    told = {"BitsStored": bits, "HighBit": bits - 1}
    told["PhotometricInterpretation"] = draw(
        st.sampled_from(["MONOCHROME1", "MONOCHROME2"])
    )
    optional = {
        "RescaleSlope": st.sampled_from([0, 0.5, 1, 2.25, -1]),
        "RescaleIntercept": number,
        "VOILUTFunction": st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID", "ODD"]),
        "PresentationLUTShape": st.sampled_from(["IDENTITY", "INVERSE"]),
        "PixelPaddingValue": st.integers(low, high),
    }
    for keyword, values in optional.items():
        if draw(st.booleans()):
            told[keyword] = draw(values)
    if "PixelPaddingValue" in told and draw(st.booleans()):
        told["PixelPaddingRangeLimit"] = draw(st.integers(low, high))
    if draw(st.booleans()):
        told["WindowCenter"] = [draw(number), 7]
        told["WindowWidth"] = [draw(st.one_of(number, st.integers(0, 3))), 9]
    for keyword in ("ModalityLUTSequence", "VOILUTSequence"):
        if draw(st.integers(0, 3)) == 0:
            told[keyword] = [table(draw, rng, max(low, -32768), high)]
    made = dataset(pixels, **told)
    syntax = draw(st.sampled_from([*NATIVE, *NATIVE, *CODED]))
    if syntax in CODED:
        frames = [pixels, pixels[::-1]][: draw(st.integers(1, 2))]
        code(made, syntax, frames, bits)
    return write(made, syntax), {"syntax": syntax.name, "ends": ends, **told}


def code(made: Dataset, syntax: uid.UID, frames: list[np.ndarray], bits: int) -> None:
    """Puts frames into a data set, in fragments with or without a table of them."""
    plain = {"has_bot": len(frames) > 1 and bits != 12}
    made.NumberOfFrames = len(frames)
    if syntax == uid.RLELossless:
        made.PixelData = b"".join(frame.tobytes() for frame in frames)
        made.compress(syntax, encoding_plugin="pydicom")
        return
    # Signed values as their bits, as DICOM stores them.
    words = [frame.view(f"u{frame.itemsize}") & (2**bits - 1) for frame in frames]
    coded = [CODED[syntax](np.ascontiguousarray(word), bits) for word in words]
    made.PixelData = encapsulate(coded, **plain)
    made["PixelData"].VR = "OB"


def table(draw, rng: np.random.Generator, low: int, high: int) -> Dataset:
    item, bits = Dataset(), draw(st.sampled_from([8, 12, 16]))
    entries = draw(st.integers(1, 5000))
    first = draw(st.integers(max(low, 0), min(high, 32767)))
    item.LUTDescriptor = [entries, first, bits]
    item["LUTDescriptor"].VR = "US"
    values = rng.integers(0, 2**bits, entries)
    packed = bits == 8 and entries % 2 == 0 and draw(st.booleans())
    item.LUTData = values.astype("u1" if packed else "<u2").tobytes()
    item["LUTData"].VR = "OW"
    return item


VALUES = ["?", "u1", "i1", "u2", "i2", "u4", "i4", "f4", "f2", "f8", "u8"]


@st.composite
def tiff(draw) -> tuple[bytes, dict]:
    """A TIFF of any type, order, compression and layout that tifffile writes."""
    from tifffile import TiffWriter

    kind, rng = draw(st.sampled_from(VALUES)), np.random.default_rng(0)
    colours = draw(st.sampled_from([1, 1, 1, 3, 4]))
    shape = draw(st.integers(32, 70)), draw(st.integers(32, 70))
    depth = () if colours == 1 else (colours,)
    steps = (
        rng.integers(0, 1000, (*shape, *depth))
        + np.arange(shape[1])[(None, slice(None), *itertools.repeat(None, len(depth)))]
    )
    values = (steps * 0.37 - 100).astype(kind) if kind[0] == "f" else steps.astype(kind)
    planar = colours > 1 and draw(st.booleans())
    told = {
        "compression": draw(st.sampled_from([None, "lzw", "zlib", "packbits", "lzma"])),
        "predictor": draw(st.sampled_from([None, None, 2, 3])),
        "photometric": "rgb"
        if colours > 1
        else draw(st.sampled_from(["minisblack", "miniswhite"])),
        "planarconfig": "separate" if planar else "contig" if colours > 1 else None,
        "extrasamples": ["unassalpha"] if colours == 4 else None,
    }
    if draw(st.booleans()):
        told["tile"] = draw(st.sampled_from([(32, 16), (48, 80)]))
    else:
        told["rowsperstrip"] = draw(st.integers(1, 70))
    order, big = draw(st.sampled_from("<>")), draw(st.booleans())
    stored = np.ascontiguousarray(np.moveaxis(values, -1, 0)) if planar else values
    for without in ((), ("predictor",), ("predictor", "compression")):
        options = {k: v for k, v in told.items() if k not in without}
        stream = io.BytesIO()
        try:
            with TiffWriter(stream, bigtiff=big, byteorder=order) as writer:
                writer.write(stored, metadata=None, **options)
            break
        except (ValueError, TypeError, RuntimeError, KeyError, NotImplementedError):
            continue  # no such predictor, or no such compression, of these values
    return stream.getvalue(), {"type": kind, "order": order, "big": big, **options}
