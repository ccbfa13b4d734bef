"""`read_radiograph` on pictures and arrays, through the public surface only."""

import concurrent.futures
import io
import pickle
import random
import struct
import time
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps
from specimens import encode

from fracture.radiograph import Radiograph, RadiographError, read_radiograph

ROWS, COLUMNS = np.mgrid[:240, :260]
GREY = ((ROWS + COLUMNS) // 2).astype(np.uint8)  # 0..249, not symmetric
RAMP = np.tile(np.arange(256), (240, 1))  # stretched to 16 bits below


def png(depth, colour_type, rows, *chunks):
    """A PNG of any kind; `rows` is (H, W, C) of big-endian samples, or packed bytes."""

    def chunk(name, data):
        crc = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    height, width = rows.shape[:2]
    width = width * 8 if depth == 1 else width
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    packed = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    body = [(b"IHDR", header), *chunks, (b"IDAT", packed), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in body)


def tiff(values, order, photometric=1):
    """An uncompressed one-strip TIFF of any sample type, in either byte order."""
    sample_format = {"u": 1, "i": 2, "f": 3}[values.dtype.kind]
    data = values.astype(values.dtype.newbyteorder(order)).tobytes()
    height, width = values.shape
    bits = 8 * values.dtype.itemsize
    entries = [(256, width), (257, height), (258, bits), (259, 1), (262, photometric)]
    entries += [(273, 8 + 2 + 12 * 10 + 4), (277, 1), (278, height)]
    entries += [(279, len(data)), (339, sample_format)]
    out = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, 10)
    for tag, value in entries:
        short = tag in (258, 259, 262, 277, 339)
        packed = struct.pack(order + ("HH" if short else "I"), *(value, 0)[: 1 + short])
        out += struct.pack(order + "HHI", tag, 3 if short else 4, 1) + packed
    return out + bytes(4) + data


def codes(film):
    return {notice.code for notice in film.warnings}


def code_of(source, **limits):
    with pytest.raises(RadiographError) as caught:
        read_radiograph(source, **limits)
    error = caught.value
    assert str(error) == error.message and error.message.endswith(".")
    assert error.to_dict() == {"code": error.code, "message": error.message}
    return error.code


