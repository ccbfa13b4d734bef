"""Every published layout gives the same kind of table; bad tables say why."""

import json

import numpy as np
import pytest
from PIL import Image

from fracture.data.datasets import (
    DatasetError,
    load_examples,
    source_labels,
    write_phantoms,
)


def save_film(path, size=(60, 80)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.zeros(size[::-1], np.uint8)).save(path)
    return path


def test_class_folders(tmp_path):
    for label in ("normal", "hairline", "displaced"):
        save_film(tmp_path / label / "a.png")
    (tmp_path / "normal" / "notes.txt").write_text("not a film")
    examples = load_examples(tmp_path)
    assert [e.label for e in examples] == ["normal", "hairline", "displaced"]
    assert source_labels(examples) == {
        tmp_path.name: {"normal", "hairline", "displaced"}
    }


def test_fracatlas_as_published(tmp_path):
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
    annotations.write_text(
        json.dumps(
            {
                "images": [
                    {"id": 7, "file_name": names[1], "width": 600, "height": 800}
                ],
                "annotations": [{"image_id": 7, "bbox": [60, 80, 120, 400]}],
            }
        )
    )
    examples = load_examples(tmp_path)
    assert [e.label for e in examples] == ["normal", "fractured", "fractured"]
    assert examples[1].boxes == ((0.1, 0.1, 0.3, 0.6),)  # whatever the file's size
    assert examples[1].tags == {"hand", "hardware"}
    groups = [e.group for e in examples]
    assert groups[0] == groups[1] != groups[2]  # blocks of 20 numbers


def test_manifest_keeps_groups_boxes_and_tags(tmp_path):
    save_film(tmp_path / "x" / "a.png")
    (tmp_path / "manifest.csv").write_text(
        "path,source,label,body_part,group,boxes\n"
        "x/a.png,clinic,hairline,hand+leg,p1,0.1 0.2 0.3 0.4;0 0 1 1\n"
    )
    (example,) = load_examples(tmp_path / "manifest.csv")
    assert (example.source, example.group) == ("clinic", "clinic/p1")
    assert example.tags == {"hand", "leg"}
    assert example.boxes == ((0.1, 0.2, 0.3, 0.4), (0.0, 0.0, 1.0, 1.0))


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


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ("path,label\n", "lacks the columns"),
        ("path,source,label\na.png,s,broken\n", "line 2: label 'broken'"),
        ("path,source,label\nb.png,s,normal\n", "no file b.png"),
        ("path,source,label,boxes\na.png,s,normal,1 2\n", "a box is"),
        ("path,source,label,boxes\na.png,s,normal,x y\n", "not numbers"),
        ("path,source,label\n", "no films"),
    ],
)
def test_bad_manifest_says_why(tmp_path, manifest, reason):
    save_film(tmp_path / "a.png")
    (tmp_path / "manifest.csv").write_text(manifest)
    with pytest.raises(DatasetError, match=reason):
        load_examples(tmp_path)


@pytest.mark.parametrize("folder", ["", "missing"])
def test_unknown_layout_says_what_is_known(tmp_path, folder):
    with pytest.raises(DatasetError, match=r"class folders|there is no"):
        load_examples(tmp_path / folder)


def test_phantoms_are_a_data_set(tmp_path):
    examples = load_examples(write_phantoms(tmp_path, 2, seed=3))
    assert [e.label for e in examples] == ["normal"] * 2 + ["hairline"] * 2 + [
        "displaced"
    ] * 2
    assert all(bool(e.boxes) == (e.label != "normal") for e in examples)
