"""`manifest.csv`: a table of films from any sources.

Columns `path`, `source`, `label`, and optionally

* `group`: films that stay together; one with a slash may join several sources
* `split`: where the source puts the film
* `body_part`: tags, with a space or `+` between them, in any case; those that name a
  part (`fracture.classes.BODY_PARTS`) are learned
* `boxes`: `x0 y0 x1 y1` as fractions of width and height, `;` between boxes
* `root`: the folder, seen from the manifest, that every path starts from

Films lie in the manifest's own folder. Only a manifest that is named itself, as in
`--data audit/groups.csv`, may have another `root`: a folder of data from elsewhere
cannot make anyone read files beside it.
"""

from __future__ import annotations

import dataclasses
import functools
import math
import os
from collections.abc import Iterable
from pathlib import Path

from fracture.data.example import Box, DatasetError, Example
from fracture.data.formats.data_format import DataFormat, Provenance
from fracture.data.formats.fracatlas import FRACATLAS
from fracture.data.formats.table import Row, read_table, write_table
from fracture.data.labels import ALLOWED

# What is known of sources that come in a manifest.
SOURCES = {
    "sr2022": Provenance(
        title="'bone-fracture-7fylg'",
        citation="Roboflow",
        licence="CC BY 4.0",
        note="Its `line` is read as hairline, `angle` and `messed_up_angle` as "
        "displaced.",
    ),
    "bonebreak": Provenance(
        title="'Bone Break Classification'",
        citation="Roboflow, Kaggle",
        licence="CC BY 4.0 by its uploader's claim",
        note="Scraped and noisy, so for training only. Hairline is hairline; "
        "comminuted, dislocation, oblique and spiral are read as displaced.",
    ),
    "phantom": Provenance(title="synthetic films, drawn by `fracture/data/phantom.py`"),
}
_COLUMNS = (
    *("path", "source", "label", "group", "split", "body_part", "boxes", "root"),
)


def write_manifest(manifest: Path, examples: Iterable[Example], root: str = "") -> None:
    """Writes films as a manifest; their names become its paths.

    Args:
        manifest: the file to write.
        examples: the films.
        root: see the module; "" for the manifest's own folder.
    """
    rows = (
        (
            *(film.name, film.source, film.label, film.group, film.split),
            " ".join(sorted(film.tags)),
            ";".join(" ".join(f"{value:g}" for value in box) for box in film.boxes),
            root,
        )
        for film in examples
    )
    write_table(manifest, _COLUMNS, rows)


def _recognise(data: Path) -> bool:
    is_manifest = data.is_file() and data.suffix == ".csv"
    return is_manifest or (data / "manifest.csv").is_file()


def _read(data: Path) -> list[Example]:
    manifest = data / "manifest.csv" if data.is_dir() else data
    rows = read_table(manifest, ("path", "source", "label"))
    if not rows:
        raise DatasetError(f"{manifest} names no film", "manifest_empty")
    published = functools.cache(_published)
    examples = []
    for row in rows:
        root = manifest.parent
        if row["root"] and data.is_dir():
            row.inside("root", root)
        if row["root"] != rows[0]["root"]:
            problem = f"{row['root']!r} is not that of the first row; divide the table"
            raise row.error("root", problem, "manifest_root")
        path = row.inside("path", root / row["root"])
        if not os.path.isfile(path):
            problem = f"there is no file {row['path']!r:.200}; mend or remove the row"
            raise row.error("path", problem, "manifest_path")
        if row["label"] not in ALLOWED:
            problem = f"{row['label']!r:.80} is not one of {', '.join(ALLOWED)}"
            raise row.error("label", problem, "manifest_label")
        group = row["group"]
        if group and "/" not in group:
            group = f"{row['source']}/{group}"
        example = Example(
            path,
            Path(row["path"]).as_posix(),
            row["source"],
            row["label"],
            group,
            _boxes(row),
            frozenset(row["body_part"].lower().replace("+", " ").split()),
            row["split"],
        )
        # Films of a published FracAtlas tree keep its boxes and tags.
        if len(Path(row["path"]).parts) > 2 and (
            origin := published(path.parents[2]).get(path.name)
        ):
            boxes, tags = example.boxes or origin.boxes, example.tags | origin.tags
            example = dataclasses.replace(example, boxes=boxes, tags=tags)
        examples.append(example)
    return examples


def _published(tree: Path) -> dict[str, Example]:
    films = FRACATLAS.read(tree) if FRACATLAS.recognise(tree) else ()
    return {film.path.name: film for film in films}


def _boxes(row: Row) -> tuple[Box, ...]:
    try:
        boxes = [tuple(map(float, b.split())) for b in row["boxes"].split(";") if b]
    except ValueError:
        boxes = [(math.nan,)]
    for box in boxes:
        if len(box) != 4 or not (
            0 <= box[0] < box[2] <= 1 and 0 <= box[1] < box[3] <= 1
        ):
            problem = f"a box is x0 y0 x1 y1 in 0..1, got {row['boxes']!r:.80}"
            raise row.error("boxes", problem, "manifest_boxes")
    return tuple(boxes)


MANIFEST = DataFormat(title="a manifest.csv", recognise=_recognise, read=_read)