# === What goes in ===


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("TIFF", {"compression": "packbits"}),
        ("TIFF", {"big_tiff": True}),
        ("BMP", {}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_eight_bits_stay_as_they_are(kind, options):
    film = read_radiograph(encode(GREY, kind, **options))
    assert np.array_equal(film.pixels, GREY)
    assert film.warnings == ()
    expected = {"format": kind, "width": 260, "height": 240, "bits": 8, "frames": 1}
    assert expected.items() <= film.metadata.items()


@pytest.mark.parametrize(
    "make",
    [
        lambda path: str(path),
        lambda path: path,
        lambda path: path.read_bytes(),
        lambda path: bytearray(path.read_bytes()),
        lambda path: memoryview(path.read_bytes()),
        lambda path: io.BytesIO(path.read_bytes()),
        lambda path: path.open("rb"),
        lambda path: path.open("rb", buffering=0),
        lambda path: Image.open(path),
        lambda path: np.asarray(Image.open(path)),
        lambda path: GREY[:, :, None],
        lambda path: read_radiograph(path),
    ],
)
def test_every_source_gives_the_same_film(make, tmp_path):
    path = tmp_path / "doe_john.jpg"  # a PNG: the name has no say
    path.write_bytes(encode(GREY, "PNG"))
    film = read_radiograph(make(path))
    assert np.array_equal(film.pixels, GREY)
    assert "doe" not in repr(film.metadata)


def test_result_is_read_only_and_no_view_of_the_source():
    source = GREY.copy()
    film = read_radiograph(source)
    source[:] = 0
    assert np.array_equal(film.pixels, GREY)
    with pytest.raises(ValueError):
        film.pixels[0, 0] = 1
    assert read_radiograph(film) is film


def test_film_and_error_pickle():
    film = pickle.loads(pickle.dumps(read_radiograph(GREY)))
    assert isinstance(film, Radiograph) and np.array_equal(film.pixels, GREY)
    error = pickle.loads(pickle.dumps(RadiographError("code", "Sentence.")))
    assert (error.code, str(error)) == ("code", "Sentence.")


# === Depth ===


@pytest.mark.parametrize("top", [65535, 4095, 1000], ids=["full", "twelve", "narrow"])
@pytest.mark.parametrize(
    "kind", ["png", "tiff<", "tiff>", "lzw", "mode_I;16B", "array"]
)
def test_sixteen_bits_use_the_whole_range(kind, top):
    values = np.rint(RAMP / 255 * top).astype(np.uint16)
    source = {
        "png": lambda: png(16, 0, values.astype(">u2")),
        "tiff<": lambda: tiff(values, "<"),
        "tiff>": lambda: tiff(values, ">"),
        "lzw": lambda: encode(values, "TIFF", compression="tiff_lzw"),
        "mode_I;16B": lambda: Image.frombytes(
            "I;16B", values.shape[::-1], values.astype(">u2").tobytes()
        ),
        "array": lambda: values,
    }[kind]()
    film = read_radiograph(source)
    assert np.array_equal(film.pixels, RAMP)
    assert film.metadata["bits"] == 16


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "u4", "f4"])
def test_signed_wide_and_float_tiff(dtype, order):
    lowest = {"i1": -128, "u4": 3e9, "f4": -0.5}.get(dtype, -3000)
    step = {"f4": 1 / 256, "i1": 1}.get(dtype, 100)
    values = (RAMP * step + lowest).astype(dtype)
    assert np.array_equal(read_radiograph(tiff(values, order)).pixels, RAMP)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("dtype", ["u1", "u2", "i4", "u4", "f4"])
def test_white_is_zero_tiff_equals_its_twin(dtype, order):
    noise = np.random.default_rng(0).integers(0, 256, (64, 70)).astype(dtype)
    inverted = (255 - noise.astype(np.int64)).astype(dtype)
    film = read_radiograph(tiff(inverted, order, photometric=0))
    twin = read_radiograph(tiff(noise, order, photometric=1))
    assert np.array_equal(film.pixels, twin.pixels)
    assert film.metadata["photometric"] == "MONOCHROME1"


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
@pytest.mark.parametrize("compression", [{}, {"compression": "group4"}])
def test_one_bit_is_black_and_white(kind, compression):
    bilevel = Image.fromarray(GREY > 100)
    film = read_radiograph(
        encode(bilevel, kind, **(compression if kind == "TIFF" else {}))
    )
    assert np.array_equal(film.pixels, np.where(GREY > 100, 255, 0))


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "group4", "jpeg"])
def test_white_is_zero_tiff_as_pillow_writes_it(compression):
    picture = Image.fromarray(GREY > 100 if compression == "group4" else GREY)
    options = {"compression": compression}
    options |= {"quality": 100} if compression == "jpeg" else {}
    stored = encode(picture, "TIFF", tiffinfo={262: 0}, **options)
    twin = encode(picture, "TIFF", tiffinfo={262: 1}, **options)
    film, expected = read_radiograph(stored), read_radiograph(twin)
    assert np.abs(film.pixels.astype(int) - expected.pixels).max() <= 1
    assert film.metadata["photometric"] == "MONOCHROME1"


def test_packed_one_bit_png():
    rows = np.full((64, 8), 0b10100000, np.uint8)
    film = read_radiograph(png(1, 0, rows))
    assert film.pixels.shape == (64, 64)
    assert film.pixels[0, :4].tolist() == [255, 0, 255, 0]
    assert film.metadata["bits"] == 1


# === Alpha and colour ===


