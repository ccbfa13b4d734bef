"""Heatmaps as files: an index that is data, a palette that makes it the overlay."""

import io

import numpy as np
import pytest
from PIL import Image

from fracture import FractureClassifier
from fracture.classes import MAPS
from fracture.data.phantom import draw_phantom
from fracture.rendering.pictures import film_jpeg, heatmap_png, strength


@pytest.fixture(scope="module")
def prediction(weights):
    classifier = FractureClassifier.from_pretrained(weights)
    return classifier.predict(draw_phantom("displaced", 3, (500, 300)).pixels)


@pytest.mark.parametrize("target", MAPS)
def test_laid_over_the_film_it_is_the_overlay(prediction, target):
    heat = Image.open(io.BytesIO(heatmap_png(prediction, target, 500))).convert("RGBA")
    alpha = np.asarray(heat)[..., 3] * 0.6
    heat.putalpha(Image.fromarray(alpha.astype(np.uint8)))
    film = Image.fromarray(prediction.film.pixels).convert("RGBA")
    page = np.asarray(Image.alpha_composite(film, heat).convert("RGB"), int)
    overlay = np.asarray(prediction.overlay(target, 0.6, marks=False), int)
    assert np.abs(page - overlay).max() <= 3


def test_the_index_is_the_strength(prediction):
    picture = Image.open(io.BytesIO(heatmap_png(prediction, "fracture", 500)))
    assert picture.mode == "P"
    reference = prediction.config.heatmap_reference
    values = np.minimum(np.asarray(picture) / 255 * reference, reference)
    expected = np.minimum(prediction.heatmap, reference)
    np.testing.assert_allclose(values, expected, atol=reference / 200)


def test_reduced_maps_stay_in_place(prediction):
    full, small = prediction.heatmap, strength(prediction, "fracture", 100)
    assert small.shape == (100, 60)
    np.testing.assert_allclose(small, full[2::5, 2::5], atol=0.05 * full.max())


@pytest.mark.parametrize(("side", "size"), [(100, (60, 100)), (5000, (300, 500))])
def test_films_are_reduced_never_enlarged(prediction, side, size):
    assert Image.open(io.BytesIO(film_jpeg(prediction, side))).size == size


def test_an_unknown_target_is_refused(prediction):
    with pytest.raises(ValueError, match="target"):
        strength(prediction, "scaphoid", 100)
