"""Where labelled films come from: every source becomes one list of `Example`.

Recognised by what the folder holds:

* class folders: `normal/ hairline/ displaced/`, or `fractured/` beside `normal/`
* `manifest.csv`: columns `path, source, label` and optionally `group`, `body_part` and
  `boxes` (`x0 y0 x1 y1` as fractions of width and height, `;` between boxes)
* FracAtlas as published (Abedeen et al., Scientific Data 2023): `dataset.csv`,
  `images/Fractured`, `images/Non_fractured`, `Annotations/COCO JSON`
* MURA as published (Rajpurkar et al., 2017): `train/XR_*/patient*/study*_positive`;
  its "positive" means abnormal, which the published systems take for fractured
"""

from __future__ import annotations

import csv
import dataclasses
import json
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from fracture.data.labels import ALLOWED
from fracture.data.phantom import draw_phantom

FILM_SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom"),
}
FRACATLAS_TAGS = (
    *("hand", "leg", "hip", "shoulder", "mixed"),
    *("frontal", "lateral", "oblique", "hardware", "multiscan"),
)


class DatasetError(ValueError):
    """The data folder cannot be used; the message says what to change."""


@dataclasses.dataclass(frozen=True)
class Example:
    """One labelled film.

    Attributes:
        path: the file.
        name: unique within the data, relative to its folder, with `/`.
        source: data set it comes from; labels are only compared within one.
        label: one of `fracture.data.labels.ALLOWED`.
        group: films that must stay on one side of a split; "" if not known.
        boxes: fractures as `(x0, y0, x1, y1)` fractions of width and height.
        tags: what the source says of the film, for subgroup figures.
    """

    path: Path
    name: str
    source: str
    label: str
    group: str = ""
    boxes: tuple[tuple[float, float, float, float], ...] = ()
    tags: frozenset[str] = frozenset()


def load_examples(data: str | Path) -> list[Example]:
    """Reads the table of a data folder or of a manifest file.

    Raises:
        DatasetError: no recognised layout, no films, an unknown label, a missing file.
    """
    data = Path(data)
    if data.is_file() and data.suffix == ".csv":
        examples = _manifest(data)
    elif (data / "manifest.csv").is_file():
        examples = _manifest(data / "manifest.csv")
    elif (data / "dataset.csv").is_file() and (data / "images").is_dir():
        examples = _fracatlas(data)
    elif any(data.glob("*/XR_*")):
        examples = _mura(data)
    elif any((data / label).is_dir() for label in ALLOWED):
        examples = _class_folders(data)
    elif not data.exists():
        raise DatasetError(f"there is no {data}")
    else:
        raise DatasetError(
            f"{data} holds none of: a manifest.csv, class folders "
            f"({', '.join(ALLOWED)}), FracAtlas or MURA as published"
        )
    if not examples:
        raise DatasetError(f"no films found in {data}")
    return examples


def source_labels(examples: Iterable[Example]) -> dict[str, set[str]]:
    """Source -> the labels that occur in it."""
    labels: dict[str, set[str]] = {}
    for example in examples:
        labels.setdefault(example.source, set()).add(example.label)
    return labels


def write_phantoms(folder: str | Path, films_per_class: int, seed: int = 0) -> Path:
    """Draws a data set of phantom films with their boxes; returns its manifest."""
    from PIL import Image

    folder = Path(folder)
    rows = []
    for label in ("normal", "hairline", "displaced"):
        (folder / label).mkdir(parents=True, exist_ok=True)
        for index in range(films_per_class):
            # No seed is shared between labels: the limbs differ, too.
            phantom = draw_phantom(label, seed=len(rows) + 1_000_003 * seed)
            height, width = phantom.pixels.shape
            path = f"{label}/{index:05d}.png"
            Image.fromarray(phantom.pixels).save(folder / path)
            scaled = phantom.boxes / (width, height, width, height)
            boxes = ";".join(" ".join(f"{v:.5f}" for v in box) for box in scaled)
            rows.append((path, "phantom", label, f"phantom-{len(rows)}", boxes))
    manifest = folder / "manifest.csv"
    with manifest.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("path", "source", "label", "group", "boxes"))
        writer.writerows(rows)
    return manifest


def _class_folders(data: Path) -> list[Example]:
    return [
        Example(path, path.relative_to(data).as_posix(), data.resolve().name, label)
        for label in ALLOWED
        for path in sorted((data / label).rglob("*"))
        if path.suffix.lower() in FILM_SUFFIXES
    ]


