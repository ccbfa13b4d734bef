"""The film with its finding in words, whatever its size and that of the text."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from fracture import FractureClassifier
from fracture.data.phantom import draw_phantom
from fracture.radiograph import Notice, read_radiograph
from fracture.rendering.captioned import draw_captioned

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def classifier():
    return FractureClassifier.from_pretrained(ROOT / "weights", threads=1)


@pytest.mark.parametrize("shape", [(500, 300), (40, 900), (2200, 1500), (32, 32)])
def test_the_film_stands_whole_below_its_text(shape, classifier):
    pixels = draw_phantom("displaced", 3, (600, 600)).pixels
    rows, columns = (np.linspace(0, 599, n).astype(int) for n in shape)
    prediction = classifier.predict(pixels[rows][:, columns])
    picture = np.asarray(draw_captioned(prediction))
    height, width = picture.shape[:2]
    assert 720 <= width <= 1024 and picture.dtype == np.uint8
    scale = min(1.0, 1024 / max(shape))
    assert height > round(shape[0] * scale)
    # Text: white on black, in the first line and clear of the edges.
    first = picture[: width // 14]
    assert first.max() == 255 and not first[:, :10].any()


def test_of_what_was_not_judged_there_is_no_colour_and_no_probability(classifier):
    judged = classifier.predict(ROOT / "examples" / "displaced.png")
    unlike = dataclasses.replace(judged, novelty=1.0)
    bands = []
    for prediction in (judged, unlike):
        picture = np.asarray(draw_captioned(prediction), int)
        film = picture[-len(prediction.film.pixels) :]
        coloured = np.abs(film - film.mean(axis=2, keepdims=True)).max() > 12
        assert coloured == prediction.in_distribution
        bands.append(picture[: -len(film)])
    assert len(bands[0]) != len(bands[1]) or (bands[0] != bands[1]).any()


def test_warnings_are_read_on_the_picture(classifier):
    film = read_radiograph(draw_phantom("normal", 1, (400, 400)).pixels)
    notices = tuple(Notice("code", "A sentence of some words. " * 6) for _ in range(4))
    warned = dataclasses.replace(film, warnings=notices)
    plain, more = (draw_captioned(classifier.predict(f)) for f in (film, warned))
    assert more.width == plain.width and more.height > plain.height + 100
