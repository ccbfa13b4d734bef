"""Copies are found, films that are alike are not; what is found keeps splits honest."""

import csv
import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from scipy import ndimage
from typer.testing import CliRunner

from fracture.__main__ import app
from fracture.data.audit import audit
from fracture.data.datasets import load_examples
from fracture.data.duplicates import find_duplicates, thumbnail
from fracture.data.example import DatasetError
from fracture.data.film_table import load_table
from fracture.data.phantom import draw_phantom

DATA = os.environ.get("FRACTURE_DATA")


def jpeg(film, quality=40):
    buffer = io.BytesIO()
    film.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def turn(film, angle, expand=False):
    return film.rotate(angle, Image.Resampling.BICUBIC, expand=expand)


def filled(film, angle):
    """Turned on the same canvas, the corners as bright as the film's edge."""
    wide = Image.fromarray(np.pad(np.asarray(film), 150, mode="edge"))
    return ImageOps.crop(turn(wide, angle), 150)


def crop(film, left, top, right, bottom):
    width, height = film.size
    box = left * width, top * height, (1 - right) * width, (1 - bottom) * height
    return film.crop(tuple(map(round, box)))


# What is done to a film: the change; the kind, rotation and mirroring to be told.
PLANTED = {
    "renamed": (lambda f: f, "exact", 0, False),
    "quality": (jpeg, "near", 0, False),
    "half": (lambda f: jpeg(f.resize((f.width // 2, f.height // 2))), "near", 0, False),
    "squeezed": (lambda f: f.resize((224, 224)), "near", 0, False),
    "cropped": (lambda f: crop(f, 0.05, 0.05, 0.05, 0.05), "near", 0, False),
    "corner": (lambda f: crop(f, 0.05, 0, 0, 0.05), "near", 0, False),
    "brighter": (lambda f: f.point(lambda grey: 0.8 * grey + 40), "near", 0, False),
    "turned": (lambda f: turn(f, 15), "rotated", 15, False),
    "grown": (lambda f: turn(f, -15, True), "rotated", -15, False),
    "filled": (lambda f: filled(f, 7), "rotated", 7, False),
    "quarter": (lambda f: turn(f, 90, True), "rotated", 90, False),
    "flipped": (ImageOps.mirror, "mirrored", 0, True),
    "all": (lambda f: jpeg(turn(ImageOps.mirror(f), 12)), "mirrored", 12, True),
    "more": (
        lambda f: jpeg(turn(ImageOps.mirror(f), -12, True), 60),
        "mirrored",
        -12,
        True,
    ),
}


def draw_film(label, seed):
    """A phantom with the texture of bone and muscle that real films have."""
    pixels = draw_phantom(label, seed, (340, 280)).pixels
    rng = np.random.default_rng([seed, len(label)])
    grain = ndimage.gaussian_filter(rng.standard_normal(pixels.shape), 3)
    grain *= 0.15 / grain.std()
    return Image.fromarray(np.clip(pixels * (1 + grain), 0, 255).astype(np.uint8))


def write_films(folder, count, label="normal"):
    folder.mkdir(parents=True, exist_ok=True)
    for seed in range(count):
        draw_film(label, seed).save(folder / f"{seed}.png")


def rows_of(path):
    with Path(path).open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Phantom films with a copy of each kind, and what the audit finds."""
    folder = tmp_path_factory.mktemp("films")
    write_films(folder, len(PLANTED) + 4)
    for seed, (name, (change, *_)) in enumerate(PLANTED.items()):
        with Image.open(folder / f"{seed}.png") as film:
            change(film).save(folder / f"{name}-of-{seed}.png")
    return audit(folder)


@pytest.mark.parametrize(("seed", "name"), list(enumerate(PLANTED)))
def test_a_copy_is_found_and_described(planted, seed, name):
    _, kind, rotation, mirrored = PLANTED[name]
    names = {f"{seed}.png", f"{name}-of-{seed}.png"}
    pairs = [p for p in planted.pairs if {p.first.name, p.second.name} == names]
    assert len(pairs) == 1
    assert pairs[0].kind == kind and pairs[0].mirrored == mirrored
    # A film before its copy by name: digits before letters.
    assert pairs[0].rotation == pytest.approx(rotation, abs=1)
    groups = {e.group for e in planted.examples if e.name in names}
    assert len(groups) == 1


def test_no_other_pair_is_found(planted):
    assert len(planted.pairs) == len(PLANTED)
    groups = {example.group for example in planted.examples}
    assert len(groups) == len(planted.examples) - len(PLANTED)


def test_unlike_films_and_odd_ones():
    films = [np.asarray(draw_film("normal", seed)) for seed in range(3)]
    odd = [np.zeros((64, 64), np.uint8), np.full((40, 900), 200, np.uint8)]
    rng = np.random.default_rng(0)
    odd += [rng.integers(0, 255, (300, 32), np.uint8), np.zeros((33, 66), np.uint8)]
    assert find_duplicates([thumbnail(film) for film in films + odd]) == []
    assert find_duplicates([]) == find_duplicates([thumbnail(films[0])]) == []
    same = find_duplicates([thumbnail(film) for film in (odd[0], *films, odd[0])])
    assert [(match.first, match.second) for match in same] == [(0, 4)]


def test_many_copies_of_one_film_are_one_group(tmp_path):
    write_films(tmp_path, 2)
    film = Image.open(tmp_path / "0.png")
    for angle in range(-15, 16, 3):
        turn(film, angle).save(tmp_path / f"turned{angle}.png")
    found = audit(tmp_path)
    groups = {e.name: e.group for e in found.examples}
    assert set(groups.values()) == {groups["0.png"], groups["1.png"]}
    assert groups["0.png"] != groups["1.png"]


def test_labels_and_unreadable_files(tmp_path):
    write_films(tmp_path / "normal", 4)
    write_films(tmp_path / "displaced", 1, "displaced")
    film = Image.open(tmp_path / "normal" / "2.png")
    jpeg(turn(film, 5)).save(tmp_path / "displaced" / "copy.png")
    (tmp_path / "normal" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    found = audit(tmp_path)
    (pair,) = found.pairs
    assert pair.contradictory and not pair.crosses_split
    ((example, error),) = found.unreadable
    assert example.name == "normal/cut.png" and error.code
    assert len(found.examples) == 6 and not found.clean


@pytest.mark.parametrize("given", ["folders", "file", "column"])
def test_copies_across_given_splits(tmp_path, given):
    """One copy within train, one from train to validation."""
    places = {"0": "train", "1": "train", "c0": "train", "c1": "val", "2": "test"}
    write_films(tmp_path / "raw", 3)
    raw = tmp_path / "raw"
    for seed in "01":
        with Image.open(raw / f"{seed}.png") as film:
            jpeg(film).save(raw / f"c{seed}.png")
    folder = tmp_path / "data"
    rows = []
    for name, part in places.items():
        label = f"{part}/normal" if given == "folders" else "normal"
        (folder / label).mkdir(parents=True, exist_ok=True)
        (raw / f"{name}.png").rename(folder / label / f"{name}.png")
        rows.append((f"{label}/{name}.png", part))
    if given == "file":
        lines = ["split,name,sha256", *(f"{part},{path}," for path, part in rows)]
        (folder / "split.csv").write_text("\n".join(lines))
    if given == "column":
        lines = ["path,source,label,split"]
        lines += [f"{path},s,normal,{part}" for path, part in rows]
        (folder / "manifest.csv").write_text("\n".join(lines))
    found = audit(folder)
    assert len(found.pairs) == 2
    assert [pair.crosses_split for pair in found.pairs] == [True, False]
    assert {example.label for example in found.examples} == {"normal"}
    assert len({example.source for example in found.examples}) == 1


def test_a_split_file_of_other_films(tmp_path):
    write_films(tmp_path, 1)
    (tmp_path / "split.csv").write_text("split,name,sha256\ntrain,x.png,\n")
    with pytest.raises(DatasetError, match="names no film"):
        audit(tmp_path)
    (tmp_path / "split.csv").write_text("what,ever\n1,2\n")
    with pytest.raises(DatasetError, match="needs one column split"):
        audit(tmp_path)


@pytest.fixture(scope="module")
def groups_file(tmp_path_factory):
    """The groups of a data set of two sources, with copies within and across them."""
    folder = tmp_path_factory.mktemp("data")
    rows, pairs = [], []
    for source, label, count in (("a", "normal", 20), ("b", "displaced", 6)):
        write_films(folder / source, count, label)
        rows += [[f"{source}/{n}.png", source, label, ""] for n in range(count)]
    rows[0][3] = rows[19][3] = "patient"
    for origin, target, angle in (("a/1", "a", 8), ("a/2", "b", -8), ("b/3", "a", 15)):
        copy = f"{target}/copy-of-{origin.replace('/', '')}.png"
        with Image.open(folder / f"{origin}.png") as film:
            turn(ImageOps.mirror(film), angle).save(folder / copy)
        rows.append([copy, target, "fractured", ""])
        pairs.append((f"{origin}.png", copy))
    pairs.append(("a/0.png", "a/19.png"))
    with (folder / "manifest.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["path", "source", "label", "group"], *rows])
    out = folder / "out"
    audit(folder).write(out)
    return out / "groups.csv", pairs


@pytest.mark.parametrize("seed", range(2))
def test_copies_never_cross_the_split_of_training(groups_file, tmp_path, seed):
    path, pairs = groups_file
    table = load_table(path, tmp_path / "split.csv", seed, ())
    names = [example.path.resolve() for example in table.examples]
    assert len(names) == 29 and len(set(table.splits)) == 3
    for pair in pairs:
        ends = [names.index((path.parents[1] / name).resolve()) for name in pair]
        one, other = ends
        assert table.examples[one].group == table.examples[other].group
        assert table.splits[one] == table.splits[other]
    assert len(set(table.groups)) == 29 - len(pairs)


def test_the_groups_file_keeps_what_was_known(groups_file):
    folder = groups_file[0].parents[1]
    names = [film.name for film in load_examples(groups_file[0])]
    assert names == [film.name for film in load_examples(folder)]
    rows = rows_of(groups_file[0])
    assert len(rows) == 29
    assert {row["source"] for row in rows} == {"a", "b"}
    assert sum(row["group"] == "a/patient" for row in rows) == 2


def test_groups_of_films_that_are_links(tmp_path):
    """Folders are put together of links; the groups name the films themselves."""
    write_films(tmp_path / "films", 2)
    (tmp_path / "data" / "normal").mkdir(parents=True)
    for n in range(2):
        link = tmp_path / "data" / "normal" / f"{n}.png"
        link.symlink_to(tmp_path / "films" / f"{n}.png")
    groups = audit(tmp_path / "data").write(tmp_path / "out" / "deep")[1]
    for film in load_examples(groups):
        assert film.path.samefile(tmp_path / film.name)
        assert film.name.startswith("films/")


def test_command(tmp_path):
    write_films(tmp_path / "films", 3)
    before = {p: p.read_bytes() for p in (tmp_path / "films").iterdir()}
    out = tmp_path / "out"
    run = CliRunner().invoke

    result = run(app, ["audit", str(tmp_path / "films"), "-o", str(out)])
    assert result.exit_code == 0 and "0 pairs of copies" in result.stdout
    assert rows_of(out / "pairs.csv") == rows_of(out / "unreadable.csv") == []
    assert {p: p.read_bytes() for p in (tmp_path / "films").iterdir()} == before

    film = Image.open(tmp_path / "films" / "1.png")
    turn(film, 10).save(tmp_path / "films" / "new.png")
    (tmp_path / "films" / "empty.png").write_bytes(b"")
    result = run(app, ["audit", str(tmp_path / "films"), "-o", str(out)])
    assert result.exit_code == 1 and "1.png" in result.stdout
    (pair,) = rows_of(out / "pairs.csv")
    assert (pair["path_a"], pair["path_b"]) == ("1.png", "new.png")
    assert pair["kind"] == "rotated" and float(pair["similarity"]) > 0.7
    assert rows_of(out / "unreadable.csv")[0]["reason"] == "empty_file"
    assert len({row["group"] for row in rows_of(out / "groups.csv")}) == 3

    result = run(app, ["audit", str(tmp_path / "none"), "-o", str(out)])
    assert result.exit_code == 2 and "there is no" in result.stderr


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.skipif(not DATA, reason="FRACTURE_DATA names no folder of films")
def test_real_films(tmp_path):
    """As benchmarks/audit.py measures it on all of them, on a few."""
    films = sorted(Path(DATA).glob("fracatlas/images/*/*.jpg"))
    rng = np.random.default_rng(5)
    chosen = [films[i] for i in rng.permutation(len(films))[:120]]
    changes = [(name, change) for name, (change, *_) in PLANTED.items()]
    for index, path in enumerate(chosen):
        (tmp_path / f"{index}.jpg").symlink_to(path.resolve())
        if index < 3 * len(changes):
            name, change = changes[index % len(changes)]
            with Image.open(path) as film:
                change(film.convert("L")).save(tmp_path / f"{index}-{name}.png")
    pairs = audit(tmp_path).pairs
    stems = [
        [e.name.split(".")[0].split("-")[0] for e in (p.first, p.second)] for p in pairs
    ]
    true = sum(one == other for one, other in stems)
    assert true >= 0.95 * 3 * len(changes)  # the benchmark measures it on many more
    assert len(pairs) - true <= 1