def _manifest(manifest: Path) -> list[Example]:
    folder, examples = manifest.parent, []
    with manifest.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = {"path", "source", "label"} - set(reader.fieldnames or ())
        if missing:
            raise DatasetError(f"{manifest} lacks the columns {sorted(missing)}")
        published: dict[Path, dict[str, Example]] = {}
        for line, row in enumerate(reader, 2):
            where = f"{manifest}, line {line}"
            if row["label"] not in ALLOWED:
                known = ", ".join(ALLOWED)
                raise DatasetError(f"{where}: label {row['label']!r} is not of {known}")
            path = folder / row["path"]
            if not path.is_file():
                raise DatasetError(f"{where}: there is no file {row['path']}")
            example = Example(
                path,
                Path(row["path"]).as_posix(),
                row["source"],
                row["label"],
                _group(row),
                _boxes(row.get("boxes") or "", where),
                frozenset((row.get("body_part") or "").replace("+", " ").split()),
            )
            # Films of a published FracAtlas tree keep its boxes and tags.
            root = path.parent.parent.parent
            if (root / "dataset.csv").is_file():
                if root not in published:
                    published[root] = {e.path.name: e for e in _fracatlas(root)}
                origin = published[root].get(path.name)
                if origin:
                    example = dataclasses.replace(
                        example,
                        boxes=example.boxes or origin.boxes,
                        tags=example.tags | origin.tags,
                    )
            examples.append(example)
    return examples


def _group(row: dict[str, str]) -> str:
    """A group's name; one that has a slash is whole, and may join several sources."""
    group = row.get("group") or ""
    return group if "/" in group or not group else f"{row['source']}/{group}"


def _boxes(text: str, where: str) -> tuple[tuple[float, float, float, float], ...]:
    try:
        boxes = [tuple(map(float, box.split())) for box in text.split(";") if box]
    except ValueError as error:
        raise DatasetError(f"{where}: boxes are not numbers: {text!r}") from error
    for box in boxes:
        if len(box) != 4 or not (
            0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1
        ):
            raise DatasetError(f"{where}: a box is x0 y0 x1 y1 in 0..1, got {text!r}")
    return tuple(boxes)


def _fracatlas(data: Path) -> list[Example]:
    boxes: dict[str, list[tuple[float, ...]]] = {}
    for path in (data / "Annotations").glob("COCO*/*.json"):
        coco = json.loads(path.read_text(encoding="utf-8"))
        films = {film["id"]: film for film in coco["images"]}
        for annotation in coco["annotations"]:
            film = films[annotation["image_id"]]
            x, y, width, height = annotation["bbox"]
            box = np.array([x, y, x + width, y + height], float)
            box /= (film["width"], film["height"]) * 2
            boxes.setdefault(film["file_name"], []).append(
                tuple(box.clip(0, 1).round(6).tolist())
            )
    examples = []
    with (data / "dataset.csv").open(newline="", encoding="utf-8-sig") as file:
        for row in csv.DictReader(file):
            fractured = row["fractured"] == "1"
            name = row["image_id"]
            path = data / "images" / ("Fractured" if fractured else "Non_fractured")
            path /= name
            # The table lists films that a reduced copy of the data may lack.
            if not path.is_file():
                continue
            # There is no patient id; neighbouring numbers are often one patient.
            block = int(re.sub(r"\D", "", name) or 0) // 20
            examples.append(
                Example(
                    path,
                    path.relative_to(data).as_posix(),
                    "fracatlas",
                    "fractured" if fractured else "normal",
                    f"fracatlas/block-{block}",
                    tuple(boxes.get(name, ())),
                    frozenset(tag for tag in FRACATLAS_TAGS if row.get(tag) == "1"),
                )
            )
    return examples


def _mura(data: Path) -> list[Example]:
    return [
        Example(
            path,
            path.relative_to(data).as_posix(),
            "mura",
            "fractured" if path.parent.name.endswith("positive") else "normal",
            f"mura/{path.parents[1].name}",
            tags=frozenset({path.parents[2].name.removeprefix("XR_").lower()}),
        )
        for path in sorted(data.glob("*/XR_*/patient*/study*_*tive/*"))
        if path.suffix.lower() in FILM_SUFFIXES and not path.name.startswith(".")
    ]
