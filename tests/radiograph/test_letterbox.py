"""The transform between film and square, and back."""

import numpy as np
import pytest

from fracture.radiograph.letterbox import Letterbox

SHAPES = [(454, 373), (373, 454), (96, 96), (1000, 40), (40, 1000), (33, 900)]


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_keeps_aspect_and_pads_with_black(shape):
    letterbox = Letterbox(*shape, 96)
    square = letterbox.apply(np.full(shape, 200, np.uint8))
    left, top, width, height = letterbox.inner
    assert square.shape == (96, 96) and max(width, height) == 96
    # The shorter side is right to half a pixel.
    assert abs(width * shape[0] - height * shape[1]) <= 0.5 * max(shape)
    inside = np.zeros_like(square)
    inside[top : top + height, left : left + width] = 200
    np.testing.assert_array_equal(square, inside)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("place", [(0.2, 0.3), (0.5, 0.5), (0.9, 0.7)], ids=str)
@pytest.mark.parametrize("first", [0.0, 4.0], ids=["on corners", "on centres"])
def test_a_point_comes_back_to_where_it_was(shape, place, first):
    """Film -> square -> cells -> film moves a bright spot by less than a cell."""
    height, width = shape
    y, x = int(place[0] * height), int(place[1] * width)
    letterbox = Letterbox(height, width, 96)
    ((x0, y0, _, _),) = letterbox.to_square(
        np.array([[(x + 0.5) / width, (y + 0.5) / height, 1, 1]])
    )
    cells = 12 if first else 13
    grid = np.zeros((1, cells, cells), np.float32)
    grid[0, round((y0 - first) / 8), round((x0 - first) / 8)] = 1
    (heatmap,) = letterbox.to_film(grid, first, 8.0)
    found_y, found_x = np.unravel_index(np.argmax(heatmap), shape)
    cell = 8 * max(shape) / 96
    assert abs(found_y - y) <= cell and abs(found_x - x) <= cell


def test_a_constant_map_stays_constant():
    grid = np.full((2, 3, 3), 0.7, np.float32)
    heatmap = Letterbox(454, 373, 96).to_film(grid, 16, 32)
    assert heatmap.shape == (2, 454, 373) and heatmap.dtype == np.float32
    np.testing.assert_allclose(heatmap, 0.7, rtol=1e-6)


@pytest.mark.parametrize(
    "pixels", [np.zeros((5, 5), np.uint8), np.zeros((8, 9))], ids=["shape", "dtype"]
)
def test_refuses_other_films(pixels):
    with pytest.raises(ValueError, match="expected uint8"):
        Letterbox(8, 9, 96).apply(pixels)
