"""Every published layout gives the same kind of table."""

import dataclasses
import importlib.util
import json

import numpy as np
import pytest
from PIL import Image

from fracture.data import formats
from fracture.data.datasets import (
    describe_source,
    list_films,
    load_examples,
    source_labels,
)
from fracture.data.example import DatasetError
from fracture.data.splits import given_splits


def save_film(path, size=(60, 80)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros(size[::-1], np.uint8)).save(path)
    return path


def test_class_folders(tmp_path):
    for label in ("normal", "hairline", "displaced"):
        save_film(tmp_path / label / "a.png")
    (tmp_path / "normal" / "notes.txt").write_text("not a film")
    (tmp_path / "normal" / "._a.png").write_text("what a Mac leaves beside a film")
    examples = load_examples(tmp_path)
    assert [e.label for e in examples] == ["normal", "hairline", "displaced"]
    assert source_labels(examples) == {
        tmp_path.name: {"normal", "hairline", "displaced"}
    }


@pytest.fixture
def fracatlas(tmp_path):
    names = ("IMG0000001.jpg", "IMG0000019.jpg", "IMG0000020.jpg")
    rows = ["image_id,hand,leg,hip,shoulder,mixed,hardware,multiscan,fractured"]
    for name, fractured in zip(names, (0, 1, 1), strict=True):
        folder = "Fractured" if fractured else "Non_fractured"
        save_film(tmp_path / "images" / folder / name)
        rows.append(f"{name},1,0,0,0,0,{fractured},0,{fractured}")
    rows.append("IMG0000999.jpg,1,0,0,0,0,0,0,0")  # a film that is not there
    (tmp_path / "dataset.csv").write_text("\n".join(rows))
    annotations = tmp_path / "Annotations" / "COCO JSON" / "masks.json"
    annotations.parent.mkdir(parents=True)
    films = [{"id": 7, "file_name": names[1], "width": 600, "height": 800}]
    boxes = [{"image_id": 7, "bbox": [60, 80, 120, 400]}]
    annotations.write_text(json.dumps({"images": films, "annotations": boxes}))
    return tmp_path


def test_fracatlas_as_published(fracatlas):
    examples = load_examples(fracatlas)
    assert [e.label for e in examples] == ["normal", "fractured", "fractured"]
    assert examples[1].boxes == ((0.1, 0.1, 0.3, 0.6),)  # whatever the file's size
    assert examples[1].tags == {"hand", "hardware"}
    groups = [e.group for e in examples]
    assert groups[0] == groups[1] != groups[2]  # blocks of 20 numbers


def test_a_manifest_beside_fracatlas_keeps_its_boxes_and_tags(fracatlas):
    (fracatlas / "manifest.csv").write_text(
        "path,source,label,body_part\n"
        "images/Fractured/IMG0000019.jpg,fracatlas,fractured,arm\n"
    )
    (example,) = load_examples(fracatlas)
    assert example.boxes == ((0.1, 0.1, 0.3, 0.6),)
    assert example.tags == {"arm", "hand", "hardware"}


@pytest.mark.parametrize(
    ("coco", "place"),
    [
        (b"{", "JSON"),
        (b"\xff\xfe\x00", "JSON"),
        (b"[" * 100_000, "JSON"),
        (b"[]", "images"),
        (b'{"images": [{"id": 7}], "annotations": []}', r"images\[0\].*width"),
        (b'{"images": [], "annotations": {"a": 1}}', r"annotations\[0\]"),
        (b'{"images": [], "annotations": [{"image_id": 1}]}', r"annotations\[0\]"),
        ({"image_id": [7]}, r"annotations\[1\] \(image_id"),
        ({"image_id": 7}, r"annotations\[1\].*bbox"),
        ({"image_id": 7, "bbox": 5}, r"annotations\[1\].*bbox"),
        ({"image_id": 7, "bbox": [1, 2, 3]}, r"annotations\[1\].*bbox"),
        ({"image_id": 7, "bbox": [1, 2, -3, 4]}, ".*no box in pixels"),
        ({"image_id": 7, "bbox": [1, 2, float("nan"), 4]}, ".*no box in pixels"),
        ({"image_id": 7, "bbox": [1, 2, 3, 10**400]}, r"annotations\[1\].*bbox"),
    ],
)
def test_broken_annotations_are_named(fracatlas, coco, place):
    path = fracatlas / "Annotations" / "COCO JSON" / "masks.json"
    if isinstance(coco, dict):
        whole = json.loads(path.read_bytes())
        whole["annotations"].append(coco)
        coco = json.dumps(whole).encode()
    path.write_bytes(coco)
    with pytest.raises(DatasetError, match=rf"masks\.json, {place}") as error:
        load_examples(fracatlas)
    assert error.value.code == "annotations"


def test_mura_groups_by_patient(tmp_path):
    for path in (
        "train/XR_HAND/patient00001/study1_positive/image1.png",
        "train/XR_HAND/patient00001/study2_negative/image1.png",
        "valid/XR_ELBOW/patient00002/study1_negative/image1.png",
    ):
        save_film(tmp_path / path)
    examples = load_examples(tmp_path)
    assert [e.label for e in examples] == ["fractured", "normal", "normal"]
    assert len({e.group for e in examples}) == 2
    assert [*examples[2].tags] == ["elbow"]
    splits = ["train", "train", "validation"]
    assert [*given_splits(tmp_path, examples).values()] == splits


