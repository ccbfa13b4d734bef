"""`ReaderPool`: the answers of `read_radiograph`, within limits, whatever happens."""

import concurrent.futures
import functools
import io
import os
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import dicom_films
import numpy as np
import pytest
from PIL import Image
from pydicom import uid
from specimens import BAD, FILM, GOOD, encode

from fracture.radiograph import RadiographError, ReaderPool, read_radiograph

ROOT = Path(__file__).parents[2]
PROC = Path("/proc/self/fd").exists()
linux = pytest.mark.skipif(not PROC, reason="looks into /proc")
SMALL = encode(FILM, "png")


@pytest.fixture(scope="module")
def pool():
    with ReaderPool(2) as pool:
        yield pool


def code_of(pool, source, **limits):
    with pytest.raises(RadiographError) as caught:
        pool.read(source, **limits)
    assert caught.value.message.endswith(".")
    return caught.value.code


def children() -> dict[int, str]:
    """Processes that this one has started and not yet waited for -> their state."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found[int(stat.parent.name)] = fields[0]
    return found


@functools.cache
def wide_film() -> bytes:
    """A film of 36 megapixels in few bytes; it takes a second and 100 MB."""
    stream = io.BytesIO()
    Image.new("RGB", (6000, 6000), 7).save(stream, "PNG")
    return stream.getvalue()


# === Answers ===


@pytest.mark.parametrize("name", GOOD)
def test_the_film_is_that_of_read_radiograph(pool, name, tmp_path):
    data = GOOD[name]()
    path = tmp_path / name
    path.write_bytes(data)
    expected = read_radiograph(data)
    for source in (data, path, str(path), io.BytesIO(data)):
        film = pool.read(source)
        assert np.array_equal(film.pixels, expected.pixels)
        assert film.warnings == expected.warnings
        assert film.metadata == expected.metadata
        assert not film.pixels.flags.writeable


@pytest.mark.parametrize("name", BAD)
def test_the_reason_is_that_of_read_radiograph(pool, name):
    code, make = BAD[name]
    assert code_of(pool, make()) == code


def test_the_limits_are_those_of_read_radiograph(pool, tmp_path):
    assert code_of(pool, SMALL, max_pixels=99) == "too_many_pixels"
    assert code_of(pool, SMALL, max_bytes=99) == "too_many_bytes"
    assert code_of(pool, tmp_path / "gone.png") == "file_not_found"
    assert code_of(pool, 3) == "unsupported_source"


def test_tags_are_those_that_were_named_and_no_others(pool):
    made = dicom_films.dataset(dicom_films.FILM, SpecificCharacterSet="ISO_IR 144")
    made.PatientName = "Жуков^Пётр"
    for syntax in (uid.ExplicitVRLittleEndian, uid.DeflatedExplicitVRLittleEndian):
        tags = pool.read_tags(dicom_films.write(made, syntax), ["PatientName"])
        assert tags.pop("00100010")["Value"] == [{"Alphabetic": "Жуков^Пётр"}]
        # SOPClassUID, Rows and Columns, by which a DICOM is told.
        assert tags.keys() <= {"00080005", "00080016", "00280010", "00280011"}
    assert pool.read(dicom_films.write(made)).pixels.shape == dicom_films.FILM.shape


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (SMALL, "unsupported_format"),
        (b"", "empty_file"),
        (dicom_films.write(dicom_films.dataset(dicom_films.FILM))[:300], None),
    ],
)
def test_tags_of_what_is_no_dicom_have_a_reason(data, code, pool):
    with pytest.raises(RadiographError) as caught:
        pool.read_tags(data, ["PatientName"])
    assert code in (None, caught.value.code)


def test_tags_of_too_many_parts_are_not_looked_for(pool):
    head, pixels, rest = dicom_films.write(
        dicom_films.dataset(dicom_films.FILM)
    ).partition(b"\xe0\x7f\x10\x00")
    many = [struct.pack("<HH2sH2s", 0x6001, n, b"LO", 2, b"x ") for n in range(60_000)]
    with pytest.raises(RadiographError) as caught:
        pool.read_tags(b"".join([head, *many, pixels, rest]), ["PatientName"])
    assert caught.value.code == "too_many_parts"


def test_threads_share_a_pool(pool):
    films = [encode(np.roll(FILM, shift), "png") for shift in range(24)]
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        read = list(threads.map(pool.read, films))
    for shift, film in enumerate(read):
        assert np.array_equal(film.pixels, np.roll(FILM, shift))


# === Limits ===


def test_a_film_that_takes_too_long_ends_its_process_only():
    with ReaderPool(1, seconds=0.05) as pool:
        start = time.monotonic()
        assert code_of(pool, wide_film()) == "reader_timeout"
        assert time.monotonic() - start < 5
    with ReaderPool(1, seconds=5) as pool:
        assert np.array_equal(pool.read(SMALL).pixels, FILM)


@linux
def test_a_process_that_never_answers_is_replaced():
    before = children().keys()
    with ReaderPool(1, seconds=1) as pool:
        pool.read(SMALL)
        (worker,) = children().keys() - before
        os.kill(worker, signal.SIGSTOP)  # as if a library looped for ever
        start = time.monotonic()
        assert code_of(pool, SMALL) == "reader_timeout"
        assert 1 <= time.monotonic() - start < 3
        assert np.array_equal(pool.read(SMALL).pixels, FILM)
    assert children().keys() == before


@linux
def test_a_film_that_takes_too_much_memory_says_so():
    with ReaderPool(1, megabytes=330) as pool:
        assert code_of(pool, wide_film()) == "reader_memory"
        assert np.array_equal(pool.read(SMALL).pixels, FILM)


@linux
def test_a_process_that_was_killed_while_idle_is_replaced():
    before = children().keys()
    with ReaderPool(1) as pool:
        for _ in range(3):
            pool.read(SMALL)
            (worker,) = children().keys() - before
            os.kill(worker, signal.SIGKILL)
            time.sleep(0.1)
        assert np.array_equal(pool.read(SMALL).pixels, FILM)


# === What is left behind ===


@linux
def test_nothing_is_left_behind():
    files, before = len(os.listdir("/proc/self/fd")), children().keys()
    for _ in range(3):
        with ReaderPool(2, seconds=0.05) as pool:
            code_of(pool, wide_film())
    assert len(os.listdir("/proc/self/fd")) == files
    assert children().keys() == before


@linux
@pytest.mark.parametrize("busy", [False, True])
def test_processes_end_with_a_parent_that_was_killed(busy, tmp_path):
    film = tmp_path / "wide.png"
    film.write_bytes(wide_film())
    code = (
        "import sys, time, threading\n"
        "from fracture.radiograph import ReaderPool\n"
        "pool = ReaderPool(2)\n"
        f"read = lambda: pool.read({str(film)!r})\n"
        f"[threading.Thread(target=read).start() for _ in range(2 * {busy})]\n"
        "print(*(w._process.pid for w in pool._workers), flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as parent:
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        time.sleep(0.5 if busy else 0)
        parent.kill()
    end = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in workers):
        assert time.monotonic() < end, "they outlive it"
        time.sleep(0.1)


@linux
def test_processes_load_neither_engine_nor_app():
    before = children().keys()
    with ReaderPool(1) as pool:
        pool.read(SMALL)
        (worker,) = children().keys() - before
        loaded = Path(f"/proc/{worker}/maps").read_text()
    assert "PIL" in loaded
    assert not any(name in loaded for name in ("onnxruntime", "tensorflow", "pydantic"))


def test_a_script_without_a_guard_runs_once(tmp_path):
    film, script = tmp_path / "film.png", tmp_path / "script.py"
    film.write_bytes(SMALL)
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); print('started')\n"
        "from fracture.radiograph import ReaderPool\n"
        f"print(ReaderPool(2).read({str(film)!r}).pixels.shape)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60
    )
    assert done.stdout.splitlines() == ["started", str(FILM.shape)]
    assert not done.stderr
