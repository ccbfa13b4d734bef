"""One labelled film of a data set, and why a data set cannot be used."""

from __future__ import annotations

import dataclasses
from pathlib import Path

FILM_SUFFIXES = {
    *(".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom"),
}
SPLIT_OF_FOLDER = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "validation"),
    **dict.fromkeys(("test", "testing"), "test"),
}
Box = tuple[float, float, float, float]


class DatasetError(ValueError):
    """The data cannot be used: a stable `code`; the message says what to change."""

    def __init__(self, message: str, code: str = "unusable_data") -> None:
        super().__init__(message, code)  # both, so that it survives pickling
        self.code = code

    def __str__(self) -> str:
        return self.args[0]


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
        split: where the source itself puts the film; "" if it does not say.
    """

    path: Path
    name: str
    source: str
    label: str
    group: str = ""
    boxes: tuple[Box, ...] = ()
    tags: frozenset[str] = frozenset()
    split: str = ""


def films_in(folder: Path, pattern: str = "**/*") -> list[Path]:
    """The files below a folder that are films by their name, sorted.

    Raises:
        DatasetError: `file_name`, one that no table could hold.
    """
    films = [
        path
        for path in sorted(folder.glob(pattern))
        if path.suffix.lower() in FILM_SUFFIXES
        and not path.name.startswith(".")
        and not path.is_dir()
    ]
    for film in films:
        try:
            str(film).encode()
        except UnicodeEncodeError:
            message = f"{str(film)!a}: the name is not UTF-8; rename the file"
            raise DatasetError(message, "file_name") from None
    return films
