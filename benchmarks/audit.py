"""How many planted copies `python -m fracture audit` finds, and what it finds wrongly.

    python benchmarks/audit.py FOLDER [--source fracatlas] [--copies 400] [--seed 0]

FOLDER is anything that `audit` takes; it is only read. Copies of random films, each
changed in one of the ways below and saved under a new name, are planted beside the
films in a temporary folder, and the whole is audited.

Printed per way: copies planted, copies found as a pair with their film, the least
similarity of those; then the copies that were missed, and the pairs whose two files do
not come from one film. Of these some may be true: films that were copies before. Look
at them (`--sheet FILE.png` draws them side by side).
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
from PIL import Image, ImageOps
from scipy import ndimage

from fracture.data.audit import Pair, audit
from fracture.data.datasets import list_films
from fracture.radiograph import RadiographError, read_radiograph
from fracture.radiograph.letterbox import Letterbox

Rng = np.random.Generator
Way = Callable[[Image.Image, Rng], Image.Image]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--source", help="only films of this source")
    parser.add_argument("--films", type=int, help="so many random ones; default: all")
    parser.add_argument("--copies", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sheet", type=Path, help="picture of the false pairs")
    args = parser.parse_args()

    rng = np.random.default_rng(args.seed)
    films = [
        film.path.resolve()
        for film in list_films(args.folder)
        if args.source in (None, film.source)
    ]
    films = [films[i] for i in rng.permutation(len(films))[: args.films]]
    with tempfile.TemporaryDirectory() as folder:
        planted = plant(films, Path(folder), args.copies, rng)
        began = time.perf_counter()
        pairs = audit(folder).pairs
        seconds = time.perf_counter() - began
        false = report(planted, pairs)
        share = len({e.name for p in false for e in (p.first, p.second)}) / len(films)
        print(f"{len(false)} false pairs, {share:.2%} of the films in one")
        for pair in false:
            names = (planted[e.name][0].name for e in (pair.first, pair.second))
            print(f"  {pair.similarity:.2f}", *names)
        print(f"{len(films)} films and {args.copies} copies in {seconds:.0f} s")
        if args.sheet and false:
            draw(false[:24], args.sheet)


def plant(
    films: list[Path], folder: Path, copies: int, rng: Rng
) -> dict[str, tuple[Path, str]]:
    """Links the films into a folder and adds copies: file name -> its film, the way."""
    planted = {}
    for index, film in enumerate(films):
        name = f"{index:05d}{film.suffix}"
        (folder / name).symlink_to(film)
        planted[name] = film, ""
    ways = list(WAYS)
    while len(planted) < len(films) + copies:
        film = films[rng.integers(len(films))]
        way = ways[(len(planted) - len(films)) % len(ways)]
        try:
            picture = Image.fromarray(read_radiograph(film).pixels)
        except RadiographError:
            continue
        name = f"copy-{len(planted):05d}.png"
        WAYS[way](picture, rng).save(folder / name)
        planted[name] = film, way
    return planted


def report(planted: dict[str, tuple[Path, str]], pairs: list[Pair]) -> list[Pair]:
    """Prints what was found, way by way; returns the false pairs."""
    found, false = {}, []
    for pair in pairs:
        names = pair.first.name, pair.second.name
        ways = [planted[name][1] for name in names]
        if planted[names[0]][0] != planted[names[1]][0]:
            false.append(pair)
        elif not all(ways):
            found[names[not ways[0]]] = pair
    print(f"{'way':34}{'planted':>8}{'found':>7}{'least similar':>15}")
    total = [0, 0]
    for way in WAYS:
        copies = [name for name, (_, how) in planted.items() if how == way]
        seen = [found[name].similarity for name in copies if name in found]
        total = [total[0] + len(copies), total[1] + len(seen)]
        print(f"{way:34}{len(copies):8}{len(seen):7}{min(seen, default=0):15.2f}")
    print(f"{'all':34}{total[0]:8}{total[1]:7}{total[1] / max(total[0], 1):15.2%}")
    for name, (film, way) in planted.items():
        if way and name not in found:
            print(f"  missed: {way}, {film.name}")
    return false


def draw(pairs: list[Pair], path: Path) -> None:
    """Draws pairs side by side, two to a row."""
    cells = []
    for pair in pairs:
        films = [read_radiograph(e.path).pixels for e in (pair.first, pair.second)]
        cells.append(np.hstack([Letterbox(*f.shape, 360).apply(f) for f in films]))
    if len(cells) % 2:
        cells.append(np.zeros_like(cells[0]))
    rows = [np.hstack(cells[i : i + 2]) for i in range(0, len(cells), 2)]
    Image.fromarray(np.vstack(rows)).save(path)


def turned(film: Image.Image, angle: float, grow: bool, edge: bool) -> Image.Image:
    """Turned counter-clockwise; corners black or as the film's edge."""
    if edge:
        pixels = ndimage.rotate(film, angle, reshape=grow, order=1, mode="nearest")
        return Image.fromarray(pixels)
    return film.rotate(angle, Image.Resampling.BICUBIC, expand=grow)


