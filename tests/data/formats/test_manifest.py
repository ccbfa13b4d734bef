"""Manifests: what they hold is kept; whatever is wrong is named by row and column."""

import csv
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from fracture.data.datasets import load_examples, write_phantoms
from fracture.data.example import DatasetError
from fracture.data.formats.manifest import write_manifest
from fracture.data.splits import given_splits, read_split

HEADER = b"path,source,label\n"


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """A data folder with a film, beside one that is none of its own."""
    folder = tmp_path_factory.mktemp("films")
    film = Image.fromarray(np.zeros((80, 60), np.uint8))
    for path in ("data/a.png", "data/x/a.png", "other/secret.png"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        film.save(folder / path)
    (folder / "data" / "link.png").symlink_to(folder / "other" / "secret.png")
    (folder / "data" / "inner.png").symlink_to(folder / "data" / "a.png")
    (folder / "data" / "loop.png").symlink_to(folder / "data" / "loop.png")
    return folder


@pytest.fixture
def data(films):
    yield films / "data"
    (films / "data" / "manifest.csv").unlink(missing_ok=True)


def test_keeps_groups_boxes_tags_and_splits(data):
    (data / "manifest.csv").write_text(
        "path,source,label,body_part,group,boxes,split\n\n"
        "x/a.png,clinic,hairline,Hand+LEG,p1,0.1 0.2 0.3 0.4;0 0 1 1,test\n"
        "inner.png,clinic,normal\n"
    )
    example, other = load_examples(data / "manifest.csv")
    assert (example.source, example.group) == ("clinic", "clinic/p1")
    assert example.tags == {"hand", "leg"}
    assert example.boxes == ((0.1, 0.2, 0.3, 0.4), (0.0, 0.0, 1.0, 1.0))
    assert other.group == "" and other.boxes == () and not other.tags
    splits = given_splits(data, [example, other])
    assert splits == {"x/a.png": "test", "inner.png": ""}


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_what_spreadsheets_write(data, mark, end):
    rows = f"path,source,label{end}a.png,Klinik Zürich,normal{end}"
    (data / "manifest.csv").write_bytes((mark + rows).encode())
    assert load_examples(data)[0].source == "Klinik Zürich"


ROW = HEADER + b"a.png,s,normal\n"
BOXES = b"path,source,label,boxes\na.png,s,normal,"


@pytest.mark.parametrize(
    ("table", "code", "where"),
    [
        (
            ROW + "caf\xe9.png,s,normal\n".encode("latin-1"),
            "encoding",
            "3, column path",
        ),
        (ROW.decode().encode("utf-16"), "encoding", "line 1, column 1"),
        (HEADER + b"a.png,\0,normal\n", "encoding", "line 2, column source"),
        (ROW + b"a.png,%b,normal\n" % (b"s" * 200_000), "field", "3, column source"),
        (b"path,%b\n" % (b"s" * 200_000), "field", "line 1, column 2"),
        (ROW + b'"a.png,s,normal\n' + b"a.png,s,normal\n" * 9000, "field", "3, column"),
        (b"path,label\na.png,normal\n", "column", "line 1: needs one column source"),
        (b"path,source,label,path\n", "column", "one column path"),
        (b"", "column", "line 1: needs one column path"),
        (HEADER, "empty", "names no film"),
        (ROW + b"a, b.png,s,normal\n", "row", "line 3, column label: 4 cells"),
        (HEADER + b"a.png\n", "label", "line 2, column label: ''"),
        (HEADER + b"a.png,s,broken\n", "label", "line 2, column label: 'broken'"),
        (HEADER + b"b.png,s,normal\n", "path", "2, column path.*no file 'b.png'"),
        (HEADER + b",s,normal\n", "path", "line 2, column path"),
        (HEADER + b"%b.png,s,normal\n" % (b"a" * 5000), "path", "line 2, column path"),
        (HEADER + b"loop.png,s,normal\n", "path", "line 2, column path"),
        (BOXES + b"1 2\n", "boxes", "line 2, column boxes"),
        (BOXES + b"x y\n", "boxes", "line 2, column boxes"),
        (BOXES + b"0 0 nan 1\n", "boxes", "line 2, column boxes"),
        (b'"a\nb",path,source,label\n\n1,b.png,s,normal\n', "path", "line 4, column"),
    ],
)
def test_bad_manifest_says_where_and_why(data, table, code, where):
    (data / "manifest.csv").write_bytes(table)
    with pytest.raises(DatasetError, match=rf"manifest\.csv.*{where}") as error:
        load_examples(data)
    assert error.value.code == f"manifest_{code}"
    assert len(str(error.value)) < 800


@pytest.mark.parametrize("name", ["{}/other/secret.png", "../other/secret.png"])
@pytest.mark.parametrize("named", [False, True])
def test_paths_that_lead_out(films, data, name, named):
    name = name.format(films)
    (data / "manifest.csv").write_bytes(ROW + f"{name},s,normal\n".encode())
    with pytest.raises(DatasetError, match=r"line 3, column path.*leads out") as error:
        load_examples(data / "manifest.csv" if named else data)
    assert error.value.code == "path_outside"


def test_links_may_lead_inside_and_not_out(data):
    (data / "manifest.csv").write_bytes(HEADER + b"inner.png,s,normal\n")
    assert len(load_examples(data)) == 1
    (data / "manifest.csv").write_bytes(HEADER + b"link.png,s,normal\n")
    with pytest.raises(DatasetError, match=r"line 2, column path.*leads out"):
        load_examples(data)


def test_only_a_manifest_that_is_named_may_start_elsewhere(films, data):
    rows = "path,source,label,root\nsecret.png,s,normal,../other\n"
    (data / "manifest.csv").write_text(rows)
    (example,) = load_examples(data / "manifest.csv")
    assert example.name == "secret.png"
    assert example.path.resolve() == (films / "other" / "secret.png").resolve()
    with pytest.raises(DatasetError, match=r"line 2, column root.*leads out") as error:
        load_examples(data)
    assert error.value.code == "path_outside"
    (data / "manifest.csv").write_text(rows + "../data/a.png,s,normal,../other\n")
    with pytest.raises(DatasetError, match=r"line 3, column path.*leads out"):
        load_examples(data / "manifest.csv")
    (data / "manifest.csv").write_text(rows + "a.png,s,normal,.\n")
    with pytest.raises(DatasetError, match="line 3, column root") as error:
        load_examples(data / "manifest.csv")
    assert error.value.code == "manifest_root"


def test_a_table_too_large_is_not_read(data):
    with (data / "manifest.csv").open("wb") as file:
        file.truncate(2**28 + 1)
    with pytest.raises(DatasetError, match="over 256 MiB") as error:
        load_examples(data)
    assert error.value.code == "manifest_size"


def test_damaged_tables_raise_nothing_else(data):
    """Random damage to a good table: it is read or refused, nothing else."""
    limit, rng, refused = csv.field_size_limit(), np.random.default_rng(0), 0
    good = np.frombuffer(BOXES + b"0 0 1 1\nx/a.png,s,hairline,0.1 0.1 0.2 0.2\n", "u1")
    odd = np.frombuffer(b'\0"\r\n,;./\\ \xff\xc3-e', "u1")
    for _ in range(300):
        table = good.copy()
        places = rng.integers(len(table), size=rng.integers(1, 6))
        table[places] = rng.choice(odd, len(places))
        (data / "manifest.csv").write_bytes(table.tobytes())
        try:
            load_examples(data)
        except DatasetError as error:
            refused += 1
            assert error.code != "unusable_data"
    assert refused > 200 and csv.field_size_limit() == limit


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("image_id", "../../../secret.png", "path_outside"),
        ("image_id", "/etc/passwd", "path_outside"),
        ("image_id", "\udcff.jpg", "manifest_encoding"),
        ("fractured", "yes", "manifest_label"),
    ],
)
def test_the_table_of_fracatlas_is_read_with_the_same_care(
    tmp_path, column, cell, code
):
    (tmp_path / "images" / "Fractured").mkdir(parents=True)
    row = {"image_id": "IMG1.jpg", "fractured": "1", column: cell}
    table = "image_id,fractured\n" + ",".join(row.values())
    (tmp_path / "dataset.csv").write_text(table, "utf-8", "surrogateescape")
    with pytest.raises(DatasetError, match=f"line 2, column {column}") as error:
        load_examples(tmp_path)
    assert error.value.code == code


