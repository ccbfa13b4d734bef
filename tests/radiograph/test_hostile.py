"""Files that cost more than they weigh: each is read or refused at once, in place."""

import itertools
import random
import resource
import struct
import time
import zlib

import numpy as np
import pytest
from dicom_films import FILM, coded_film, dataset, write
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pydicom import uid
from pydicom.encaps import encapsulate
from specimens import encode

from fracture.radiograph import RadiographError, read_radiograph

ROWS, COLUMNS = np.mgrid[:240, :260]
GREY = ((ROWS + COLUMNS) // 2).astype(np.uint8)
BYTES = (FILM // 16).astype(np.uint8)
SLOWEST = 4  # seconds; each took from ten seconds to for ever
MOST = 2**19  # KiB that a film may add to what this process ever held


def outcome(data):
    """What comes of a file, within bounds: "film" or the reason's code."""
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    try:
        read_radiograph(data)
        answer = "film"
    except RadiographError as error:
        answer = error.code
    assert time.process_time() - start < SLOWEST
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held < MOST
    return answer


# === PNG, JPEG, WebP, BMP ===


def chunk(name, body=b""):
    check = struct.pack(">I", zlib.crc32(name + body))
    return struct.pack(">I", len(body)) + name + body + check


def png(*chunks, times=1, at=33):
    data = encode(GREY, "PNG")
    return data[:at] + b"".join(chunks) * times + data[at:]


def segment(marker, body):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg(inserted=b"", picture=GREY, scans=0, **options):
    """A JPEG with bytes after its start, and its last scan so many times more."""
    data = encode(picture, "JPEG", **options)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:2] + inserted + data[2:-2] + last * scans + data[-2:]


def exif(tags=3000, size=2**19, order="<"):
    """EXIF of so many tags, all of which claim the same bytes."""
    entries = (
        struct.pack(order + "HHII", 30_000 + i, 7, size, 40_000) for i in range(tags)
    )
    head = {"<": b"II*\0", ">": b"MM\0*"}[order] + struct.pack(order + "IH", 8, tags)
    return head + b"".join(entries) + bytes(40_000 + size)


def riff(*chunks):
    data = encode(GREY, "WEBP")[12:] + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(data) + 4) + b"WEBP" + data


def bmp(runs, width=6000):
    header = struct.pack(
        "<IiiHHIIiiII", 40, width, 6000, 1, 8, 1, len(runs), 0, 0, 256, 0
    )
    start = 14 + len(header) + 1024
    head = b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start)
    return head + header + bytes(1024) + runs


BLACK = np.zeros((6000, 6000), np.uint8)
text = zlib.compress(bytes(1_000_000), 9)
PICTURES = {
    "png chunks": lambda: png(chunk(b"abCd"), times=1_000_000),
    "png data": lambda: png(chunk(b"IDAT"), times=1_000_000),
    "png tail": lambda: png(chunk(b"IDAT"), times=1_000_000, at=-12),
    "png frames": lambda: png(chunk(b"fdAT", bytes(4)), times=1_000_000, at=-12),
    "png text": lambda: png(chunk(b"zTXt", b"k\0\0" + text), times=20_000),
    "png profiles": lambda: png(chunk(b"iCCP", b"k\0\0" + text), times=20_000),
    "png exif": lambda: png(chunk(b"eXIf", exif())),
    "png exif text": lambda: png(
        chunk(
            b"zTXt",
            b"Raw profile type exif\0\0"
            + zlib.compress(b"\nexif\n  9\n" + exif(size=2**18).hex().encode()),
        )
    ),
    "png exif headers": lambda: png(chunk(b"eXIf", b"Exif\0\0" * 10**6)),
    "jpeg scans": lambda: jpeg(picture=BLACK, progressive=True, scans=1000),
    "jpeg fewer scans": lambda: jpeg(picture=BLACK, progressive=True, scans=60),
    "jpeg small scans": lambda: jpeg(progressive=True, scans=1000),
    "jpeg junk": lambda: jpeg(segment(0xFE, b"") + bytes(20_000_000)),
    "jpeg fill": lambda: jpeg(b"\xff" * 20_000_000),
    "jpeg stuffing": lambda: jpeg(b"\xff\0" * 10_000_000),
    "jpeg segments": lambda: jpeg(segment(0xFE, b"") * 1_000_000),
    "jpeg tables": lambda: jpeg(segment(0xDB, (b"\0" + b"\1" * 64) * 1000) * 900),
    "jpeg resources": lambda: jpeg(
        segment(0xED, b"Photoshop 3.0\0" + (b"8BIM\4\4\0\0" + bytes(4)) * 5000) * 900
    ),
    "jpeg exif": lambda: jpeg(
        b"".join(
            segment(0xE1, b"Exif\0\0" + exif()[i : i + 60_000])
            for i in range(0, len(exif()), 60_000)
        )
    ),
    "webp chunks": lambda: riff(b"abcd\0\0\0\0" * 2_000_000),
    "webp exif": lambda: riff(b"EXIF" + struct.pack("<I", len(exif())) + exif()),
    "bmp runs": lambda: bmp(b"\1\0" * 10_000_000),
    "bmp skips": lambda: bmp(b"\0\2\xff\xff" * 1000, width=6_000_000),
}