def saved(film: Image.Image, quality: int = 40) -> Image.Image:
    """Saved as JPEG and read again."""
    buffer = io.BytesIO()
    film.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def cropped(film: Image.Image, left: float, top: float, right: float, bottom: float):
    """Without these shares of its width and height."""
    width, height = film.size
    box = (left * width, top * height, (1 - right) * width, (1 - bottom) * height)
    return film.crop(tuple(map(round, box)))


def one_corner(film: Image.Image, share: float, rng: Rng) -> Image.Image:
    """Cropped on two neighbouring sides only."""
    x, y = rng.integers(2, size=2) * share
    return cropped(film, x, y, share - x, share - y)


def scaled(film: Image.Image, factor: float) -> Image.Image:
    """Resized."""
    size = tuple(round(length * factor) for length in film.size)
    return film.resize(size, Image.Resampling.BICUBIC)


def exposed(film: Image.Image, contrast: float, light: float) -> Image.Image:
    """With another contrast, and lighter by so many grey levels."""
    return film.point(lambda grey: (grey - 128) * contrast + 128 + light)


def tilt(rng: Rng) -> float:
    """Up to 15 degrees, either way."""
    return rng.uniform(-15, 15)


def side(rng: Rng) -> int:
    """Either way."""
    return rng.choice((-1, 1))


WAYS: dict[str, Way] = {
    "quality 40": lambda f, r: saved(f),
    "renamed, as PNG": lambda f, r: f,
    "flipped": lambda f, r: ImageOps.mirror(f),
    "upside down": lambda f, r: ImageOps.flip(f),
    "quarter turns": lambda f, r: f.rotate(90 * r.integers(1, 4), expand=True),
    "turned, black corners": lambda f, r: turned(f, tilt(r), False, False),
    "turned, filled corners": lambda f, r: turned(f, tilt(r), False, True),
    "turned, grown, black": lambda f, r: turned(f, tilt(r), True, False),
    "turned, grown, filled": lambda f, r: turned(f, tilt(r), True, True),
    "turned by 15, grown": lambda f, r: turned(f, 15 * side(r), True, False),
    "cropped 5 % a side": lambda f, r: cropped(f, 0.05, 0.05, 0.05, 0.05),
    "cropped 5 %, one corner": lambda f, r: one_corner(f, 0.05, r),
    "half the size, quality 40": lambda f, r: saved(scaled(f, 0.5)),
    "enlarged": lambda f, r: scaled(f, r.uniform(1.2, 2)),
    "contrast and brightness": lambda f, r: exposed(
        f, r.uniform(0.7, 1.3), r.uniform(-25, 25)
    ),
    "flipped, turned 12, q 40": lambda f, r: saved(
        turned(ImageOps.mirror(f), 12 * side(r), False, False)
    ),
    "flipped, turned 12, grown, q 40": lambda f, r: saved(
        turned(ImageOps.mirror(f), 12 * side(r), True, False)
    ),
    "turned, cropped, q 40, exposed": lambda f, r: exposed(
        saved(cropped(turned(f, tilt(r), False, True), 0.05, 0.05, 0.05, 0.05)),
        *(r.uniform(0.8, 1.2), r.uniform(-15, 15)),
    ),
    "turned by any angle": lambda f, r: turned(f, r.uniform(-180, 180), False, False),
    "squeezed into 224 x 224, q 40": lambda f, r: saved(f.resize((224, 224))),
}


if __name__ == "__main__":
    main()
