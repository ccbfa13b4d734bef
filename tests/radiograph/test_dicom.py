"""`read_radiograph` on DICOM: PS3.4 N.2 step by step, syntaxes, refusals, privacy."""

import io
import random
import struct
import sys
import time
import zlib

import numpy as np
import pytest
from dicom_films import FILM, SECRETS, coded_film, dataset, write
from PIL import Image
from pydicom import uid
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate

from fracture.radiograph import RadiographError, read_radiograph


def film(pixels=FILM, syntax=uid.ExplicitVRLittleEndian, **elements):
    return read_radiograph(write(dataset(pixels, **elements), syntax))


def stretched(values):
    values = values.astype(float)
    span = values.max() - values.min()
    return np.floor((values - values.min()) * 255 / span + 0.5)


def lut(entries, first, bits):
    item = Dataset()
    item.LUTDescriptor = [len(entries) % 65536, first, bits]
    item.LUTData = np.asarray(entries, "<u2").tobytes()
    item["LUTData"].VR = "OW"
    item["LUTDescriptor"].VR = "US"
    return [item]


def codes(read):
    return {notice.code for notice in read.warnings}


def code_of(data, **limits):
    with pytest.raises(RadiographError) as caught:
        read_radiograph(data, **limits)
    assert not any(secret in str(caught.value) for secret in SECRETS)
    return caught.value.code


# === What the standard shows ===


def test_without_window_the_range_is_shown():
    read = film()
    assert np.array_equal(read.pixels, stretched(FILM))
    assert read.warnings == ()
    assert read.metadata == {
        "format": "DICOM",
        "bits": 12,
        "frames": 1,
        "photometric": "MONOCHROME2",
        "modality": "DX",
        "body_part": "HAND",
        "width": 256,
        "height": 240,
    }


def shown(x, function, c, w):
    """PS3.3 C.11.2.1.2 and C.11.2.1.3, word for word, to 0..255."""
    if function == "LINEAR":
        if x <= c - 0.5 - (w - 1) / 2:
            return 0
        if x > c - 0.5 + (w - 1) / 2:
            return 255
        return ((x - (c - 0.5)) / (w - 1) + 0.5) * 255
    if function == "LINEAR_EXACT":
        if x <= c - w / 2:
            return 0
        if x > c + w / 2:
            return 255
        return ((x - c) / w + 0.5) * 255
    return 255 / (1 + np.exp(min(-4 * (x - c) / w, 700)))