@pytest.mark.parametrize(
    "wrapped",
    ["", "Bone_Fracture_Binary_Classification/Bone_Fracture_Binary_Classification/"],
)
def test_multi_region_as_published(tmp_path, wrapped):
    for part in ("train", "val", "test"):
        for name in ("fractured", "not fractured"):
            save_film(tmp_path / f"{wrapped}{part}" / name / "1.jpg")
    examples = load_examples(tmp_path)
    assert {e.source for e in examples} == {"multi_region"}
    assert not any(e.group for e in examples)  # copies are found when films are read
    assert {(e.path.parent.name, e.label) for e in examples} == {
        ("fractured", "fractured"),
        ("not fractured", "normal"),
    }
    for part, split in {"train": "train", "val": "validation", "test": "test"}.items():
        given = given_splits(tmp_path, examples)
        names = {name for name in given if f"{part}/" in name}
        assert len(names) == 2 and {given[name] for name in names} == {split}
    # One part alone: its "not fractured" is not lost.
    assert len(load_examples(tmp_path / f"{wrapped}train")) == 2


@pytest.mark.parametrize("normal", ["Not Fractured", "not_fractured", "Not-fractured"])
@pytest.mark.parametrize(
    "parts", [("train", "valid", "test"), ("Train", "VAL", "Test")]
)
def test_multi_region_as_people_have_it(tmp_path, normal, parts):
    for part in (*parts, "validation"):
        for name in ("Fractured", normal):
            save_film(tmp_path / part / name / "1.jpg")
    examples = load_examples(tmp_path)
    assert {(e.path.parent.name, e.label) for e in examples} == {
        ("Fractured", "fractured"),
        (normal, "normal"),
    }
    places = [("train", 2), ("validation", 4), ("test", 2)]
    splits = [example.split for example in examples]
    assert [(name, splits.count(name)) for name, _ in places] == places


@pytest.mark.parametrize("place", ["a/b/c/d/train", "fractured", "train/fractured"])
def test_what_is_not_multi_region(tmp_path, place):
    save_film(tmp_path / place / "fractured" / "1.jpg")
    if place.endswith("d/train"):  # wrapped too deep
        save_film(tmp_path / place / "not fractured" / "1.jpg")
    assert not formats.MULTI_REGION.recognise(tmp_path)


# All that adding a layout takes: this file, and its entry in FORMATS.
NEW_FORMAT = """
from fracture.data.example import Example, films_in
from fracture.data.formats.data_format import DataFormat


def _recognise(folder):
    return (folder / "broken").is_dir()


def _read(folder):
    return [
        Example(path, path.name, "wrists", "fractured")
        for path in films_in(folder / "broken")
    ]


WRISTS = DataFormat(
    title="Wrists",
    citation="A. Author, 2026",
    licence="CC0",
    recognise=_recognise,
    read=_read,
    source="wrists",
)
"""


def test_a_new_layout_is_one_file_and_one_entry(tmp_path, monkeypatch):
    film = save_film(tmp_path / "data" / "broken" / "a.png")
    with pytest.raises(DatasetError, match="holds none of") as error:
        load_examples(tmp_path / "data")
    assert "Wrists" not in str(error.value)
    assert list_films(tmp_path / "data")[0].label == ""
    (tmp_path / "wrists.py").write_text(NEW_FORMAT)
    spec = importlib.util.spec_from_file_location("wrists", tmp_path / "wrists.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, module.WRISTS))

    (example,) = load_examples(tmp_path / "data")
    assert (example.path, example.label) == (film, "fractured")
    assert describe_source("wrists") == "Wrists (A. Author, 2026), CC0."
    with pytest.raises(DatasetError, match=r"holds none of.*Wrists"):
        load_examples(tmp_path)


def test_every_layout_says_where_its_films_come_from():
    sources = [layout.source for layout in formats.FORMATS if layout.source]
    for source in (*sources, "sr2022", "bonebreak"):
        text = describe_source(source)
        assert "licence" in text or "CC BY" in text or "ODC" in text
    assert describe_source("mine") == describe_source("") == describe_source("x")


@pytest.mark.parametrize("folder", ["", "missing", "film.png"])
def test_unknown_layout_says_what_is_known(tmp_path, folder):
    save_film(tmp_path / "film.png")
    with pytest.raises(DatasetError, match=r"class folders|there is no") as error:
        load_examples(tmp_path / folder)
    assert error.value.code in ("unknown_layout", "no_data")


def test_a_name_that_no_table_can_hold(tmp_path):
    folder = tmp_path / "normal"
    save_film(folder / "a.png")
    try:
        (folder / "a.png").rename(folder / "caf\udce9.png")
    except (OSError, UnicodeError):
        pytest.skip("this file system has UTF-8 names only")
    with pytest.raises(DatasetError, match="rename") as error:
        load_examples(tmp_path)
    assert error.value.code == "file_name" and str(error.value).isascii()


def test_an_error_survives_pickling():
    import pickle

    error = pickle.loads(pickle.dumps(DatasetError("mend it", "path_outside")))
    assert (str(error), error.code) == ("mend it", "path_outside")
    assert dataclasses.is_dataclass(formats.DataFormat)
