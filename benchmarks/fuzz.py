"""Films and archives broken at random: each must be read, or refused with a reason.

    python benchmarks/fuzz.py [--minutes 1] [--seed 0] [--keep FOLDER] [--seconds 10]

Small films of every format are made on the fly and broken: bits flipped, ends cut off,
lengths and counts overwritten, parts repeated, removed, or taken from another film.
Each goes twice through `ReaderPool`, archives through `fracture.batch.collect`.

Printed: how many inputs gave a film or which reason, and how many broke a promise: an
exception without a reason, more time than the limit, or two answers that differ. Those,
and what only the limits of a process held (reader_timeout, reader_memory,
reader_crashed), are kept in a folder. Exits with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import hashlib
import io
import random
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from PIL import Image
from tqdm import tqdm

from fracture.batch import collect
from fracture.radiograph import RadiographError, ReaderPool

SHAPE = (48, 64)
GREY = np.add.outer(np.arange(48) * 2, np.arange(64)).astype(np.uint8)
NUMBERS = (0, 1, 2, 7, 8, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 2**24, 2**31 - 1, 2**32 - 1)
# An answer that only the process around the reader gives.
HELD = ("reader_timeout", "reader_memory", "reader_crashed")
GRACE = 2  # seconds beyond the limit, for a process to end and the next to start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, default=Path("fuzz_findings"))
    parser.add_argument("--seconds", type=float, default=10, help="limit for one film")
    args = parser.parse_args()
    end = time.monotonic() + 60 * args.minutes
    with ReaderPool(1, args.seconds) as pool, tqdm(unit=" inputs") as bar:

        def more(count: int) -> bool:
            bar.update(count - bar.n)
            return time.monotonic() < end

        tally = fuzz(pool, args.seed, args.keep, more)
    print(tally.report())
    sys.exit(1 if tally.broken else 0)


@dataclasses.dataclass
class Tally:
    """What came of the inputs.

    Attributes:
        answers: how many gave a film, or which reason code.
        broken: a line for each promise that was broken.
        slowest: seconds and name of the input that took longest.
    """

    answers: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )
    broken: list[str] = dataclasses.field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")

    def report(self) -> str:
        """The tally as text."""
        lines = [f"{count:9,} {answer}" for answer, count in self.answers.most_common()]
        lines += [f"slowest: {self.slowest[0]:.2f} s, {self.slowest[1]}"]
        return "\n".join([*lines, f"broken promises: {len(self.broken)}", *self.broken])


def fuzz(pool: ReaderPool, seed: int, keep: Path, more: Callable[[int], bool]) -> Tally:
    """Breaks films until there are to be no more.

    Args:
        pool: reads them.
        seed: of what is broken, and how.
        keep: folder for inputs that broke a promise or that only a process held.
        more: given the number of inputs so far, whether to go on.
    """
    tally, chance, films = Tally(), random.Random(seed), corpus()
    names = sorted(films)
    count = 0
    while more(count):
        name = chance.choice(names)
        data = films[name]
        for _ in range(chance.choice((1, 1, 1, 2, 4))):
            data = chance.choice(WAYS)(data, chance, films)
        label = f"{name}-{seed}-{count}"
        ask = ask_archive if name == "zip" else ask_film
        start = time.monotonic()
        answer = ask(pool, data)
        seconds = time.monotonic() - start
        tally.slowest = max(tally.slowest, (seconds, label))
        reason = ""
        if answer.startswith("exception"):
            reason = answer
        elif seconds > pool.seconds + GRACE:
            reason = f"{seconds:.1f} s"
        again = ask(pool, data)
        if "reader_timeout" in (answer, again):  # or was the machine only busy?
            answer, again = again, ask(pool, data)
        tally.answers[answer.split(":")[0]] += 1
        if not reason and answer != again:
            reason = f"{answer}, then {again}"
        if reason:
            tally.broken.append(f"{label}: {reason}")
        if reason or answer in HELD:
            keep.mkdir(parents=True, exist_ok=True)
            (keep / f"{label}-{answer.split(':')[0]}").write_bytes(data)
        count += 1
    return tally


def ask_film(pool: ReaderPool, data: bytes) -> str:
    """`film:` and a digest of what was read, a reason code, or `exception:` and it."""
    try:
        film = pool.read(data)
    except RadiographError as error:
        return error.code
    except Exception as error:
        return f"exception: {error!r}"
    facts = repr((sorted(film.metadata.items()), film.warnings)).encode()
    return f"film:{hashlib.sha256(film.pixels.tobytes() + facts).hexdigest()}"


def ask_archive(pool: ReaderPool, data: bytes) -> str:
    """As `ask_film`, of all films together."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        try:
            found = collect([("films.zip", Path(file.name))], read=pool.read)
            answers = {_read(film) for film in found}
        except RadiographError as error:
            return error.code
        except Exception as error:
            return f"exception: {error!r}"
    return "archive:" + " ".join(sorted(answers))


