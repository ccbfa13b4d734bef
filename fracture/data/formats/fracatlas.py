"""FracAtlas as published.

`dataset.csv`, `images/Fractured`, `images/Non_fractured`, `Annotations/COCO JSON`.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from fracture.data.example import Box, DatasetError, Example
from fracture.data.formats.data_format import DataFormat
from fracture.data.formats.table import read_table

_TAGS = (
    *("hand", "leg", "hip", "shoulder", "mixed"),
    *("frontal", "lateral", "oblique", "hardware", "multiscan"),
)
_MOST_BYTES = 2**28  # of an annotation file; the published one has 1 MB
# What damaged JSON, or JSON of another kind, makes its reader raise.
_BROKEN = (
    *(LookupError, OSError, OverflowError, RecursionError, TypeError, ValueError),
)


def _recognise(folder: Path) -> bool:
    return (folder / "dataset.csv").is_file() and (folder / "images").is_dir()


def _read(folder: Path) -> list[Example]:
    boxes: dict[str, list[Box]] = {}
    for path in sorted((folder / "Annotations").glob("COCO*/*.json")):
        for name, box in _boxes(path):
            boxes.setdefault(name, []).append(box)
    examples = []
    for row in read_table(folder / "dataset.csv", ("image_id", "fractured")):
        if row["fractured"] not in ("0", "1"):
            problem = f"{row['fractured']!r:.80} is neither 0 nor 1"
            raise row.error("fractured", problem, "manifest_label")
        fractured = row["fractured"] == "1"
        images = folder / "images" / ("Fractured" if fractured else "Non_fractured")
        path, name = row.inside("image_id", images), row["image_id"]
        # The table lists films that a reduced copy of the data may lack.
        if not os.path.isfile(path):
            continue
        # There is no patient id; neighbouring numbers are often one patient.
        block = int(re.sub(r"\D", "", name)[:18] or 0) // 20
        examples.append(
            Example(
                path,
                path.relative_to(folder).as_posix(),
                "fracatlas",
                "fractured" if fractured else "normal",
                f"fracatlas/block-{block}",
                tuple(boxes.get(name, ())),
                frozenset(tag for tag in _TAGS if row[tag] == "1"),
            )
        )
    return examples


def _boxes(path: Path) -> Iterator[tuple[str, Box]]:
    """Film name and box of each annotation in a COCO file."""
    place, films = "JSON", {}
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("the file is too large")
        coco = json.loads(path.read_bytes())
        place = "images"
        for index, film in enumerate(coco["images"]):
            place = f"images[{index}] (id, file_name, width, height)"
            size = np.array([film["width"], film["height"]], float)
            films[film["id"]] = str(film["file_name"]), size
        place = "annotations"
        for index, annotation in enumerate(coco["annotations"]):
            place = f"annotations[{index}] (image_id, bbox)"
            name, size = films[annotation["image_id"]]
            x, y, width, height = map(float, annotation["bbox"])
            box = np.array([x, y, x + width, y + height])
            if not (np.isfinite(box).all() and min(width, height, *size - 1) >= 0):
                raise ValueError("no box in pixels")
            yield name, tuple((box / [*size, *size]).clip(0, 1).round(6).tolist())
    except _BROKEN as error:
        problem = f"{path}, {place}: {error!r:.120}; download the file again"
        raise DatasetError(problem, "annotations") from error


FRACATLAS = DataFormat(
    title="FracAtlas",
    citation="Abedeen et al., Scientific Data 2023, "
    "[doi](https://doi.org/10.6084/m9.figshare.22363012)",
    licence="CC BY 4.0",
    note="Films over 1,024 pixels reduced to that; duplicates and contradictory labels "
    "removed.",
    recognise=_recognise,
    read=_read,
    source="fracatlas",
)
