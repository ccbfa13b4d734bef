"""The Fracture Multi-Region X-ray set: `train/fractured`, `train/not fractured`, ...

Its archive wraps train, val and test in one or two folders more. The split is kept as
information only: copies of its films lie on both sides.
"""

from __future__ import annotations

from pathlib import Path

from fracture.data.example import SPLIT_OF_FOLDER, Example, films_in
from fracture.data.formats.data_format import DataFormat

_LABELS = {"fractured": "fractured", "not fractured": "normal"}


def _parts(folder: Path) -> list[Path]:
    """The folders, of one split each, that hold both labels."""
    depths = ("", "*/", "*/*/", "*/*/*/")
    found = (path for depth in depths for path in folder.glob(f"{depth}not fractured"))
    parts = {path.parent for path in found if path.is_dir()}
    return sorted(part for part in parts if (part / "fractured").is_dir())


def _recognise(folder: Path) -> bool:
    return bool(_parts(folder))


def _read(folder: Path) -> list[Example]:
    return [
        Example(
            path,
            path.relative_to(folder).as_posix(),
            "multi_region",
            label,
            split=SPLIT_OF_FOLDER.get(part.name.lower(), ""),
        )
        for part in _parts(folder)
        for name, label in _LABELS.items()
        for path in films_in(part / name)
    ]


MULTI_REGION = DataFormat(
    title="Fracture Multi-Region X-ray",
    citation="[Kaggle](https://www.kaggle.com/datasets/bmadushanirodrigo/"
    "fracture-multi-region-x-ray-data), put together from three other sets there",
    licence="ODC-By 1.0 by its uploader's claim",
    note="Recognised by the names of its folders alone. Of 9,752 files in train and "
    "test 8,930 are rotated copies of about 124 films, and 453 contents occur on both "
    "sides: its own split is not used.",
    recognise=_recognise,
    read=_read,
    source="multi_region",
)
