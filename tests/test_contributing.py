"""CONTRIBUTING.md leads to files that are there, by short ways."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
JOURNEYS = {
    title: body
    for title, body in re.findall(r"^### \d\. (.+?)\n(.*?)(?=^##)", TEXT, re.M | re.S)
}


def named(text: str) -> set[str]:
    """Files and folders between backticks; NAME stands for one that is yet to come."""
    names = set(re.findall(r"`([\w./-]+\.\w+|[\w./-]+/)`", text))
    return {name for name in names if "/" in name or (ROOT / name).exists()}


def test_there_are_seven():
    assert len(JOURNEYS) == 7


@pytest.mark.parametrize("title", JOURNEYS)
def test_a_journey_is_short_and_leads_somewhere(title):
    way, _, tests = JOURNEYS[title].partition("\nTests:")
    files = {name for name in named(way) if not name.endswith("/")}
    assert 1 <= len(files) <= 3
    assert tests and all(name.startswith("tests/") for name in named(tests))
    for name in files | named(tests):
        assert "NAME" in name or (ROOT / name).exists(), name


def test_every_file_that_is_named_is_there():
    places = (ROOT, ROOT / "fracture")
    for name in named(TEXT):
        assert "NAME" in name or any((place / name).exists() for place in places), name
