"""The phantoms: same seed, same limb; only the fracture tells the classes apart."""

import numpy as np
import pytest

from fracture.data.phantom import LABELS, Phantom, draw_phantom

FRACTURED = [label for label in LABELS if label != "normal"]


def _inside(phantom: Phantom) -> np.ndarray:
    mask = np.zeros(phantom.pixels.shape, bool)
    for x0, y0, x1, y1 in phantom.boxes.astype(int):
        mask[y0:y1, x0:x1] = True
    return mask


def _difference(phantom: Phantom, seed: int) -> np.ndarray:
    intact = draw_phantom("normal", seed, phantom.pixels.shape)
    return np.abs(phantom.pixels.astype(float) - intact.pixels)


@pytest.mark.parametrize("label", LABELS)
@pytest.mark.parametrize("size", [(454, 373), (224, 224), (105, 128)])
def test_is_an_8_bit_film_of_the_size_asked_for(label, size):
    phantom = draw_phantom(label, 1, size)
    assert phantom.pixels.dtype == np.uint8
    assert phantom.pixels.shape == size
    assert phantom.label == label
    assert phantom.boxes.dtype == np.float32
    assert phantom.boxes.shape[1:] == (4,)


@pytest.mark.parametrize("label", LABELS)
def test_same_arguments_give_the_same_film(label):
    one, two = draw_phantom(label, 5), draw_phantom(label, 5)
    assert np.array_equal(one.pixels, two.pixels)
    assert np.array_equal(one.boxes, two.boxes)
    assert not np.array_equal(one.pixels, draw_phantom(label, 6).pixels)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("size", [(227, 187), (187, 227), (64, 64)])
def test_boxes_lie_in_the_frame_and_only_on_fractured_limbs(size):
    height, width = size
    for seed in range(8):
        assert draw_phantom("normal", seed, size).boxes.shape == (0, 4)
        for label in FRACTURED:
            boxes = draw_phantom(label, seed, size).boxes
            assert 1 <= len(boxes) <= 2
            x0, y0, x1, y1 = boxes.T
            assert (x0 >= 0).all() and (y0 >= 0).all()
            assert (x1 <= width).all() and (y1 <= height).all()
            assert (x1 - x0 >= 4).all() and (y1 - y0 >= 4).all()


@pytest.mark.parametrize("seed", range(12))
def test_a_hairline_changes_its_box_and_nothing_else(seed):
    phantom = draw_phantom("hairline", seed)
    energy, inside = _difference(phantom, seed) ** 2, _inside(phantom)
    assert energy[inside].sum() > 0.99 * energy.sum()
    assert inside.mean() < 0.1
    # Visible, yet a line and no gap: some grey levels in its darkest pixels.
    assert 5 < np.sqrt(np.sort(energy[inside])[-20:]).mean() < 80


@pytest.mark.parametrize("seed", range(12))
def test_beyond_the_boxes_of_a_displaced_fracture_only_the_far_part_moves(seed):
    phantom = draw_phantom("displaced", seed)
    difference, inside = _difference(phantom, seed), _inside(phantom)
    assert inside.mean() < 0.2
    assert difference[inside].max() > 20
    # The near part stays: strong changes lie in the boxes or beyond, on the far side.
    changed = difference > 0.7 * difference[inside].max()
    low, high = phantom.boxes[:, :2].min(0), phantom.boxes[:, 2:].max(0)
    middle, radius = (low + high) / 2, np.hypot(*(high - low)) / 2
    offset = np.argwhere(changed)[:, ::-1] - middle
    towards_far = offset.mean(0) / np.hypot(*offset.mean(0))
    assert (offset @ towards_far).min() > -radius


def test_grey_levels_do_not_give_the_class_away():
    films = {
        label: [draw_phantom(label, seed, (114, 94)).pixels for seed in range(60)]
        for label in LABELS
    }
    means = {label: np.mean(pixels) for label, pixels in films.items()}
    spreads = {label: np.std(pixels) for label, pixels in films.items()}
    assert max(means.values()) - min(means.values()) < 1.5
    assert max(spreads.values()) - min(spreads.values()) < 1.5
    # Between films of one class the exposure varies by far more.
    assert np.std([film.mean() for film in films["normal"]]) > 6


@pytest.mark.parametrize(("label", "seed"), [("broken", 0), ("", 0), ("normal", -1)])
def test_rejects_an_unknown_label_and_a_negative_seed(label, seed):
    with pytest.raises(ValueError):
        draw_phantom(label, seed)
