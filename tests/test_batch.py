"""Many films and hostile archives: one result each, and a table that is only text."""

import csv
import io
import os
import struct
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from fracture import FractureClassifier, RadiographError
from fracture.batch import COLUMNS, classify, collect, row, to_csv
from fracture.result import Result

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


def results(*paths, **options) -> list[tuple[str, str | None]]:
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


def test_films_and_archives_give_one_result_each_in_order(classifier, pack, tmp_path):
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
    assert results(tmp_path / "gone.png") == [("gone.png", "file_not_found")]


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
    assert results(archive) == [("film.png", None)]


@pytest.mark.parametrize("name", ["../../escape.png", "/etc/passwd", "C:\\a\\b.png"])
def test_names_in_an_archive_lead_nowhere(pack, tmp_path, name):
    archive = pack([(name, _png())])
    before = sorted(tmp_path.rglob("*"))
    assert [code for _, code in results(archive)] == [None]
    assert sorted(tmp_path.rglob("*")) == before


def test_archives_in_archives_stay_closed(pack):
    inner = pack([("film.png", _png())], name="inner.zip").read_bytes()
    assert results(pack([("inner.zip", inner)])) == [("inner.zip", "nested_archive")]


def test_an_empty_and_a_damaged_archive_say_so(pack, tmp_path):
    cut = tmp_path / "cut.zip"
    cut.write_bytes(pack([("film.png", _png())]).read_bytes()[:200])
    assert results(pack([], name="no.zip"), cut) == [
        ("no.zip", "empty_archive"),
        ("cut.zip", "damaged_archive"),
    ]


def test_a_damaged_member_is_a_row(pack):
    path = pack([("a.png", _png(1)), ("b.png", _png(2))], zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 20] ^= 0xFF
    path.write_bytes(data)
    assert results(path) == [("a.png", "damaged_archive"), ("b.png", None)]


