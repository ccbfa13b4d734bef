"""No group crosses a split."""

from pathlib import Path

import numpy as np
import pytest

from fracture.data.duplicates import find_copies, near_duplicate_groups
from fracture.data.example import DatasetError, Example
from fracture.data.phantom import draw_phantom
from fracture.data.splits import (
    SPLITS,
    leaks,
    published_splits,
    read_split,
    split_examples,
    write_split,
)

SEVERITY = ("hairline", "displaced")


def make_examples(count=450, groups=90, seed=0):
    rng = np.random.default_rng(seed)
    examples = []
    for i in range(count):
        source = "atlas" if i == 0 else rng.choice(("atlas", "severity"))
        labels = ("normal", "fractured") if source == "atlas" else SEVERITY
        group = f"{source}/{rng.integers(groups)}"
        label = labels[int(rng.random() < 0.3)]
        examples.append(Example(Path("x"), f"{i}.png", source, label, group))
    return examples


@pytest.mark.parametrize("seed", range(2))
def test_groups_stay_whole_and_shares_hold(seed):
    examples = make_examples(seed=seed)
    groups = [e.group for e in examples]
    splits = split_examples(examples, groups, seed)
    assert splits == split_examples(examples, groups, seed)
    assert splits != split_examples(examples, groups, seed + 1)
    of_group = {}
    for group, split in zip(groups, splits, strict=True):
        assert of_group.setdefault(group, split) == split
    shares = [splits.count(name) / len(splits) for name in SPLITS]
    np.testing.assert_allclose(shares, (0.70, 0.15, 0.15), atol=0.05)
    for name in SPLITS:
        chosen = [e for e, s in zip(examples, splits, strict=True) if s == name]
        atlas = [e.label == "fractured" for e in chosen if e.source == "atlas"]
        assert np.mean(atlas) == pytest.approx(0.3, abs=0.1)


def test_training_only_sources_are_never_evaluated():
    examples = make_examples()
    shared = examples[0].group  # a group that both kinds of sources share
    for group in (shared, "scraped/1", "scraped/2"):
        name = f"{group}.png"
        examples.append(Example(Path("x"), name, "scraped", "hairline", group))
    splits = split_examples(examples, [e.group for e in examples], 0, ["scraped"])
    for example, split in zip(examples, splits, strict=True):
        if example.source == "scraped" or example.group == shared:
            assert split == "train"


@pytest.mark.parametrize(("count", "groups"), [(30, 5), (30, 900), (0, 1)])
def test_too_few_groups(count, groups):
    examples = make_examples(count, groups)
    with pytest.raises(DatasetError, match="at least 20 groups"):
        split_examples(examples, [e.group for e in examples], 0)


def test_near_duplicates_share_a_group():
    films = [draw_phantom("normal", seed, (227, 187)).pixels for seed in range(12)]
    films.append(np.clip(films[3] * 0.9 + 10, 0, 255).astype(np.uint8))  # brighter
    films.append(films[5][2:-2, 2:-2])  # cropped a little
    examples = [Example(Path("x"), f"{i}.png", "s", "normal") for i in range(14)]
    groups = near_duplicate_groups(examples, films)
    assert groups[12] == groups[3] and groups[13] == groups[5]
    assert len(set(groups)) == 12


def test_known_groups_are_kept():
    films = [draw_phantom("normal", seed, (227, 187)).pixels for seed in range(4)]
    known = ["p1", "", "p1", ""]
    examples = [
        Example(Path("x"), f"{i}.png", "s", "normal", g) for i, g in enumerate(known)
    ]
    groups = near_duplicate_groups(examples, films)
    assert groups[0] == groups[2] and len(set(groups)) == 3


def test_split_file_round_trip(tmp_path):
    film = tmp_path / "a.png"
    film.write_bytes(b"pixels")
    examples = [Example(film, f"{n}.png", "s", "normal") for n in "abc"]
    write_split(tmp_path / "split.csv", examples, SPLITS)
    assert read_split(tmp_path / "split.csv") == {
        f"{n}.png": s for n, s in zip("abc", SPLITS, strict=True)
    }
    assert "pixels" not in (tmp_path / "split.csv").read_text()


def published(*splits, source="s"):
    return [
        Example(Path("x"), f"{i}.png", source, "normal", split=split)
        for i, split in enumerate(splits)
    ]


def test_a_published_split_is_kept(tmp_path):
    films = published("Train", "valid", "testing", "val", "training")
    expected = ["train", "validation", "test", "validation", "train"]
    assert published_splits(tmp_path, films, ["other"]) == expected


@pytest.mark.parametrize(
    ("splits", "problem"),
    [
        (("train", "val", "test", ""), "says nothing of 3.png"),
        (("train", "val", "test", "fold 1"), "says nothing of 3.png"),
        (("", "", ""), "has no train films"),
        (("train", "val"), "has no test films"),
    ],
)
def test_without_a_whole_published_split_there_is_none(tmp_path, splits, problem):
    with pytest.raises(DatasetError, match=problem) as error:
        published_splits(tmp_path, published(*splits))
    assert error.value.code == "no_published_split"


def test_films_for_training_only_must_be_published_as_such(tmp_path):
    films = published("train", "val", "test")
    with pytest.raises(
        DatasetError, match=r"1\.png, of s, is published as val"
    ) as error:
        published_splits(tmp_path, films, ["s"])
    assert error.value.code == "published_train_only"


def test_what_a_split_leaks_is_counted():
    """A copy of a training film in validation, a turned one and a relative in test."""
    films = [draw_phantom("normal", seed, (227, 187)).pixels for seed in range(5)]
    brighter = np.clip(films[0] * 0.9 + 10, 0, 255).astype(np.uint8)
    rows = [(film, "train", f"p{i}") for i, film in enumerate(films[:3])]
    rows += [(brighter, "validation", "p7"), (films[3], "validation", "p3")]
    rows += [(np.rot90(films[1]), "test", "p8"), (films[4], "test", "p2")]
    examples = [
        Example(Path("x"), f"{i}.png", "s", "normal", group)
        for i, (_, _, group) in enumerate(rows)
    ]
    images, splits = [film for film, _, _ in rows], [split for _, split, _ in rows]
    assert leaks(examples, splits, find_copies(images)) == {
        "validation": {"films": 2, "copied": 1, "grouped": 1},
        "test": {"films": 2, "copied": 1, "grouped": 2},
    }