@pytest.mark.parametrize("make", PICTURES.values(), ids=PICTURES)
def test_pictures_of_too_many_parts(make):
    assert outcome(make()) in ("too_many_parts", "too_many_pixels")


@pytest.mark.parametrize("head", [b"VP8X", b"VP8 ", b"VP8L"])
def test_webp_is_refused_by_the_size_of_its_canvas(head):
    body = {
        b"VP8X": bytes(4) + (16382).to_bytes(3, "little") * 2,
        b"VP8 ": bytes(6) + struct.pack("<HH", 16383, 16383),
        b"VP8L": b"/" + struct.pack("<I", 0xFFFFFFF) + bytes(5),
    }[head]
    data = (
        b"RIFF" + struct.pack("<I", 22) + b"WEBP" + head + struct.pack("<I", 10) + body
    )
    assert outcome(data) == "too_many_pixels"


def test_what_honest_pictures_have_is_not_too_much():
    many = Image.Exif()
    for tag in range(0xC000, 0xC032):
        many[tag] = "x" * 900
    parts = chunk(b"tEXt", b"k\0value") * 50
    assert outcome(png(parts)) == "film"
    assert outcome(encode(GREY, "PNG", exif=many)) == "film"
    assert outcome(jpeg(segment(0xE2, bytes(60_000)) * 200, exif=many)) == "film"
    assert outcome(jpeg(picture=np.stack([GREY] * 3, -1), progressive=True)) == "film"
    frames = [Image.fromarray(np.roll(GREY, i)) for i in range(50)]
    for kind in ("PNG", "WEBP", "TIFF"):
        data = encode(GREY, kind, save_all=True, append_images=frames)
        assert outcome(data) == "film"


# === TIFF ===

SHORT, LONG, BYTES8, UNDEFINED = 3, 4, 16, 7


def directory(entries, data, order="<", big=False, link=0):
    """A TIFF of one directory; an offset of None is that of `data`."""
    word, count, number = ("Q", "Q", 20) if big else ("I", "H", 12)
    start = 16 if big else 8
    place = start + struct.calcsize("=" + count + word) + number * len(entries)
    head = {"<": b"II", ">": b"MM"}[order]
    head += struct.pack(
        order + ("HHHQ" if big else "HI"), *((43, 8, 0) if big else (42,)), start
    )
    body = struct.pack(order + count, len(entries))
    for tag, kind, times, value in sorted(entries):
        value = place if value is None else value
        body += struct.pack(order + "HH" + word * 2, tag, kind, times, value)
    return head + body + struct.pack(order + word, link) + data


PAGE = [(256, LONG, 1, 260), (257, LONG, 1, 240), (258, LONG, 1, 8), (262, LONG, 1, 1)]
RAW = [*PAGE, (259, LONG, 1, 1), (273, LONG, 1, None), (279, LONG, 1, GREY.size)]


def claims(count, size, order="<", big=False, kind=UNDEFINED):
    tags = [(30_000 + i, kind, size, None) for i in range(count)]
    return directory([*RAW, *tags], GREY.tobytes() + bytes(size), order, big)


def strips(compression, count, data, height=None):
    """A TIFF whose strips of a row all have the same place."""
    places = struct.pack("<I", 8 + 2 + 12 * 9 + 4 + 8 * count) * count
    sizes = struct.pack("<I", len(data)) * count
    start = 8 + 2 + 12 * 9 + 4
    entries = [(256, LONG, 1, 2000), (257, LONG, 1, height or count), (258, LONG, 1, 8)]
    entries += [(259, LONG, 1, compression), (262, LONG, 1, 1), (277, LONG, 1, 1)]
    entries += [(278, LONG, 1, 1), (273, LONG, count, start)]
    entries += [(279, LONG, count, start + 4 * count)]
    return directory(entries, places + sizes + data)


def pages(count):
    """Directories in a chain, each with the same large tags."""
    first = claims(10, 2**20)
    page = first[8 : 8 + 2 + 12 * 17]
    data = bytearray(first)
    struct.pack_into("<I", data, 8 + len(page), len(data))
    for _ in range(count):
        data += page + struct.pack("<I", len(data) + len(page) + 4)
    return bytes(data)


