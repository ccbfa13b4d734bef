"""Films that were read, grouped and split."""

import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from fracture.data import film_table
from fracture.data.example import DatasetError, Example
from fracture.data.film_table import load_table, read_films
from fracture.data.phantom import draw_phantom
from fracture.radiograph import RadiographError, read_radiograph


def save_phantom(path, label, seed):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(draw_phantom(label, seed, (114, 94)).pixels).save(path)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Class folders with 24 films, one of them twice and one of them broken."""
    folder = tmp_path_factory.mktemp("drawn")
    for label, count in (("normal", 20), ("displaced", 3)):
        for seed in range(count):
            save_phantom(folder / label / f"{seed}.png", label, seed)
    with Image.open(folder / "normal" / "3.png") as film:
        film.save(folder / "normal" / "copy.jpg", quality=60)
    (folder / "normal" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


def test_reads_groups_and_splits(drawn, tmp_path, capsys):
    table = load_table(drawn, tmp_path / "split.csv", 0, ())
    assert len(table.examples) == len(table.films) == len(table.splits) == 24
    assert "left out normal/broken.png" in capsys.readouterr().out
    rows = {
        e.name: (e.group, s) for e, s in zip(table.examples, table.splits, strict=True)
    }
    assert rows["normal/copy.jpg"] == rows["normal/3.png"]
    parts = [table.of(name) for name in ("train", "validation", "test")]
    assert sum(len(part.examples) for part in parts) == 24
    groups = [set(part.groups) for part in parts]
    assert not (groups[0] & groups[1] | groups[1] & groups[2] | groups[0] & groups[2])
    counts = table.counts()[drawn.name]
    assert sum(sum(by_label.values()) for by_label in counts.values()) == 24


@pytest.fixture
def grouped(drawn, tmp_path):
    """A manifest that knows its groups, so that none are searched for."""
    rows = ["path,source,label,group,root"]
    for path in sorted(drawn.glob("*/*.*")):
        name = path.relative_to(drawn).as_posix()
        rows.append(f"{name},s,{path.parent.name},{path.stem},{drawn}")
    manifest = tmp_path / "data.csv"
    manifest.write_text("\n".join(rows))
    return manifest


def test_a_written_split_is_kept(grouped, tmp_path):
    first = load_table(grouped, tmp_path / "split.csv", 0, ())
    again = load_table(grouped, tmp_path / "split.csv", 99, ())
    assert again.splits == first.splits and len(again.films) == 24
    for one, other in zip(first.films, again.films, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_split_of_other_data_is_seen_before_films_are_read(
    grouped, tmp_path, monkeypatch
):
    load_table(grouped, tmp_path / "split.csv", 0, ())
    rows = (tmp_path / "split.csv").read_text().splitlines()
    missing = rows.pop(7).split(",")[1]
    (tmp_path / "split.csv").write_text("\n".join(rows))
    read = []

    def counted(path):
        read.append(path.name)
        return read_radiograph(path)

    monkeypatch.setattr(film_table, "read_radiograph", counted)
    with pytest.raises(DatasetError, match=f"lacks {missing}") as error:
        load_table(grouped, tmp_path / "split.csv", 0, ())
    assert error.value.code == "split_of_others"
    # Beside the new film at most the broken one, which no split names.
    assert set(read) <= {missing.split("/")[1], "broken.png"}


def test_nothing_readable(tmp_path):
    (tmp_path / "normal").mkdir()
    (tmp_path / "normal" / "a.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="none of the films"):
        load_table(tmp_path, tmp_path / "split.csv", 0, ())


def test_films_are_read_in_order_and_not_by_one_thread(drawn):
    names = [f"normal/{n}.png" for n in range(20)] + ["normal/broken.png", "none.png"]
    examples = [Example(drawn / name, name, "s", "normal") for name in names]
    threads = set()

    def keep(pixels):
        threads.add(threading.get_ident())
        return pixels.mean()

    found = read_films(examples, keep)
    expected = [read_radiograph(drawn / name).pixels.mean() for name in names[:20]]
    assert found[:20] == expected
    assert all(isinstance(error, RadiographError) for error in found[20:])
    assert threading.get_ident() not in threads


READING = """
import os, signal, sys, time
from fracture.data import film_table
from fracture.data.example import Example

read, read_radiograph = [], film_table.read_radiograph

def slow(path):
    read.append(path)
    if len(read) == 5:
        os.kill(os.getpid(), signal.SIGINT)
    time.sleep(0.01)
    return read_radiograph(path)

film_table.read_radiograph = slow
try:
    film_table.read_films([Example(sys.argv[1], "1.png", "s", "normal")] * 5000)
except KeyboardInterrupt:
    count = len(read)
    time.sleep(0.1)
    print(count, len(read))
"""


def test_ctrl_c_stops_the_reading(drawn):
    """In a process of its own: the signal would reach pytest too."""
    command = [sys.executable, "-c", READING, drawn / "normal" / "1.png"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    at_once, later = map(int, found.stdout.split())
    assert at_once < 1000
    assert later - at_once <= 2  # what had begun; who read on would read twenty
    assert found.stderr.endswith("\n")  # the bar is closed


def test_a_published_split_is_kept_and_its_leak_counted(tmp_path):
    """Of a layout with folders train, val and test; copies are found, not told."""
    for part, seeds in (("train", range(6)), ("val", (6, 7)), ("test", (8, 9))):
        for name in ("fractured", "Not_fractured"):
            label = "displaced" if name == "fractured" else "normal"
            for seed in seeds:
                save_phantom(tmp_path / part / name / f"{seed}.png", label, seed)
    with Image.open(tmp_path / "train/fractured/3.png") as film:
        film.save(tmp_path / "test/fractured/copy.jpg", quality=60)
    out = tmp_path / "out" / "split.csv"
    table = load_table(tmp_path, out, 0, (), True)
    parts = {"train": "train", "val": "validation", "test": "test"}
    folders = [example.name.split("/")[0] for example in table.examples]
    assert table.splits == [parts[folder] for folder in folders]
    assert table.leaks() == {
        "validation": {"films": 4, "copied": 0, "grouped": 0},
        "test": {"films": 5, "copied": 1, "grouped": 1},
    }
    again = load_table(tmp_path, out, 0, (), True)
    assert (again.splits, again.leaks()) == (table.splits, table.leaks())


def test_what_was_not_published_is_said_before_films_are_read(drawn, tmp_path):
    out = tmp_path / "split.csv"
    with pytest.raises(DatasetError, match="--published-split") as error:
        load_table(drawn, out, 0, (), True)
    assert error.value.code == "no_published_split" and not out.exists()