def test_an_encrypted_member_is_a_row(pack):
    path = pack([("film.png", _png())])
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    assert results(path) == [("film.png", "encrypted_file")]


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_unpack_without_bound_are_refused(pack, method):
    assert results(pack([("film.png", _png())], method)) == [
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
    found = results(path)
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
    assert results(path) == [("names.zip", "too_many_films")]
    assert time.perf_counter() - start < 1


END = struct.Struct("<4s4H2LH")
ENTRY = struct.pack("<4s6H3L5H2L", b"PK\1\2", *[0] * 6, *[0] * 3, 1, *[0] * 4, 0, 0)
END64 = struct.Struct("<4sQ2H2L4Q")
LOCATOR = struct.Struct("<4sLQL")


def ended(directory: bytes, end: bytes) -> bytes:
    """An archive that is nothing but a directory."""
    return b"PK\3\4" + directory + end


def end64(length: int, start: int) -> bytes:
    """The end records of an archive of more than 65,535 files."""
    record = END64.pack(b"PK\6\6", 44, 45, 45, 0, 0, 9, 9, length, 4)
    locator = LOCATOR.pack(b"PK\6\7", 0, start, 1)
    return (
        record + locator + END.pack(b"PK\5\6", 0, 0, *[0xFFFF] * 2, *[2**32 - 1] * 2, 0)
    )


MANY = (ENTRY + b".") * 500_000  # files that are passed over
# Where readers disagree on which record is the end, or on what it says.
ENDS = {
    "plain": END.pack(b"PK\5\6", 0, 0, 9, 9, len(MANY), 4, 0),
    "in a disk field": END.pack(b"PK\5\6", 0x4B50, 0x0605, 9, 9, len(MANY), 4, 0),
    "in a count": END.pack(b"PK\5\6", 0, 0, 0x4B50, 0x0605, len(MANY), 4, 0),
    "in a comment": END.pack(b"PK\5\6", 0, 0, 9, 9, len(MANY), 4, 22)
    + END.pack(b"PK\5\6", 0, 0, 0, 0, 0, 0, 0),
    "in a cut comment": END.pack(b"PK\5\6", 0, 0, 9, 9, len(MANY), 4, 8)
    + b"PK\5\6----",
    "64 bits": end64(len(MANY), 4 + len(MANY)),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_directory_is_bounded_wherever_its_end_record_is(tmp_path, end):
    path = tmp_path / "names.zip"
    path.write_bytes(ended(MANY, end))
    start = time.process_time()
    assert results(path)[0][1] in (
        "too_many_films",
        "damaged_archive",
        "empty_archive",
    )
    assert time.process_time() - start < 1


def test_directories_are_bounded_together(tmp_path):
    path = tmp_path / "names.zip"
    directory = MANY[: len(ENTRY + b".") * 20_000]
    path.write_bytes(
        ended(directory, END.pack(b"PK\5\6", 0, 0, 9, 9, len(directory), 4, 0))
    )
    start = time.process_time()
    found = results(*[path] * 200)
    assert found[-1] == ("names.zip", "too_many_films")
    assert time.process_time() - start < 2


def test_one_archive_is_open_at_a_time(pack):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    paths = [pack([("film.png", _png(n))], name=f"{n}.zip") for n in range(60)]
    try:
        spare = 20 + len(os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (spare, limits[1]))
        assert results(*paths) == [("film.png", None)] * 60
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_an_archive_that_vanished_says_so(pack):
    path = pack([("film.png", _png())])
    (film,) = collect([("films.zip", path)])
    path.unlink()
    assert code_of(film) == "damaged_archive"


@pytest.mark.parametrize(
    "name", ["\0", "\0film.png", "a" * 60_000, "\udcff", "..", "/"]
)
def test_no_name_in_an_archive_does_harm(tmp_path, name):
    path = tmp_path / "films.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("?" * len(name.encode("utf-8", "replace")), _png())
    data = path.read_bytes()
    raw = name.encode("latin-1", "replace")
    path.write_bytes(data.replace(b"?" * len(raw), raw))
    assert {code for _, code in results(path)} <= {
        None,
        "empty_archive",
        "damaged_archive",
    }


def test_a_file_without_a_name_is_passed_over(tmp_path):
    path = tmp_path / "films.zip"
    nameless = ENTRY[:28] + bytes(2) + ENTRY[30:]
    end = END.pack(b"PK\5\6", 0, 0, 1, 1, len(nameless), 4, 0)
    path.write_bytes(ended(nameless, end))
    assert results(path) == [("films.zip", "empty_archive")]


@pytest.mark.parametrize("field", [4, 6, 8, 10])
def test_members_of_another_version_or_kind_are_rows(pack, field):
    path = pack([("film.png", _png())])
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\1\2") + field] ^= 0xFE
    path.write_bytes(data)
    assert len(results(path)) == 1


@pytest.mark.parametrize("path", ["a\0b.png", "\ud800.png", "x" * 5000])
def test_paths_that_no_system_takes_are_rows(path):
    assert results(Path(path))[0][1] == "file_not_found"


numbers = st.sampled_from([0, 1, 4, 22, 0x4B50, 0x0605, 0xFFFF]) | st.integers(
    0, 2**16 - 1
)
longs = st.sampled_from([0, 4, 22, 46, 2**32 - 1]) | st.integers(0, 2**32 - 1)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.tuples(*[numbers] * 4, longs, longs, numbers),
    st.sampled_from([b"", b"PK\5\6", b"PK\5\6" + bytes(18), end64(46, 60)]),
    st.integers(0, 3),
    st.booleans(),
)
def test_any_end_record_gives_rows(tmp_path, fields, comment, entries, wide):
    path = tmp_path / "any.zip"
    directory = (ENTRY + b"a") * entries
    end = (end64(fields[4], 4 + len(directory)) if wide else b"") + END.pack(
        b"PK\5\6", *fields
    )
    path.write_bytes(ended(directory, end + comment))
    start = time.process_time()
    assert all(code for _, code in results(path))
    assert time.process_time() - start < 1


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
    text = to_csv([row({"name": name, **Result(name, error=error).to_dict()})])
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
