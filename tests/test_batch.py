"""Many films and hostile archives: one outcome each, and a table that is only text."""

import csv
import io
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fracture import FractureClassifier, RadiographError
from fracture.batch import COLUMNS, classify, collect, row, to_csv
from fracture.result import Outcome

WEIGHTS = Path(__file__).parents[1] / "weights"


def _png(seed: int = 0) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (64, 48), np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture(scope="module")
def classifier() -> FractureClassifier:
    return FractureClassifier.from_pretrained(WEIGHTS)


@pytest.fixture
def pack(tmp_path):
    """Writes an archive of names and contents, in order, and returns its path."""

    def write(members, method=zipfile.ZIP_DEFLATED, name="films.zip"):
        path = tmp_path / name
        with zipfile.ZipFile(path, "w", method) as archive:
            for member, content in members:
                archive.writestr(member, content)
        return path

    return write


def outcomes(*paths, **options) -> list[tuple[str, str | None]]:
    """Name and reason code of each film that was found, None where it was read."""
    return [
        (film.name, code_of(film))
        for film in collect([(path.name, path) for path in paths], **options)
    ]


def code_of(film) -> str | None:
    try:
        film.read()
    except RadiographError as error:
        return error.code


def test_films_and_archives_give_one_outcome_each_in_order(classifier, pack, tmp_path):
    single = tmp_path / "single.png"
    single.write_bytes(_png(1))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"Dear doctor")
    archive = pack([("wrist/IM1", _png(2)), ("wrist/bad.jpg", b""), ("b.png", _png(3))])
    films = collect([(path.name, path) for path in (single, broken, archive)])
    answers = classify(classifier, films)
    assert [(o.name, o.error.code if o.error else None) for o in answers] == [
        ("single.png", None),
        ("broken.png", "unsupported_format"),
        ("wrist/IM1", None),
        ("wrist/bad.jpg", "empty_file"),
        ("b.png", None),
    ]


def test_a_vanished_file_is_a_row_too(tmp_path):
    assert outcomes(tmp_path / "gone.png") == [("gone.png", "file_not_found")]


@pytest.mark.parametrize(
    "name",
    [
        "__MACOSX/wrist/._film.png",
        "wrist/._film.png",
        "wrist/.DS_Store",
        "Thumbs.db",
        "cd/DICOMDIR",
        "folder/",
    ],
)
def test_what_systems_leave_beside_films_is_passed_over(pack, name):
    archive = pack([(name, b"" if name.endswith("/") else b"x"), ("film.png", _png())])
    assert outcomes(archive) == [("film.png", None)]


@pytest.mark.parametrize("name", ["../../escape.png", "/etc/passwd", "C:\\a\\b.png"])
def test_names_in_an_archive_lead_nowhere(pack, tmp_path, name):
    archive = pack([(name, _png())])
    before = sorted(tmp_path.rglob("*"))
    assert [code for _, code in outcomes(archive)] == [None]
    assert sorted(tmp_path.rglob("*")) == before


def test_archives_in_archives_stay_closed(pack):
    inner = pack([("film.png", _png())], name="inner.zip").read_bytes()
    assert outcomes(pack([("inner.zip", inner)])) == [("inner.zip", "nested_archive")]


def test_an_empty_and_a_damaged_archive_say_so(pack, tmp_path):
    cut = tmp_path / "cut.zip"
    cut.write_bytes(pack([("film.png", _png())]).read_bytes()[:200])
    assert outcomes(pack([], name="no.zip"), cut) == [
        ("no.zip", "empty_archive"),
        ("cut.zip", "damaged_archive"),
    ]


def test_a_damaged_member_is_a_row(pack):
    path = pack([("a.png", _png(1)), ("b.png", _png(2))], zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 20] ^= 0xFF
    path.write_bytes(data)
    assert outcomes(path) == [("a.png", "damaged_archive"), ("b.png", None)]


def test_an_encrypted_member_is_a_row(pack):
    path = pack([("film.png", _png())])
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    assert outcomes(path) == [("film.png", "encrypted_file")]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_bound_are_refused(pack, method):
    assert outcomes(pack([("film.png", _png())], method)) == [
        ("film.png", "unsupported_compression")
    ]


def test_a_bomb_costs_little(pack):
    """A hundred members of 100 MB, 10 GB in all, from 10 MB: refused within seconds."""
    path = pack([("bomb.bmp", bytes(100 * 2**20))])
    with zipfile.ZipFile(path) as archive:
        (info,) = archive.infolist()
    packed = path.read_bytes()
    entry = packed[archive.start_dir : archive.start_dir + 46 + len(info.filename)]
    end = struct.pack(
        "<4s4H2LH", b"PK\5\6", 0, 0, 99, 99, 99 * len(entry), archive.start_dir, 0
    )
    path.write_bytes(packed[: archive.start_dir] + 99 * entry + end)
    start = time.perf_counter()
    found = outcomes(path)
    assert len(found) == 99
    assert {code for _, code in found} <= {"too_many_bytes", "damaged_archive"}
    assert time.perf_counter() - start < 10


def test_a_huge_directory_is_not_even_parsed(tmp_path):
    path = tmp_path / "names.zip"
    entry = struct.pack("<4s6H3L5H2L", b"PK\1\2", *[0] * 6, *[0] * 3, *[0] * 5, 0, 0)
    directory = entry * 100_000
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 9, 9, len(directory), 4, 0)
    path.write_bytes(b"PK\3\4" + directory + end)
    start = time.perf_counter()
    assert outcomes(path) == [("names.zip", "too_many_films")]
    assert time.perf_counter() - start < 1


@pytest.mark.parametrize("packed", [True, False])
def test_too_many_films_are_refused_before_any_is_read(pack, tmp_path, packed):
    path = pack([(f"{n}.png", b"") for n in range(4)]) if packed else tmp_path / "x"
    with pytest.raises(RadiographError) as caught:
        collect([("x", path)] * (1 if packed else 4), max_films=3)
    assert caught.value.code == "too_many_films"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "  ="])
def test_no_cell_is_a_formula(start):
    name = f"{start}cmd|'/c calc'!A0,\"x\".png"
    error = RadiographError("empty_file", "=HYPERLINK(1)")
    text = to_csv([row({"name": name, **Outcome(name, error=error).to_dict()})])
    (read,) = csv.DictReader(io.StringIO(text, newline=""))
    assert read["name"] == f"'{name}"
    assert read["error_message"] == "'=HYPERLINK(1)"
    assert list(read) == list(COLUMNS)


def test_a_row_holds_what_the_prediction_says(classifier):
    prediction = classifier.predict(_png())
    answer, values = (
        prediction.to_dict(),
        row({"name": "a.png", **prediction.to_dict()}),
    )
    assert values["probability_displaced"] == answer["probabilities"]["displaced"]
    assert values["warnings"] == "low_resolution out_of_distribution"
    assert values["error_code"] is None
    for column in ("finding", "fracture_probability", "peak_x", "model_version"):
        assert values[column] == answer[column]