def test_alpha_is_laid_on_black():
    alpha = np.where(COLUMNS < 130, 255, 0).astype(np.uint8)
    expected = np.where(COLUMNS < 130, GREY, 0)
    grey, mask = Image.fromarray(GREY), Image.fromarray(alpha)
    with_alpha = [Image.merge("LA", (grey, mask))]
    with_alpha += [Image.merge("RGBA", (grey, grey, grey, mask))]
    for picture in with_alpha:
        for source in (encode(picture, "PNG"), picture, np.asarray(picture)):
            if isinstance(source, np.ndarray) and source.shape[2] == 2:
                continue
            assert np.array_equal(read_radiograph(source).pixels, expected)


def test_half_transparency_halves():
    pixels = np.full((64, 64, 4), 200, np.uint8)
    pixels[..., 3] = 51
    assert (read_radiograph(encode(pixels, "PNG")).pixels == 40).all()


@pytest.mark.parametrize(
    ("depth", "colour_type", "hidden", "chunks"),
    [
        (8, 0, 100, [(b"tRNS", struct.pack(">H", 100))]),
        (16, 0, 0, [(b"tRNS", struct.pack(">H", 0))]),
        (
            8,
            3,
            100,
            [
                (b"PLTE", bytes(np.repeat(np.arange(256), 3).tolist())),
                (b"tRNS", b"\xff" * 100 + b"\0"),
            ],
        ),
    ],
    ids=["grey key", "16-bit key", "palette"],
)
def test_png_transparency_chunk(depth, colour_type, hidden, chunks):
    values = RAMP * 257 if depth == 16 else RAMP
    rows = values.astype({8: "u1", 16: ">u2"}[depth])
    film = read_radiograph(png(depth, colour_type, rows, *chunks))
    assert np.array_equal(film.pixels, np.where(hidden == RAMP, 0, RAMP))


def test_sixteen_bit_grey_with_alpha_loses_nothing():
    values = np.stack([RAMP * 16, np.full_like(RAMP, 65535)], -1)
    values[:, -1, 1] = 0  # the white end is hidden: 254 becomes the brightest
    film = read_radiograph(png(16, 4, values.astype(">u2")))
    expected = np.append(np.floor(np.arange(255) * 255 / 254 + 0.5), 0)
    assert np.array_equal(film.pixels[0], expected)
    assert film.metadata["bits"] == 16 and not film.warnings


@pytest.mark.parametrize("colour_type", [2, 6])
def test_sixteen_bit_colour_is_reduced_and_says_so(colour_type):
    channels = {2: 3, 6: 4}[colour_type]
    values = np.repeat(RAMP[..., None] * 257, channels, 2)
    values[..., 3:] = 65535
    film = read_radiograph(png(16, colour_type, values.astype(">u2")))
    assert np.array_equal(film.pixels, RAMP)
    assert codes(film) == {"reduced_depth"}


def test_colour_is_reduced_to_luma_and_says_so():
    red = np.zeros((240, 240, 3), np.uint8)
    red[:, :120, 0] = 255
    film = read_radiograph(encode(red, "PNG"))
    assert film.pixels[0, 0] == 76 and film.pixels[0, 200] == 0
    assert codes(film) == {"colour"}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF"])
def test_grey_stored_as_colour_is_no_colour(kind):
    noise = np.random.default_rng(0).integers(0, 256, GREY.shape).astype(np.uint8)
    film = read_radiograph(encode(np.stack([noise] * 3, -1), kind))
    assert not film.warnings


