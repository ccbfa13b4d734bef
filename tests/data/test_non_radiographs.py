"""Non-radiographs: every kind varied, grey, large enough and the same for a seed."""

import numpy as np
import pytest

import fracture.data.non_radiographs as module

KINDS = {"blank", "chart", "chest", "noise", "photograph", "scan", "screenshot"}


@pytest.fixture(scope="module")
def pictures():
    return module.non_radiographs(3, 0)


def test_gives_every_kind_whose_package_is_here(pictures):
    pytest.importorskip("pydicom")
    assert set(pictures) == KINDS


def test_are_grey_films_of_at_least_200_pixels_that_differ(pictures):
    for kind, films in pictures.items():
        assert len(films) == 3, kind
        assert all(film.dtype == np.uint8 and film.ndim == 2 for film in films), kind
        assert min(min(film.shape) for film in films) >= 200, kind
        assert len({film.tobytes() for film in films}) == 3, kind


def test_same_seed_same_pixels_and_more_go_on_from_fewer(pictures):
    # In two processes, which makes no difference either.
    for kind, films in module.non_radiographs(2, 0, jobs=2).items():
        assert len(films) == 2
        for film, same in zip(films, pictures[kind], strict=False):
            assert np.array_equal(film, same), kind
    for kind, films in module.non_radiographs(1, 1).items():
        assert not np.array_equal(films[0], pictures[kind][0]), kind


def test_a_kind_without_its_package_is_left_out(monkeypatch):
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    module._carried.cache_clear()
    assert set(module.non_radiographs(0, 0)) == KINDS - {"photograph", "scan"}
    module._carried.cache_clear()