TIFFS = {
    **{
        f"claims {order}{'big' * big}": lambda order=order, big=big: claims(
            2000, 2**20, order, big
        )
        for order, big in itertools.product("<>", [False, True])
        if (order, big) != (">", True)
    },
    "tags": lambda: claims(30_000, 16),
    "numbers": lambda: claims(1, 3_000_000, kind=SHORT),
    "fractions": lambda: claims(1, 150_000, kind=5),
    "pages": lambda: pages(90),
    "strips": lambda: strips(8, 9000, zlib.compress(random.Random(0).randbytes(2**20))),
    "many strips": lambda: strips(1, 150_000, bytes(2000), height=240),
    "tile": lambda: directory(
        [
            *PAGE,
            (259, LONG, 1, 8),
            (322, LONG, 1, 60_000),
            (323, LONG, 1, 60_000),
            (324, LONG, 1, None),
            (325, LONG, 1, 99),
        ],
        bytes(99),
    ),
    "inner": lambda: directory(
        [*RAW, (0x8769, LONG, 1, 8 + 2 + 12 * 8 + 4 + GREY.size)],
        GREY.tobytes() + exif()[8:],
    ),
}


@pytest.mark.parametrize("make", TIFFS.values(), ids=TIFFS)
def test_tiff_of_too_many_parts(make):
    assert outcome(make()) == "too_many_parts"


def test_directories_in_a_loop_end():
    assert outcome(directory(RAW, GREY.tobytes(), link=8)) == "film"
    assert outcome(directory([*RAW, (0x8769, LONG, 1, 8)], GREY.tobytes())) == "film"


def test_rows_that_fax_data_lack_never_show_what_memory_held():
    bilevel = encode(Image.fromarray(GREY > 100), "TIFF", compression="group4")
    whole = read_radiograph(bilevel).pixels
    assert (whole == np.where(GREY > 100, 255, 0)).all()
    rows = bilevel.index(struct.pack("<HHI", 257, 3, 1)) + 8
    data = bilevel[:rows] + struct.pack("<I", 9000) + bilevel[rows + 4 :]
    data = data.replace(
        struct.pack("<HHII", 278, 3, 1, 240), struct.pack("<HHII", 278, 3, 1, 9000)
    )
    for _ in range(5):
        assert outcome(data) == "truncated_file"
        assert (read_radiograph(bilevel).pixels == whole).all()


def test_pixels_that_a_jpeg_strip_lacks_never_show_what_memory_held():
    whole = encode(Image.fromarray(GREY), "TIFF", compression="jpeg")
    read = read_radiograph(whole).pixels
    columns = whole.index(struct.pack("<HHI", 256, 3, 1)) + 8
    wider = whole[:columns] + struct.pack("<I", 1500) + whole[columns + 4 :]
    for _ in range(5):
        assert outcome(wider) == "truncated_file"
        assert (read_radiograph(whole).pixels == read).all()


# === DICOM ===


def element(group, number, vr, length, value=b"", implicit=False):
    if implicit:
        return struct.pack("<HHI", group, number, length) + value
    if vr in (b"SQ", b"OW", b"UN"):
        return struct.pack("<HH2sHI", group, number, vr, 0, length) + value
    return struct.pack("<HH2sH", group, number, vr, length) + value


ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 0)
OPEN_ITEM = struct.pack("<HHI", 0xFFFE, 0xE000, 2**32 - 1)
END = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)
UNDEFINED_LENGTH = 2**32 - 1


def inserted(elements, syntax=uid.ExplicitVRLittleEndian, before=(0x7FE0, 0x10)):
    data = write(dataset(BYTES), syntax)
    at = data.index(struct.pack("<HH", *before), 300)
    return data[:at] + elements + data[at:]