@pytest.mark.parametrize("adobe", [True, False])
def test_cmyk_jpeg_with_and_without_adobe_inversion(adobe):
    none = Image.new("L", GREY.shape[::-1])
    inks = Image.merge("CMYK", [none, none, none, Image.fromarray(255 - GREY)])
    stored = inks if adobe else Image.eval(inks, lambda ink: 255 - ink)
    data = encode(stored, "JPEG", quality=100)  # Pillow stores inks inverted
    if not adobe:
        marker = data.index(b"\xff\xee")
        data = data[:marker] + data[marker + 2 + data[marker + 3] :]
    film = read_radiograph(data)
    assert np.abs(film.pixels.astype(int) - GREY).max() <= 4


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "TIFF16", "LZW"])
def test_exif_orientation_is_applied(kind, turn):
    picture = Image.fromarray(GREY.astype(np.uint16) * 9 if kind == "TIFF16" else GREY)
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {
        "JPEG": {"quality": 100},
        "WEBP": {"lossless": True},
        "LZW": {"compression": "tiff_lzw"},
    }.get(kind, {})
    data = encode(
        picture, kind.replace("16", "").replace("LZW", "TIFF"), exif=exif, **options
    )
    turned = Image.fromarray(GREY)
    turned.getexif()[0x0112] = turn
    expected = np.asarray(ImageOps.exif_transpose(turned)).astype(float)
    film = read_radiograph(data)
    assert film.pixels.shape == expected.shape
    assert film.metadata["width"] == expected.shape[1]
    scale = expected.max() / film.pixels.max() if kind == "TIFF16" else 1
    assert np.abs(film.pixels * scale - expected).max() <= 2


