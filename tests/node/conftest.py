"""Fixtures: the shipped weights, loaded once, without keras."""

import pytest
from node_films import ROOT

from fracture import FractureClassifier


@pytest.fixture(scope="session")
def classifier() -> FractureClassifier:
    return FractureClassifier.from_pretrained(ROOT / "weights", threads=1)
