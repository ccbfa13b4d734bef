"""A report on any folder of labelled films, for `python -m fracture evaluate`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from fracture.classifier import FractureClassifier
from fracture.data.datasets import DatasetError, Example, load_examples
from fracture.data.duplicates import near_duplicate_groups
from fracture.data.splits import SPLIT_FILE, read_split
from fracture.evaluation.evaluate import evaluate
from fracture.prediction import Prediction
from fracture.radiograph import Radiograph, RadiographError, read_radiograph

_BATCH = 8
_THUMBNAIL = 128  # pixels; enough to tell near-duplicates


def evaluate_folder(
    data: str | Path,
    weights: str | Path = "weights",
    split: str | None = None,
    split_file: str | Path | None = None,
) -> dict:
    """Predicts labelled films and measures what comes out.

    Args:
        data: folder or manifest, see `fracture.data.datasets`.
        weights: a weights folder, or `user/name@revision` on the Hugging Face Hub.
        split: evaluates these films of `split_file` alone.
        split_file: as written by `train.py`; default that of the weights.

    Returns:
        `evaluate`'s report with `model_version`, and `unreadable`: `name`, `code` and
        `reason` of films that were left out. Films without a group are grouped with
        their near-duplicates.

    Raises:
        DatasetError: the films cannot be used.
        WeightsError: the weights cannot.
    """
    classifier = FractureClassifier.from_pretrained(weights)
    examples = load_examples(data)
    if split:
        path = Path(split_file or classifier.config.folder / SPLIT_FILE)
        if not path.is_file():
            raise DatasetError(f"there is no split file {path}")
        names = read_split(path)
        examples = [e for e in examples if names.get(e.name) == split]
        if not examples:
            raise DatasetError(f"{path} puts no film of {data} into {split!r}")
    elif split_file:
        raise DatasetError("a split file needs the name of a split, such as test")
    grouped = all(example.group for example in examples)
    readable, predictions, thumbnails, unreadable = [], [], [], []
    with tqdm(total=len(examples), desc="films", unit="film") as progress:
        for start in range(0, len(examples), _BATCH):
            batch = examples[start : start + _BATCH]
            films = _read(batch, unreadable)
            found = classifier.predict([film for _, film in films])
            readable += [example for example, _ in films]
            predictions += [_without_pixels(prediction) for prediction in found]
            if not grouped:
                thumbnails += [_thumbnail(film) for _, film in films]
            progress.update(len(batch))
    if not readable:
        raise DatasetError(f"none of the {len(examples)} films can be read")
    groups = [example.group for example in readable]
    if not grouped:
        groups = near_duplicate_groups(readable, thumbnails)
    return {
        "model_version": classifier.config.model_version,
        "unreadable": unreadable,
        **evaluate(readable, groups, predictions),
    }


def _read(
    examples: list[Example], unreadable: list[dict]
) -> list[tuple[Example, Radiograph]]:
    """The films that can be read; the others are noted with the reason."""
    films = []
    for example in examples:
        try:
            films.append((example, read_radiograph(example.path)))
        except RadiographError as error:
            reason = {"code": error.code, "reason": str(error)}
            unreadable.append({"name": example.name, **reason})
    return films


def _without_pixels(prediction: Prediction) -> Prediction:
    """A prediction whose film keeps its shape alone: thousands fit into memory."""
    empty = np.broadcast_to(np.uint8(0), prediction.film.pixels.shape)
    film = dataclasses.replace(prediction.film, pixels=empty)
    return dataclasses.replace(prediction, film=film)


def _thumbnail(film: Radiograph) -> np.ndarray:
    picture = Image.fromarray(film.pixels)
    picture.thumbnail((_THUMBNAIL, _THUMBNAIL))
    return np.asarray(picture)