# === Warnings ===


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "WEBP"])
def test_first_of_several_frames(kind):
    others = [Image.fromarray(GREY // 2), Image.fromarray(GREY // 3)]
    lossless = {"lossless": True} if kind == "WEBP" else {}
    data = encode(GREY, kind, save_all=True, append_images=others, **lossless)
    film = read_radiograph(data)
    assert np.array_equal(film.pixels, GREY)
    assert codes(film) == {"multiple_frames"} and film.metadata["frames"] == 3


def test_blank_and_small_films_are_marked():
    assert codes(read_radiograph(np.full((240, 240), 9, np.uint8))) == {"blank"}
    assert codes(read_radiograph(np.full((240, 240), 9.5))) == {"blank"}
    assert codes(read_radiograph(GREY[:223])) == {"low_resolution"}
    assert codes(read_radiograph(GREY[:224])) == set()


# === Limits ===


def test_bomb_is_refused_from_its_header():
    bomb = png(1, 0, np.zeros((10000, 1250), np.uint8))
    assert len(bomb) < 13_000
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert code_of(bomb) == "too_many_pixels"
    assert time.perf_counter() - start < 0.5


def test_pixel_cap_is_inclusive():
    assert read_radiograph(GREY, max_pixels=GREY.size).pixels.shape == GREY.shape
    for source in (GREY, encode(GREY, "PNG"), Image.fromarray(GREY)):
        assert code_of(source, max_pixels=GREY.size - 1) == "too_many_pixels"


def test_byte_cap_stops_the_reading(tmp_path):
    class Endless(io.RawIOBase):
        served = 0

        def read(self, size=-1):
            self.served += size
            return bytes(size)

    stream = Endless()
    assert code_of(stream, max_bytes=1000) == "too_many_bytes"
    assert stream.served == 1001
    path = tmp_path / "film.png"
    path.write_bytes(encode(GREY, "PNG"))
    size = path.stat().st_size
    for source in (path, path.read_bytes()):
        assert code_of(source, max_bytes=size - 1) == "too_many_bytes"
        assert read_radiograph(source, max_bytes=size)


def test_endless_chain_of_tiff_pages_ends():
    data = bytearray(tiff(GREY, "<"))
    page = bytes(data[8:134])
    for _ in range(20_000):
        data += page[:-4] + struct.pack("<I", len(data) + len(page))
    struct.pack_into("<I", data, 130, len(tiff(GREY, "<")))
    start = time.perf_counter()
    film = read_radiograph(bytes(data))
    assert time.perf_counter() - start < 1
    assert np.array_equal(film.pixels, GREY) and "multiple_frames" in codes(film)


# === Refusals ===

FILE = encode(GREY, "PNG")
IDAT = FILE.index(b"IDAT")
REFUSED = {
    "empty": (b"", "empty_file"),
    "text": (b"name,finding\n1,normal\n" * 20, "unsupported_format"),
    "bmp text": (b"BMI is a number.\n" * 20, "unsupported_format"),
    "random": (random.Random(1).randbytes(5000), "unsupported_format"),
    "zeros": (bytes(5000), "unsupported_format"),
    "svg": (b'<?xml version="1.0"?>\n<svg width="9"/>', "unsupported_format"),
    "html": (b"<!DOCTYPE html><html></html>", "unsupported_format"),
    "pdf": (b"%PDF-1.7\n" + bytes(99), "unsupported_format"),
    "zip": (b"PK\x03\x04" + bytes(99), "unsupported_format"),
    "gif": (encode(GREY, "GIF"), "unsupported_format"),
    "signature": (FILE[:8], "truncated_file"),
    "cut png": (FILE[:-50], "truncated_file"),
    "no iend": (FILE[:-12], "truncated_file"),
    "cut jpeg": (encode(GREY, "JPEG")[:-600], "truncated_file"),
    "cut tiff": (tiff(GREY, "<")[:-50], "truncated_file"),
    "cut lzw": (encode(GREY, "TIFF", compression="tiff_lzw")[:900], "truncated_file"),
    "cut webp": (encode(GREY, "WEBP")[:-50], "truncated_file"),
    "cut bmp": (encode(GREY, "BMP")[:-50], "truncated_file"),
    "no page": (b"II*\0" + bytes(60), "no_pixels"),
    "no page big": (b"MM\0*" + bytes(60), "no_pixels"),
    "page beyond": (b"II*\0" + struct.pack("<I", 9999), "truncated_file"),
    "bad crc": (FILE[: IDAT + 50] + b"!?" + FILE[IDAT + 52 :], "corrupt_file"),
    "float64 tiff": (tiff(RAMP / 7, "<"), "unsupported_pixels"),
    "nan tiff": (tiff(np.full((64, 64), np.nan, "f4"), "<"), "non_finite_pixels"),
    "speck": (encode(GREY[:31], "PNG"), "too_small"),
}


@pytest.mark.parametrize(("data", "code"), REFUSED.values(), ids=REFUSED)
def test_refusals(data, code, tmp_path):
    path = tmp_path / "film.png"
    path.write_bytes(data)
    start = time.perf_counter()
    assert code_of(path) == code
    assert time.perf_counter() - start < 2
    assert code_of(io.BytesIO(data)) == code


def test_svg_is_told_to_be_a_drawing():
    with pytest.raises(RadiographError, match="vector drawing"):
        read_radiograph(REFUSED["svg"][0])


def test_paths_that_lead_nowhere(tmp_path):
    with pytest.raises(RadiographError, match=r"'film\.png'") as caught:
        read_radiograph(tmp_path / "film.png")
    assert caught.value.code == "file_not_found"
    assert str(tmp_path) not in str(caught.value)
    assert code_of("no\0such") == "file_not_found"
    assert code_of(tmp_path) == "not_a_file"


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (None, "unsupported_source"),
        (3, "unsupported_source"),
        ([[1, 2], [3, 4]], "unsupported_source"),
        (io.StringIO("text"), "unreadable_file"),
    ],
)
def test_sources_that_are_none(source, code):
    assert code_of(source) == code


def test_closed_file_and_cut_picture(tmp_path):
    stream = io.BytesIO(FILE)
    stream.close()
    assert code_of(stream) == "unreadable_file"
    assert code_of(Image.open(io.BytesIO(FILE[:-50]))) == "truncated_file"


# === Arrays ===