@pytest.mark.parametrize("content", [b"\xff\xfe", b"what,ever\n1,2\n", None])
def test_a_split_file_is_read_with_the_same_care(tmp_path, content):
    path = tmp_path / "split.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"split\.csv") as error:
        read_split(path)
    assert error.value.code.startswith("manifest_")


def test_written_and_read_again(data, tmp_path):
    rows = "path,source,label,group,split,body_part,boxes\n"
    rows += 'a.png,"x, y",hairline,p1,train,leg hand,0.123456 0.2 0.345678 1\n'
    (data / "manifest.csv").write_text(rows + "x/a.png,s,normal\n")
    examples = load_examples(data)
    write_manifest(tmp_path / "new.csv", examples, os.path.relpath(data, tmp_path))
    again = load_examples(tmp_path / "new.csv")
    for one, other in zip(examples, again, strict=True):
        assert one.path.samefile(other.path)
        assert {**vars(one), "path": ""} == {**vars(other), "path": ""}


def test_phantoms_are_a_data_set(tmp_path):
    examples = load_examples(write_phantoms(tmp_path / "a", 2, seed=3))
    labels = ["normal"] * 2 + ["hairline"] * 2 + ["displaced"] * 2
    assert [e.label for e in examples] == labels
    assert all(bool(e.boxes) == (e.label != "normal") for e in examples)
    assert len({e.group for e in examples}) == 6
    shutil.move(tmp_path / "a", tmp_path / "b")  # its paths are its own
    assert len(load_examples(tmp_path / "b")) == 6