@pytest.mark.parametrize("slope", [1, 0.5])
@pytest.mark.parametrize("window", [(2000, 1000), (100, 5000), (1500.5, 1)])
@pytest.mark.parametrize("function", [None, "LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_window_after_rescale(function, window, slope):
    center, width = window
    elements = {"RescaleSlope": slope, "RescaleIntercept": -10}
    if function:
        elements["VOILUTFunction"] = function
    read = film(WindowCenter=[center, 7], WindowWidth=[width, 9], **elements)
    values = FILM[0] * float(slope) - 10
    line = np.array([shown(x, function or "LINEAR", *window) for x in values])
    assert np.abs(read.pixels[0] - line).max() <= 0.5 + 1e-9


@pytest.mark.parametrize(("center", "width"), [(9, 0), (9, -4), ("", 5), (5, "")])
def test_invalid_window_is_passed_over(center, width):
    read = film(WindowCenter=center, WindowWidth=width)
    assert np.array_equal(read.pixels, stretched(FILM))
    assert codes(read) == {"invalid_window"}


@pytest.mark.parametrize(("bits", "top"), [(8, 255), (12, 4095), (16, 4095)])
def test_voi_lut_comes_before_the_window(bits, top):
    table = np.linspace(0, top, 4096).round()[::-1]
    read = film(
        VOILUTSequence=lut(table, 0, bits),
        WindowCenter=1,
        WindowWidth=1,
    )
    assert np.array_equal(read.pixels, np.floor(table[FILM] * 255 / top + 0.5))


def test_packed_eight_bit_voi_lut_and_its_ends():
    made = dataset(FILM, VOILUTSequence=lut(range(256), 1000, 8))
    made.VOILUTSequence[0].LUTData = bytes(range(256))
    read = read_radiograph(write(made))
    expected = np.clip(FILM.astype(int) - 1000, 0, 255)
    assert np.array_equal(read.pixels, expected)


def test_modality_lut_comes_first():
    table = (np.arange(4096) // 2)[::-1]
    read = film(
        ModalityLUTSequence=lut(table, 0, 16), WindowCenter=1024, WindowWidth=2048
    )
    assert np.array_equal(
        read.pixels, np.floor(np.clip(table[FILM], 0, 2047) * 255 / 2047 + 0.5)
    )


# A MONOCHROME1 film of 4095 - x has the window centre 4096 - c, by C.11.2.1.2.1.
TWINS = {
    "range": ({}, {}),
    "window": (
        {"WindowCenter": 2000, "WindowWidth": 1001},
        {"WindowCenter": 4096 - 2000, "WindowWidth": 1001},
    ),
    "exact": (
        {"WindowCenter": 2000, "WindowWidth": 1001, "VOILUTFunction": "LINEAR_EXACT"},
        {"WindowCenter": 2095, "WindowWidth": 1001, "VOILUTFunction": "LINEAR_EXACT"},
    ),
    "sigmoid": (
        {"WindowCenter": 2000, "WindowWidth": 1001, "VOILUTFunction": "SIGMOID"},
        {"WindowCenter": 2095, "WindowWidth": 1001, "VOILUTFunction": "SIGMOID"},
    ),
    "lut": (
        {"VOILUTSequence": lut(np.arange(4096), 0, 12)},
        {"VOILUTSequence": lut(np.arange(4096), 0, 12)},
    ),
}


@pytest.mark.parametrize("inversion", ["MONOCHROME1", "INVERSE", "both"])
@pytest.mark.parametrize(("twin", "inverted"), TWINS.values(), ids=TWINS)
def test_inverted_film_equals_its_twin(twin, inverted, inversion):
    elements = dict(inverted)
    if inversion != "INVERSE":
        elements["PhotometricInterpretation"] = "MONOCHROME1"
    if inversion != "MONOCHROME1":
        elements["PresentationLUTShape"] = "INVERSE"
    read = film(4095 - FILM, **elements)
    assert np.array_equal(read.pixels, film(**twin).pixels)
    assert not read.warnings


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("limit", [{}, {"PixelPaddingRangeLimit": 4095}])
def test_padding_is_black_and_does_not_set_the_range(photometric, limit):
    values = FILM // 8 + 1000
    values[:, :20] = 4090
    made = {"PhotometricInterpretation": photometric, "PixelPaddingValue": 4090}
    read = film(values, **made, **limit)
    inside = stretched(values[:, 20:])
    if photometric == "MONOCHROME1":
        inside = stretched(-values[:, 20:].astype(int))
    assert np.array_equal(read.pixels[:, 20:], inside)
    assert not read.pixels[:, :20].any()


def test_signed_pixels_and_padding_declared_unsigned():
    values = FILM.astype(np.int16) - 2000
    values[0] = -2048
    made = dataset(values, PixelPaddingValue=-2048)
    made.BitsStored, made.HighBit = 16, 15
    data = write(made).replace(b"\x28\0\x20\x01SS", b"\x28\0\x20\x01US")
    read = read_radiograph(data)
    assert np.array_equal(read.pixels[1:], stretched(values[1:]))
    assert not read.pixels[0].any()


def test_unused_high_bits_are_no_pixels():
    assert np.array_equal(film(FILM | 0xA000).pixels, film().pixels)


def test_all_padding_is_blank():
    read = film(np.full_like(FILM, 7), PixelPaddingValue=7)
    assert codes(read) == {"blank"} and not read.pixels.any()


# === How it is stored ===


def transcode(made, syntax, tmp_path):
    gdcm = pytest.importorskip("gdcm")
    native, coded = str(tmp_path / "native.dcm"), str(tmp_path / "coded.dcm")
    with open(native, "wb") as stream:
        stream.write(write(made))
    reader = gdcm.ImageReader()
    reader.SetFileName(native)
    assert reader.Read()
    change = gdcm.ImageChangeTransferSyntax()
    change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(syntax)))
    change.SetInput(reader.GetImage())
    assert change.Change()
    writer = gdcm.ImageWriter()
    writer.SetFileName(coded)
    writer.SetFile(reader.GetFile())
    writer.SetImage(change.GetOutput())
    assert writer.Write()
    with open(coded, "rb") as stream:
        return stream.read()


@pytest.mark.parametrize(
    "syntax",
    [
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.DeflatedExplicitVRLittleEndian,
    ],
)
@pytest.mark.parametrize("signed", [False, True])
def test_native_syntaxes(syntax, signed):
    values = FILM.astype(np.int16) - 2000 if signed else FILM
    assert np.array_equal(film(values, syntax).pixels, stretched(FILM))


def test_big_endian_with_its_look_up_table():
    table = np.arange(4096)[::-1]
    made = dataset(FILM.byteswap(), VOILUTSequence=lut(table, 0, 12))
    made.VOILUTSequence[0].LUTData = table.astype(">u2").tobytes()
    read = read_radiograph(write(made, uid.ExplicitVRBigEndian))
    assert np.array_equal(read.pixels, np.floor(table[FILM] * 255 / 4095 + 0.5))


@pytest.mark.parametrize(
    "syntax",
    [uid.JPEGLossless, uid.JPEGLosslessSV1, uid.JPEGLSLossless, uid.JPEG2000Lossless],
    ids=lambda syntax: syntax.name,
)
def test_lossless_syntaxes(syntax, tmp_path):
    read = read_radiograph(transcode(dataset(FILM), syntax, tmp_path))
    assert np.array_equal(read.pixels, stretched(FILM))


def test_rle():
    made = dataset(FILM)
    made.compress(uid.RLELossless)
    read = read_radiograph(write(made, uid.RLELossless))
    assert np.array_equal(read.pixels, stretched(FILM))


@pytest.mark.parametrize(
    ("kind", "syntax"),
    [("JPEG", uid.JPEGBaseline8Bit), ("JPEG2000", uid.JPEG2000Lossless)],
)
def test_pillow_decodes_jpeg_and_jpeg_2000(kind, syntax):
    values = (FILM // 16).astype(np.uint8)
    read = read_radiograph(write(coded_film(values, kind), syntax))
    assert np.abs(read.pixels - stretched(values)).max() <= 4


@pytest.mark.parametrize("photometric", ["RGB", "YBR_FULL"])
def test_colour_is_reduced_to_luma(photometric):
    colour = np.zeros((240, 256, 3), np.uint8)
    colour[..., 0] = 200
    stored = colour
    if photometric == "YBR_FULL":
        stored = np.array(Image.fromarray(colour).convert("YCbCr"))
    read = film(stored, PhotometricInterpretation=photometric)
    assert np.abs(read.pixels.astype(int) - 60).max() <= 1
    assert codes(read) == {"colour", "blank"}


def test_grey_rgb_is_as_stored():
    grey = (FILM // 16).astype(np.uint8)
    read = film(np.stack([grey] * 3, -1))
    assert np.array_equal(read.pixels, grey) and not read.warnings


def test_first_of_several_frames():
    made = dataset(FILM, NumberOfFrames=2)
    made.PixelData = FILM.tobytes() + (FILM // 3).tobytes()
    read = read_radiograph(write(made))
    assert np.array_equal(read.pixels, stretched(FILM))
    assert codes(read) == {"multiple_frames"} and read.metadata["frames"] == 2


@pytest.mark.parametrize(
    "syntax",
    [
        uid.ImplicitVRLittleEndian,
        uid.ExplicitVRLittleEndian,
        uid.ExplicitVRBigEndian,
    ],
)
def test_without_preamble(syntax):
    stored = FILM.byteswap() if syntax == uid.ExplicitVRBigEndian else FILM
    read = read_radiograph(write(dataset(stored), syntax, file_format=False))
    assert np.array_equal(read.pixels, stretched(FILM))


# === Warnings ===


@pytest.mark.parametrize(
    ("elements", "code"),
    [
        ({"Modality": ""}, "modality_missing"),
        ({"BurnedInAnnotation": "YES"}, "burned_in_annotation"),
        ({"PresentationIntentType": "FOR PROCESSING"}, "for_processing"),
    ],
)
def test_what_a_reader_should_know(elements, code):
    assert codes(film(**elements)) == {code}
    assert not codes(
        film(BurnedInAnnotation="NO", PresentationIntentType="FOR PRESENTATION")
    )


def test_absent_modality():
    made = dataset(FILM)
    del made.Modality
    read = read_radiograph(write(made))
    assert codes(read) == {"modality_missing"} and "modality" not in read.metadata


# === Refusals ===


@pytest.mark.parametrize("modality", ["CT", "MR", "US", "OT", "doe^jane"])
def test_other_modalities(modality):
    assert code_of(write(dataset(FILM, Modality=modality))) == "dicom_modality"


def without(*keywords):
    made = dataset(FILM)
    for keyword in keywords:
        delattr(made, keyword)
    return made


def deflated_bomb():
    plain = write(dataset(FILM), uid.DeflatedExplicitVRLittleEndian)
    start = 144 + int.from_bytes(plain[140:144], "little")
    packer = zlib.compressobj(9, wbits=-15)
    zeros = bytes(2**20)
    return plain[:start] + b"".join(packer.compress(zeros) for _ in range(99))


NATIVE = write(dataset(FILM))
REFUSED = {
    "no pixels": lambda: (write(without("PixelData")), "no_pixels"),
    "no size": lambda: (write(without("Rows")), "corrupt_file"),
    "cut pixels": lambda: (NATIVE[:-1000], "truncated_file"),
    "cut header": lambda: (NATIVE[: NATIVE.index(b"DOE^JANE") + 2], "truncated_file"),
    "few pixels": lambda: (write(dataset(FILM, NumberOfFrames=9)), "truncated_file"),
    "cut jpeg": lambda: (
        write(coded_film((FILM // 16).astype(np.uint8), "JPEG"), uid.JPEGBaseline8Bit)[
            :-500
        ],
        "truncated_file",
    ),
    "palette": lambda: (
        write(dataset(FILM, PhotometricInterpretation="PALETTE COLOR")),
        "unsupported_pixels",
    ),
    "video": lambda: (
        write(coded_film((FILM // 16).astype(np.uint8), "JPEG"), uid.MPEG2MPML),
        "dicom_transfer_syntax",
    ),
    "12-bit lossy": lambda: (
        write(
            coded_film((FILM // 16).astype(np.uint8), "JPEG", BitsStored=12),
            uid.JPEGExtended12Bit,
        ),
        "dicom_transfer_syntax",
    ),
    "size lie": lambda: (
        write(
            coded_film((FILM // 16).astype(np.uint8), "JPEG", Rows=100),
            uid.JPEGBaseline8Bit,
        ),
        "corrupt_file",
    ),
    "frames": lambda: (write(dataset(FILM, NumberOfFrames=9999)), "too_many_pixels"),
    "rows": lambda: (
        write(dataset(FILM, Rows=65535, Columns=65535)),
        "too_many_pixels",
    ),
    "small": lambda: (write(dataset(FILM[:31])), "too_small"),
    "bomb": lambda: (deflated_bomb(), "too_many_bytes"),
    "slope": lambda: (
        write(dataset(FILM, RescaleSlope="1e308", WindowCenter=1, WindowWidth=9)),
        "non_finite_pixels",
    ),
    "nonsense": lambda: (b"\x08\0\x05\0CS" + bytes(500), "unsupported_format"),
    "preamble": lambda: (bytes(128) + b"DICM", "no_pixels"),
}


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_refusals(make):
    data, code = make()
    start = time.perf_counter()
    assert code_of(data) == code
    assert time.perf_counter() - start < 2


def test_decoder_that_is_not_installed(monkeypatch):
    from pydicom.pixels.decoders import JPEGLSLosslessDecoder

    monkeypatch.setattr(JPEGLSLosslessDecoder, "_available", {})
    made = coded_film((FILM // 16).astype(np.uint8), "JPEG")
    with pytest.raises(RadiographError, match=r"fracture\[dicom\]") as caught:
        read_radiograph(write(made, uid.JPEGLSLossless))
    assert caught.value.code == "dicom_transfer_syntax"


def test_pydicom_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydicom", None)
    with pytest.raises(RadiographError, match=r'pip install "fracture\[dicom\]"') as no:
        read_radiograph(NATIVE)
    assert no.value.code == "dicom_support_missing"


# === Privacy ===


def test_no_patient_tag_is_kept_or_logged(caplog, capfd, recwarn):
    caplog.set_level(0)
    film = read_radiograph(NATIVE)
    code_of(write(dataset(FILM, Modality="CT")))
    code_of(NATIVE[:-1000])
    out = [repr(film), caplog.text, *capfd.readouterr()]
    out += [str(warning.message) for warning in recwarn]
    assert not any(secret in text for secret in SECRETS for text in out)


# === Damage ===


def films_or_reasons(files):
    for damaged in files:
        try:
            read = read_radiograph(damaged)
        except RadiographError as error:
            assert not any(secret in str(error) for secret in SECRETS)
        else:
            assert read.pixels.ndim == 2 and read.pixels.dtype == np.uint8


def damage(data, chance):
    flipped = bytearray(data)
    for _ in range(chance.randint(1, 6)):
        flipped[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(flipped)


SMALL = FILM[:64, :48]
SMALL_BYTES = (SMALL // 16).astype(np.uint8)
WHOLE = {
    "native": write(dataset(SMALL)),
    "deflated": write(dataset(SMALL), uid.DeflatedExplicitVRLittleEndian),
    "bare": write(dataset(SMALL), uid.ImplicitVRLittleEndian, file_format=False),
    "jpeg": write(coded_film(SMALL_BYTES, "JPEG"), uid.JPEGBaseline8Bit),
    "j2k": write(coded_film(SMALL_BYTES, "JPEG2000"), uid.JPEG2000Lossless),
}


@pytest.mark.filterwarnings("ignore")  # pydicom remarks on what we broke
@pytest.mark.parametrize("data", WHOLE.values(), ids=WHOLE)
def test_damage_gives_a_film_or_a_reason(data):
    assert read_radiograph(data).pixels.shape == (64, 48)
    chance = random.Random(len(data))
    films_or_reasons(data[: chance.randrange(len(data))] for _ in range(50))
    films_or_reasons(damage(data, chance) for _ in range(50))


@pytest.mark.parametrize(
    "syntax", [uid.JPEGLosslessSV1, uid.JPEGLSLossless], ids=["lossless", "ls"]
)
def test_damage_that_aborts_gdcm_is_survived(syntax, tmp_path):
    data = transcode(dataset(SMALL), syntax, tmp_path)
    depth = data.index(b"\xff\xd8\xff") + 6
    assert code_of(data[:depth] + b"\x2d" + data[depth + 1 :]) == "reader_crashed"
    chance = random.Random(0)
    films_or_reasons(data[: chance.randrange(len(data))] for _ in range(50))


def test_size_is_found_past_other_markers():
    made = coded_film(SMALL_BYTES, "JPEG")
    stream = io.BytesIO()
    Image.fromarray(SMALL_BYTES).save(stream, "JPEG")
    comment = b"\xff\xff\xfe" + struct.pack(">H", 8) + b"\xff\xc0text"
    data = stream.getvalue()
    made.PixelData = encapsulate([data[:2] + comment + data[2:]])
    read = read_radiograph(write(made, uid.JPEGBaseline8Bit))
    assert read.pixels.shape == SMALL.shape
