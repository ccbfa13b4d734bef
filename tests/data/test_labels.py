"""Label sets: what agrees with a film's label, and what its source could say."""

import numpy as np
import pytest

from fracture.data.labels import label_sets

FRACATLAS = ("normal", "fractured")
SEVERITY = ("hairline", "displaced")


@pytest.mark.parametrize(
    ("label", "source", "expected"),
    [
        ("fractured", FRACATLAS, [[0, 1, 1], [1, 1, 1]]),
        ("normal", FRACATLAS, [[1, 0, 0], [1, 1, 1]]),
        ("hairline", SEVERITY, [[0, 1, 0], [0, 1, 1]]),
    ],
)
def test_encoding(label, source, expected):
    np.testing.assert_array_equal(label_sets(label, source), expected)


def test_unknown_label():
    with pytest.raises(ValueError, match="unknown label 'broken'"):
        label_sets("broken", FRACATLAS)