def _read(film) -> str:
    try:
        return hashlib.sha256(film.read().pixels.tobytes()).hexdigest()
    except RadiographError as error:
        return error.code


# === Films ===


def corpus() -> dict[str, bytes]:
    """A small film of every kind, and an archive of three."""
    films = dict(_pictures())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            films |= dict(_dicom())
    except ImportError:
        print("pydicom is not installed: DICOM is left out", file=sys.stderr)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("png", "jpeg", "tiff lzw"):
            archive.writestr(f"films/{name}", films[name])
    return {**films, "zip": stream.getvalue()}


def _encode(picture: Image.Image, kind: str, **options) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind, **options)
    return stream.getvalue()


def _pictures() -> Iterator[tuple[str, bytes]]:
    grey = Image.fromarray(GREY)
    wide = Image.fromarray(GREY.astype(np.uint16) * 257)
    real = Image.fromarray(GREY.astype(np.float32) / 7)
    colour = Image.merge("RGB", [grey] * 3)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "maker"
    more = {"save_all": True, "append_images": [grey, grey]}
    yield "png", _encode(grey, "PNG")
    yield "png 16", _encode(wide, "PNG")
    yield "png bits", _encode(grey.point(lambda v: 255 * (v > 60), "1"), "PNG")
    yield "png alpha", _encode(grey.convert("LA"), "PNG", exif=exif)
    yield "png palette", _encode(grey.convert("P"), "PNG")
    yield "png frames", _encode(grey, "PNG", **more)
    yield "jpeg", _encode(grey, "JPEG", exif=exif)
    yield "jpeg colour", _encode(colour, "JPEG", progressive=True)
    yield "jpeg inks", _encode(colour.convert("CMYK"), "JPEG")
    yield "webp", _encode(grey, "WEBP", exif=exif)
    yield "webp lossless", _encode(colour, "WEBP", lossless=True)
    yield "webp frames", _encode(grey, "WEBP", **more)
    yield "bmp", _encode(grey, "BMP")
    yield "bmp colour", _encode(colour.convert("RGBA"), "BMP")
    yield "tiff", _encode(grey, "TIFF")
    yield "tiff frames", _encode(grey, "TIFF", **more)
    yield "tiff big", _encode(wide, "TIFF", big_tiff=True)
    for name in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield name.replace("tiff_", "tiff "), _encode(grey, "TIFF", compression=name)
    yield "tiff wide", _encode(wide, "TIFF", compression="tiff_lzw")
    yield "tiff real", _encode(real, "TIFF", compression="tiff_adobe_deflate")
    bits = grey.point(lambda v: 255 * (v > 60), "1")
    yield "tiff fax", _encode(bits, "TIFF", compression="group4")


