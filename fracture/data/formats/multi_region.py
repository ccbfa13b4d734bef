"""The Fracture Multi-Region X-ray set: `train/fractured`, `train/not fractured`, ...

Its archive wraps train, val (or valid, validation) and test in one or two folders more.
Its split is kept, but used on request alone: copies of its films lie on both sides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from fracture.data.example import SPLIT_OF_FOLDER, Example, films_in
from fracture.data.formats.data_format import DataFormat

_LABELS = {"fractured": "fractured", "notfractured": "normal"}
_DEPTH = 3  # folders in which the parts may be wrapped


def _parts(folder: Path, depth: int = _DEPTH) -> Iterator[dict[str, list[Path]]]:
    """The folders of each part that holds both labels, by label."""
    inside = sorted(path for path in folder.glob("*/") if path.is_dir())
    part: dict[str, list[Path]] = {}
    for path in inside:
        # People also write `Not_Fractured` and `not-fractured`.
        plain = re.sub(r"[\W_]", "", path.name).lower()
        if plain in _LABELS:
            part.setdefault(_LABELS[plain], []).append(path)
    if len(part) == len(_LABELS):
        yield part
    elif depth:
        for path in inside:
            yield from _parts(path, depth - 1)


def _recognise(folder: Path) -> bool:
    return any(_parts(folder))


def _read(folder: Path) -> list[Example]:
    return [
        Example(
            path,
            path.relative_to(folder).as_posix(),
            "multi_region",
            label,
            split=SPLIT_OF_FOLDER.get(place.parent.name.lower(), ""),
        )
        for part in _parts(folder)
        for label, places in part.items()
        for place in places
        for path in films_in(place)
    ]


MULTI_REGION = DataFormat(
    title="Fracture Multi-Region X-ray",
    citation="[Kaggle](https://www.kaggle.com/datasets/bmadushanirodrigo/"
    "fracture-multi-region-x-ray-data), put together from three other sets there",
    licence="ODC-By 1.0 by its uploader's claim",
    note="Recognised by the names of its folders alone. Of 9,752 files in train and "
    "test 8,930 are rotated copies of about 124 films, and 453 contents occur on both "
    "sides: its own split is used on request alone.",
    recognise=_recognise,
    read=_read,
    source="multi_region",
)
