"""A few hundred of the inputs that benchmarks/fuzz.py makes without end."""

from benchmarks.fuzz import fuzz
from fracture.radiograph import ReaderPool


def test_films_broken_at_random_are_read_or_refused(tmp_path):
    with ReaderPool(1) as pool:
        tally = fuzz(pool, seed=7, keep=tmp_path, more=lambda count: count < 300)
    assert not tally.broken
    assert sum(tally.answers.values()) == 300
    assert {"film", "corrupt_file", "truncated_file"} <= tally.answers.keys()