def _dicom() -> Iterator[tuple[str, bytes]]:
    from pydicom import uid
    from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
    from pydicom.encaps import encapsulate

    def film(syntax: str, pixels: bytes | None, bits: int) -> FileDataset:
        meta = FileMetaDataset()
        meta.TransferSyntaxUID = syntax
        made = FileDataset(None, {}, file_meta=meta, preamble=bytes(128))
        made.SOPClassUID = uid.DigitalXRayImageStorageForPresentation
        made.SOPInstanceUID, made.Modality = "1.2.3", "DX"
        made.Rows, made.Columns = SHAPE
        made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
        made.BitsAllocated = made.BitsStored = bits
        made.HighBit, made.PixelRepresentation = bits - 1, 0
        table = Dataset()
        table.LUTDescriptor, table.LUTData = [64, 0, 8], bytes(range(64))
        table["LUTData"].VR, table["LUTDescriptor"].VR = "OW", "US"
        made.VOILUTSequence = [table]
        made.PixelData = pixels or GREY.astype(f"<u{bits // 8}").tobytes()
        if pixels:
            made["PixelData"].VR = "OB"
        return made

    def file(made: FileDataset) -> bytes:
        stream = io.BytesIO()
        made.save_as(stream, enforce_file_format=True)
        return stream.getvalue()

    grey = Image.fromarray(GREY)
    for bits in (8, 16):
        yield f"dicom {bits}", file(film(uid.ExplicitVRLittleEndian, None, bits))
    yield "dicom implicit", file(film(uid.ImplicitVRLittleEndian, None, 16))
    yield "dicom deflated", file(film(uid.DeflatedExplicitVRLittleEndian, None, 16))
    runs = film(uid.ExplicitVRLittleEndian, None, 16)
    runs.compress(uid.RLELossless)
    yield "dicom runs", file(runs)
    coded = {
        "jpeg": (uid.JPEGBaseline8Bit, _encode(grey, "JPEG")),
        "jpeg 2000": (uid.JPEG2000Lossless, _encode(grey, "JPEG2000", no_jp2=True)),
        "jp2": (uid.JPEG2000Lossless, _encode(grey, "JPEG2000")),
        # No encoder is at hand: the decoder meets another process than it expects.
        "lossless": (uid.JPEGLosslessSV1, _encode(grey, "JPEG")),
        "ls": (
            uid.JPEGLSLossless,
            _encode(grey, "JPEG").replace(b"\xff\xc0", b"\xff\xf7"),
        ),
    }
    for name, (syntax, stream) in coded.items():
        yield f"dicom {name}", file(film(syntax, encapsulate([stream]), 8))


# === Ways to break them ===

Way = Callable[[bytes, random.Random, dict[str, bytes]], bytes]


def _place(data: bytes, chance: random.Random) -> int:
    """Most often near the start, where the headers are, or near the end."""
    size = max(1, len(data))
    near = min(size, 400)
    return chance.choice(
        (
            chance.randrange(near),
            chance.randrange(near),
            size - 1 - chance.randrange(near),
            chance.randrange(size),
        )
    )


def flip(data: bytes, chance: random.Random, _: dict[str, bytes]) -> bytes:
    """A few bits."""
    broken = bytearray(data or b"\0")
    for _ in range(chance.choice((1, 1, 2, 8, 32))):
        broken[_place(broken, chance)] ^= 1 << chance.randrange(8)
    return bytes(broken)


def number(data: bytes, chance: random.Random, _: dict[str, bytes]) -> bytes:
    """A telling number over a length, a count, an offset or whatever is there."""
    size = chance.choice((1, 2, 4, 8))
    value = chance.choice((*NUMBERS, len(data), chance.randrange(2**16)))
    written = (value % 2 ** (8 * size)).to_bytes(size, chance.choice(("little", "big")))
    at = _place(data, chance)
    return data[:at] + written + data[at + size :]


def cut(data: bytes, chance: random.Random, _: dict[str, bytes]) -> bytes:
    """The end away."""
    return data[: _place(data, chance)]


def remove(data: bytes, chance: random.Random, _: dict[str, bytes]) -> bytes:
    """A part away."""
    at = _place(data, chance)
    return data[:at] + data[at + chance.choice((1, 4, 12, 100)) :]


def repeat(data: bytes, chance: random.Random, _: dict[str, bytes]) -> bytes:
    """A part so often that there is a megabyte of it at most."""
    at, size = _place(data, chance), chance.choice((1, 8, 12, 20, 64, 500))
    part = data[at : at + size]
    return data[:at] + part * chance.choice((2, 10, 1000, 2**20 // size)) + data[at:]


def splice(data: bytes, chance: random.Random, films: dict[str, bytes]) -> bytes:
    """The start of one film, the end of another."""
    other = films[chance.choice(sorted(films))]
    return data[: _place(data, chance)] + other[_place(other, chance) :]


WAYS: tuple[Way, ...] = (
    flip,
    flip,
    number,
    number,
    number,
    cut,
    remove,
    repeat,
    splice,
)

if __name__ == "__main__":
    main()