def deflated(elements):
    plain = write(dataset(BYTES), uid.DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(plain[140:144], "little")
    body = zlib.decompress(plain[start:], -15)
    at = body.index(struct.pack("<HH", 0x7FE0, 0x10))
    packer = zlib.compressobj(9, wbits=-15)
    return (
        plain[:start]
        + packer.compress(body[:at] + elements + body[at:])
        + packer.flush()
    )


def runs(data, shape=(3000, 3000)):
    made = dataset(np.zeros(shape, np.uint8))
    made.PixelData = encapsulate([struct.pack("<16I", 1, 64, *[0] * 14) + data])
    made["PixelData"].VR = "OB"
    return write(made, uid.RLELossless)


def frame(stream, kind="JPEG2000", picture=BYTES, syntax=uid.JPEG2000Lossless):
    made = coded_film(picture, kind)
    made.PixelData = encapsulate([stream])
    return write(made, syntax)


def values(group, number, value):
    data = element(group, number, b"", len(value), value, implicit=True)
    return inserted(data, uid.ImplicitVRLittleEndian)


def nested(depth, group=0x0028, number=0x3010):
    return inserted(
        (element(group, number, b"SQ", UNDEFINED_LENGTH) + OPEN_ITEM) * depth
    )


DICOM = {
    "elements": lambda: inserted(element(0x6001, 1, b"CS", 0) * 3_000_000),
    "implicit elements": lambda: inserted(
        element(9, 1, b"", 0, implicit=True) * 3_000_000, uid.ImplicitVRLittleEndian
    ),
    "deflated elements": lambda: deflated(element(0x6001, 1, b"CS", 0) * 3_000_000),
    "items": lambda: inserted(
        element(0x28, 0x3010, b"SQ", len(ITEM) * 10**6, ITEM * 10**6)
    ),
    "open items": lambda: inserted(
        element(0x28, 0x3010, b"SQ", UNDEFINED_LENGTH, ITEM * 10**6 + END)
    ),
    "other items": lambda: inserted(
        element(0x08, 0x1140, b"SQ", UNDEFINED_LENGTH, ITEM * 10**6 + END)
    ),
    "nesting": lambda: nested(500_000),
    "other nesting": lambda: nested(500_000, 0x0009, 0x1010),
    "character sets": lambda: values(0x08, 0x05, b"\\" * 20_000_000),
    "windows": lambda: values(0x28, 0x1050, b"1\\" * 10_000_000),
    "fragments": lambda: (
        frame(jpeg(picture=BYTES), "JPEG", syntax=uid.JPEGBaseline8Bit)[:-8]
        + ITEM * 2_000_000
        + END
    ),
    "runs": lambda: runs(b"\x81\0" * 9_000_000),
    "empty runs": lambda: runs(b"\x80" * 9_000_000),
    "scans": lambda: frame(
        jpeg(picture=BLACK, progressive=True, scans=1000),
        "JPEG",
        BLACK,
        uid.JPEGBaseline8Bit,
    ),
    "components": lambda: frame(
        encode(BYTES, "JPEG2000", no_jp2=True)[:40] + b"\x3f\xff" + bytes(900)
    ),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("make", DICOM.values(), ids=DICOM)
def test_dicom_of_too_many_parts(make):
    assert outcome(make()) in ("too_many_parts", "corrupt_file")


@pytest.mark.parametrize("length", [0, 1, 2**32 - 12], ids=["end", "long", "back"])
def test_jp2_in_dicom_is_read_whatever_its_boxes_say(length):
    stream = encode(BYTES, "JPEG2000")
    at = stream.index(b"jp2h") - 4
    broken = stream[:at] + struct.pack(">I4sQ", length, b"jp2h", 0) + stream[at + 8 :]
    film = read_radiograph(frame(broken))
    assert np.array_equal(film.pixels, read_radiograph(frame(stream)).pixels)


def test_bits_that_are_not_the_lowest_are_refused():
    assert outcome(write(dataset(FILM << 4, HighBit=15))) == "unsupported_pixels"


# === Anything ===

small = st.integers(0, 2**16 - 1)
large = st.integers(0, 2**32 - 1)
kinds = st.integers(0, 20)
entry = st.tuples(
    st.sampled_from([256, 257, 258, 259, 262, 273, 279, 317, 322, 0x8769]) | small,
    kinds,
    large,
    large,
)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None)
@given(st.lists(entry, max_size=30), st.sampled_from("<>"), st.booleans(), large)
def test_any_directory_is_read_or_refused(entries, order, big, link):
    outcome(
        directory(
            [*entries, *RAW[: len(entries) % 8]], GREY.tobytes(), order, big, link
        )
    )


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([b"IHDR", b"IDAT", b"tRNS", b"PLTE", b"eXIf", b"IEND"])
            | st.binary(min_size=4, max_size=4),
            st.binary(max_size=40),
        ),
        max_size=12,
    )
)
def test_any_chunks_are_read_or_refused(chunks):
    outcome(png(*(chunk(*part) for part in chunks)))
    outcome(b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in chunks))


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0xC0, 0xFE), st.binary(max_size=40)), max_size=12)
)
def test_any_segments_are_read_or_refused(segments):
    parts = b"".join(segment(*part) for part in segments)
    outcome(jpeg(parts))
    outcome(b"\xff\xd8" + parts)
    outcome(frame(b"\xff\xd8" + parts, "JPEG", syntax=uid.JPEGBaseline8Bit))


def test_a_tag_that_is_there_twice_is_refused():
    """Pillow takes the last of the two, libtiff the first."""
    twice = directory([*RAW, (279, LONG, 1, 9)], GREY.tobytes())
    assert outcome(twice) == "unsupported_pixels"


def test_strips_of_more_counts_than_places_are_bounded():
    data = strips(8, 9000, zlib.compress(random.Random(0).randbytes(2**20)))
    at = data.index(struct.pack("<HHI", 273, LONG, 9000))
    data = data[: at + 4] + struct.pack("<I", 8999) + data[at + 8 :]
    assert outcome(data) == "too_many_parts"
