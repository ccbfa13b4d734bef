"""MURA as published: `train/XR_*/patient*/study*_positive`."""

from __future__ import annotations

from pathlib import Path

from fracture.data.example import Example, films_in
from fracture.data.formats.data_format import DataFormat


def _recognise(folder: Path) -> bool:
    return any(folder.glob("*/XR_*"))


def _read(folder: Path) -> list[Example]:
    return [
        Example(
            path,
            path.relative_to(folder).as_posix(),
            "mura",
            "fractured" if path.parent.name.endswith("positive") else "normal",
            f"mura/{path.parents[1].name}",
            tags=frozenset({path.parents[2].name.removeprefix("XR_").lower()}),
        )
        for path in films_in(folder, "*/XR_*/patient*/study*_*tive/*")
    ]


MURA = DataFormat(
    title="MURA",
    citation="Rajpurkar et al., 2017, [arXiv](https://arxiv.org/abs/1712.06957)",
    licence="licence not recorded here",
    note='Its "positive" means abnormal, which the published systems take for '
    "fractured.",
    recognise=_recognise,
    read=_read,
    source="mura",
)
