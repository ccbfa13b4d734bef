"""Films that were read, grouped and split."""

import shutil

import numpy as np
import pytest
from PIL import Image

from fracture.data.datasets import DatasetError
from fracture.data.film_table import load_table
from fracture.data.phantom import draw_phantom


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Class folders with 40 films, one of them twice and one of them broken."""
    folder = tmp_path_factory.mktemp("drawn")
    for label in ("normal", "displaced"):
        (folder / label).mkdir()
        for seed in range(20):
            film = Image.fromarray(draw_phantom(label, seed, (227, 187)).pixels)
            film.save(folder / label / f"{seed}.png")
    copy = Image.open(folder / "normal" / "3.png")
    copy.save(folder / "normal" / "copy.jpg", quality=60)
    (folder / "normal" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    return folder


@pytest.fixture
def folder(drawn, tmp_path):
    """A copy that a test may change."""
    return shutil.copytree(drawn, tmp_path, dirs_exist_ok=True)


def test_reads_groups_and_splits(folder, capsys):
    table = load_table(folder, folder / "split.csv", 0, ())
    assert len(table.examples) == len(table.films) == len(table.splits) == 41
    assert "left out normal/broken.png" in capsys.readouterr().out
    rows = {
        e.name: (e.group, s) for e, s in zip(table.examples, table.splits, strict=True)
    }
    assert rows["normal/copy.jpg"] == rows["normal/3.png"]
    parts = [table.of(name) for name in ("train", "validation", "test")]
    assert sum(len(part.examples) for part in parts) == 41
    groups = [set(part.groups) for part in parts]
    assert not (groups[0] & groups[1] | groups[1] & groups[2] | groups[0] & groups[2])
    counts = table.counts()[folder.name]
    assert sum(sum(by_label.values()) for by_label in counts.values()) == 41


def test_a_written_split_is_kept(folder):
    first = load_table(folder, folder / "split.csv", 0, ())
    again = load_table(folder, folder / "split.csv", 99, ())
    assert again.splits == first.splits
    for one, other in zip(first.films, again.films, strict=True):
        np.testing.assert_array_equal(one, other)
    Image.fromarray(draw_phantom("normal", 77).pixels).save(folder / "normal/new.png")
    with pytest.raises(DatasetError, match=r"lacks normal/new\.png"):
        load_table(folder, folder / "split.csv", 0, ())


def test_nothing_readable(tmp_path):
    (tmp_path / "normal").mkdir()
    (tmp_path / "normal" / "a.png").write_bytes(b"")
    with pytest.raises(DatasetError, match="none of the films"):
        load_table(tmp_path, tmp_path / "split.csv", 0, ())
