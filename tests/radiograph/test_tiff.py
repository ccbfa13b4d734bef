"""TIFF against another writer: the numbers come back exactly, or a reason does."""

import io
import itertools
import struct

import numpy as np
import pytest
from PIL import Image

from fracture.radiograph import RadiographError, read_radiograph

tifffile = pytest.importorskip("tifffile")
pytest.importorskip("imagecodecs")

ROWS, COLUMNS = np.mgrid[:70, :52]
RAMP = (ROWS * 3 + COLUMNS * 5 + ROWS * COLUMNS % 7) % 256
RAMP[0, :2] = 0, 255

# Exactly what each type holds: signs, both halves of a word, fractions.
VALUES = {
    "?": RAMP > 99,
    "u1": RAMP.astype("u1"),
    "i1": (RAMP - 128).astype("i1"),
    "u2": (RAMP * 257).astype("u2"),
    "i2": (RAMP * 200 - 20_000).astype("i2"),
    "u4": (RAMP * 8_000_000 + 3).astype("u4"),
    "i4": (RAMP * 8_000_000 - 10**9).astype("i4"),
    "u8": (RAMP * 2**50).astype("u8"),
    "f2": (RAMP / 256).astype("f2"),
    "f4": (RAMP / 256 - 0.5).astype("f4"),
    "f8": RAMP / 256,
}
COMPRESSIONS = [None, "lzw", "zlib", "packbits", "lzma"]


def write(values, big=False, order="<", **options):
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, bigtiff=big, byteorder=order) as writer:
        writer.write(values, metadata=None, **options)
    return stream.getvalue()


def shown(values, inverted):
    if values.dtype in (bool, np.uint8):
        pixels = values * 255 if values.dtype == bool else values
        return 255 - pixels.astype(int) if inverted else pixels
    values = values.astype(np.float64) * (-1 if inverted else 1)
    span = values.max() - values.min()
    return np.floor((values - values.min()) * 255 / span + 0.5)


def right_or_refused(data, expected, tolerance=0):
    """Whether the film was read; a wrong one fails."""
    try:
        film = read_radiograph(data)
    except RadiographError as error:
        assert error.code == "unsupported_pixels"
        return False
    assert film.pixels.shape == expected.shape
    assert np.abs(film.pixels - expected.astype(int)).max() <= tolerance
    return True


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("kind", VALUES)
def test_grey_is_read_right_or_refused(kind, compression):
    values, read = VALUES[kind], []
    for order, big, tile, predictor, photometric in itertools.product(
        "<>",
        [False, True],
        [None, (32, 16)],
        [None, 2, 3],
        ["minisblack", "miniswhite"],
    ):
        if big and photometric == "miniswhite":
            continue  # three quarters of them will do
        if predictor and values.dtype == bool:
            continue  # no reader knows what that would be
        options = {"tile": tile} if tile else {"rowsperstrip": 16}
        options |= {"compression": compression, "predictor": predictor}
        try:
            data = write(values, big, order, photometric=photometric, **options)
        except (ValueError, TypeError, RuntimeError, KeyError):
            continue  # a predictor for another type of values
        if right_or_refused(data, shown(values, photometric == "miniswhite")):
            read.append((order, big, tile is not None))
    if kind not in ("u8", "f2", "f8"):  # the rest is read, but for one rare layout
        assert set(read) == set(
            itertools.product("<>", [False, True], [False, True])
        ) - {
            (">", True, False),
            (">", True, True),
        }


@pytest.mark.parametrize("planar", ["contig", "separate"])
@pytest.mark.parametrize("samples", ["LA", "RGB", "RGBA", "CMYK"])
def test_samples_are_read_right_or_refused(samples, planar):
    grey = RAMP.astype(np.uint8)
    colour = np.stack([grey, 255 - grey, grey // 2], -1)
    full = np.full((*grey.shape, 1), 255, np.uint8)
    values, expected, options = {
        "LA": (np.dstack([grey, full]), grey, {"extrasamples": ["unassalpha"]}),
        "RGB": (colour, None, {}),
        "RGBA": (np.dstack([colour, full]), None, {"extrasamples": ["unassalpha"]}),
        "CMYK": (np.dstack([255 - colour, 255 - full]), None, {}),
    }[samples]
    photometric = {"LA": "minisblack", "CMYK": "separated"}.get(samples, "rgb")
    if expected is None:
        expected = np.asarray(Image.fromarray(colour).convert("L"))
    read = []
    for wide, order, compression, tile in itertools.product(
        [False, True], "<>", [None, "lzw", "zlib", "packbits"], [None, (32, 16)]
    ):
        stored = values.astype(np.uint16) * 257 if wide else values
        if planar == "separate":
            stored = np.ascontiguousarray(np.moveaxis(stored, 2, 0))
        data = write(
            stored,
            order=order,
            compression=compression,
            tile=tile,
            planarconfig=planar,
            photometric=photometric,
            **options,
        )
        read.append(right_or_refused(data, expected, tolerance=1))
    assert any(read) or (samples, planar) == ("LA", "separate")


def packed(bits, order, photometric, fill):
    """An uncompressed TIFF of so many bits a sample, and what it shows."""
    top = 2**bits - 1
    values = RAMP.astype(np.int64) * top // 255
    digits = "".join(
        "".join(f"{value:0{bits}b}" for value in row).ljust(-(-52 * bits // 8) * 8, "0")
        for row in values
    )
    data = int(digits, 2).to_bytes(len(digits) // 8, "big")
    if fill == 2:
        data = bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
    if bits == 16 and order == "<":
        data = np.frombuffer(data, "<u2").byteswap().tobytes()
    entries = [(256, 52), (257, 70), (258, bits), (259, 1), (262, photometric)]
    entries += [(266, fill), (273, 8 + 2 + 12 * 10 + 4), (277, 1), (278, 70)]
    entries += [(279, len(data))]
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, 10)
    body = b"".join(struct.pack(order + "HHII", tag, 4, 1, v) for tag, v in entries)
    expected = np.rint(values * 255 / top) if bits > 8 else values * 255 // top
    return head + body + bytes(
        4
    ) + data, 255 - expected if not photometric else expected


@pytest.mark.parametrize("bits", [1, 2, 4, 6, 8, 10, 12, 14, 16])
def test_packed_bits_are_read_right_or_refused(bits):
    for order, photometric, fill in itertools.product("<>", [0, 1], [1, 2]):
        data, expected = packed(bits, order, photometric, fill)
        assert right_or_refused(data, expected, tolerance=bits > 8) or bits > 4


@pytest.mark.parametrize("size", [56, 108, 124])
@pytest.mark.parametrize("top_down", [False, True])
def test_bmp_without_a_value_in_its_alpha_is_opaque(size, top_down):
    grey = RAMP.astype(np.uint8)
    rows = np.dstack([grey, grey, grey, np.zeros_like(grey)])
    height = -70 if top_down else 70
    header = struct.pack("<IiiHHIIiiII", size, 52, height, 1, 32, 3, 0, 0, 0, 0, 0)
    header += struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    header = header.ljust(size, b"\0")
    data = (rows if top_down else rows[::-1]).tobytes()
    start = 14 + len(header)
    file = b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + header + data
    assert np.array_equal(read_radiograph(file).pixels, grey)