@pytest.mark.parametrize(
    "dtype",
    ["u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8", ">u2", ">f4"],
)
@pytest.mark.parametrize("channels", [None, 1, 3, 4])
def test_arrays_of_every_type(dtype, channels):
    dtype = np.dtype(dtype)
    values = RAMP // 2 if dtype == np.int8 else RAMP
    if channels:
        values = np.repeat(values[..., None], channels, 2)
    values = values.astype(dtype)
    if channels == 4:
        values[..., 3] = 1 if dtype.kind == "f" else np.iinfo(dtype).max
    film = read_radiograph(values)
    expected = RAMP
    if dtype == np.int8:
        expected = np.floor(RAMP // 2 * (255 / 127) + 0.5)
    assert np.array_equal(film.pixels, expected)
    assert film.metadata["format"] == "array"


def test_boolean_and_strided_arrays():
    assert np.array_equal(read_radiograph(GREY > 9).pixels, np.where(GREY > 9, 255, 0))
    assert np.array_equal(read_radiograph(GREY[::-2, ::3]).pixels, GREY[::-2, ::3])


@pytest.mark.parametrize(
    ("array", "code"),
    [
        (np.zeros(64), "unsupported_array"),
        (np.zeros((64, 64, 2)), "unsupported_array"),
        (np.zeros((2, 64, 64, 3)), "unsupported_array"),
        (np.zeros((64, 64), complex), "unsupported_array"),
        (np.zeros((64, 64), object), "unsupported_array"),
        (np.zeros((64, 64), "U1"), "unsupported_array"),
        (np.zeros((0, 0)), "too_small"),
        (np.full((64, 64), np.inf), "non_finite_pixels"),
        (np.where(np.eye(64), np.nan, 1), "non_finite_pixels"),
        (np.where(np.eye(64), -1.7e308, 1.7e308), "non_finite_pixels"),
    ],
)
def test_arrays_that_are_no_film(array, code):
    assert code_of(array) == code


# === Together ===


def test_threads_share_nothing():
    before = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    sources = [encode(GREY, kind) for kind in ("PNG", "TIFF", "BMP")] * 20
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        films = list(pool.map(read_radiograph, sources))
    assert all(np.array_equal(film.pixels, GREY) for film in films)
    assert before == (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES)


WHOLE = {
    "png": encode(GREY[:64, :48], "PNG"),
    "png 1": encode(Image.fromarray(GREY[:64, :48] > 50), "PNG"),
    "png 16": encode(GREY[:64, :48].astype(np.uint16) * 99, "PNG"),
    "png alpha": encode(Image.fromarray(GREY[:64, :48]).convert("LA"), "PNG"),
    "palette": encode(Image.fromarray(GREY[:64, :48]).convert("P"), "PNG"),
    "jpeg": encode(GREY[:64, :48], "JPEG"),
    "cmyk": encode(Image.fromarray(GREY[:64, :48]).convert("CMYK"), "JPEG"),
    "tiff": tiff(GREY[:64, :48], ">"),
    "tiff 16": tiff(GREY[:64, :48].astype(np.uint16), "<", photometric=0),
    "tiff lzw": encode(GREY[:64, :48], "TIFF", compression="tiff_lzw"),
    "tiff pages": encode(
        GREY[:64, :48],
        "TIFF",
        save_all=True,
        append_images=[Image.fromarray(GREY[:64, :48])] * 2,
    ),
    "webp": encode(GREY[:64, :48], "WEBP"),
    "bmp": encode(GREY[:64, :48], "BMP"),
}


@pytest.mark.filterwarnings("ignore")  # Pillow remarks on what we broke
@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_damage_gives_a_film_or_a_reason(data):
    chance = random.Random(len(data))
    broken = [data[: chance.randrange(len(data))] for _ in range(50)]
    for _ in range(50):
        flipped = bytearray(data)
        for _ in range(chance.randint(1, 6)):
            flipped[chance.randrange(len(data))] = chance.randrange(256)
        broken.append(bytes(flipped))
    for damaged in broken:
        try:
            film = read_radiograph(damaged)
        except RadiographError as error:
            assert error.code and error.message
        else:
            assert film.pixels.ndim == 2 and film.pixels.dtype == np.uint8
