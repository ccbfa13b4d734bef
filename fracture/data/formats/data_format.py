"""What a layout of a data set is, and what is known of where its films come from."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

from fracture.data.example import Example


@dataclasses.dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where films come from; Markdown, for people.

    Attributes:
        title: name of the data set.
        citation: who published it, and where.
        licence: as stated by them.
        note: what to know before training on it.
    """

    title: str
    citation: str = ""
    licence: str = ""
    note: str = ""

    def describe(self) -> str:
        """All of it in a paragraph."""
        citation = f" ({self.citation})" if self.citation else ""
        licence = f", {self.licence}" if self.licence else ""
        return f"{self.title}{citation}{licence}. {self.note}".strip()


@dataclasses.dataclass(frozen=True, kw_only=True)
class DataFormat(Provenance):
    """A layout that is recognised by what is there, and read.

    Attributes:
        recognise: whether a path, mostly a folder, has this layout.
        read: the films of such a path; raises `DatasetError`.
        source: `Example.source` of its films; "" where it is not the same for all.
    """

    recognise: Callable[[Path], bool]
    read: Callable[[Path], list[Example]]
    source: str = ""
