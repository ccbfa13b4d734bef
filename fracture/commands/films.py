"""From films to answers, many at a time."""

from __future__ import annotations

import collections
import functools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import numpy as np
from PIL import Image

from fracture.classifier import FractureClassifier
from fracture.prediction import Prediction
from fracture.radiograph import Radiograph, RadiographError
from fracture.result import Result

Drawing = Callable[[Prediction], Image.Image]


def open_folders(
    overlays: Path | None, heatmaps: Path | None
) -> list[tuple[Drawing, Path, str]]:
    """Makes the folders for pictures: how to draw, where to save, with what suffix."""
    wanted = [(Prediction.overlay, overlays, ".jpg"), (draw_heatmap, heatmaps, ".png")]
    drawings = [drawing for drawing in wanted if drawing[1]]
    for _, folder, _ in drawings:
        folder.mkdir(parents=True, exist_ok=True)
    return drawings


def attempt(read: Callable[[str], Radiograph], film: str) -> Callable[[], Radiograph]:
    """Reads a film now; what is returned gives it, or raises why there is none."""
    try:
        found = read(film)
    except RadiographError as error:
        return functools.partial(_fail, error)
    return lambda: found


def _fail(error: RadiographError) -> NoReturn:
    raise error


def answer(
    classifier: FractureClassifier,
    film: str,
    pictures: dict[Drawing, Path],
    read: Callable[[], Radiograph],
) -> dict:
    """Classifies one film and saves its pictures.

    Args:
        film: its name.
        pictures: what to draw -> where to save it.
        read: gives the film.

    Returns:
        `name`, `model_version` and what `Result.to_dict` gives.
    """
    result = Result.of(classifier, film, read)
    if result.prediction:
        for draw, path in pictures.items():
            draw(result.prediction).save(path, quality=90)
    named = {"name": film, "model_version": classifier.config.model_version}
    return named | result.to_dict()


def draw_heatmap(prediction: Prediction) -> Image.Image:
    """The evidence of a fracture as 8-bit grey, at the film's size; 255 is clear."""
    strength = prediction.heatmap / prediction.config.heatmap_reference
    return Image.fromarray((strength.clip(0, 1) * 255).astype(np.uint8))


def in_order(work: Callable, items: Iterable, jobs: int) -> Iterator:
    """Works on some items at once; results come in order, and never far ahead.

    One may feed another: each stage then works ahead of the next.
    """
    waiting = collections.deque()
    with ThreadPoolExecutor(jobs) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > 2 * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
