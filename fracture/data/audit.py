"""What is wrong with a folder of films: what `python -m fracture audit` does.

Copies of a film on both sides of a split make any figure look better than it is, and
copies with different labels cannot be learned. Found are the very same pixels under
another name, and what is left of them after saving again, resizing, brightening,
cropping, turning or mirroring; see `fracture.data.duplicates`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections import Counter
from pathlib import Path

import numpy as np

from fracture.data.datasets import list_films
from fracture.data.duplicates import find_duplicates, join_groups, thumbnail
from fracture.data.example import Example
from fracture.data.film_table import read_films
from fracture.data.formats.manifest import write_manifest
from fracture.data.formats.table import write_table
from fracture.data.labels import ALLOWED
from fracture.data.splits import given_splits
from fracture.radiograph import RadiographError

KINDS = ("exact", "near", "rotated", "mirrored")
_TURNED = 1.0  # degrees; below this a film was saved again, not turned


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two files that show one film.

    Attributes:
        first: a file.
        second: another.
        kind: one of `KINDS`; a film both mirrored and turned is "mirrored".
        similarity: correlation of their texture once aligned, up to 1.
        rotation: degrees, counter-clockwise, that turn `first` (mirrored left to right
            where `mirrored`) into `second`.
        mirrored: whether one shows the other's mirror image.
    """

    first: Example
    second: Example
    kind: str
    similarity: float
    rotation: float
    mirrored: bool

    @property
    def contradictory(self) -> bool:
        """Whether no class agrees with both labels."""
        labels = self.first.label, self.second.label
        return all(labels) and set(ALLOWED[labels[0]]).isdisjoint(ALLOWED[labels[1]])

    @property
    def crosses_split(self) -> bool:
        """Whether the files are in two different splits."""
        splits = self.first.split, self.second.split
        return all(splits) and splits[0] != splits[1]


@dataclasses.dataclass(frozen=True)
class Audit:
    """What was found.

    Attributes:
        folder: where.
        examples: the readable films; `group` joins what was found with what was known.
            The label is "" in a folder without labels, `split` where none is given.
        pairs: worst first. Of many copies of a film not every pair, but enough to
            connect them.
        unreadable: the films that cannot be read, each with its reason.
    """

    folder: Path
    examples: list[Example]
    pairs: list[Pair]
    unreadable: list[tuple[Example, RadiographError]]

    @property
    def clean(self) -> bool:
        """Whether there is nothing to report."""
        return not self.pairs and not self.unreadable

    def write(self, out: str | Path) -> list[Path]:
        """Writes `pairs.csv`, `groups.csv` and `unreadable.csv` into a folder.

        `groups.csv` is a manifest of the readable films, for `train.py --data`.
        """
        out = Path(out)
        pairs = (
            (
                *(pair.first.name, pair.second.name, pair.kind),
                *(f"{pair.similarity:.3f}", f"{pair.rotation:.1f}", pair.mirrored),
                *(pair.first.label, pair.second.label, pair.contradictory),
                *(pair.first.split, pair.second.split, pair.crosses_split),
            )
            for pair in self.pairs
        )
        header = (
            *("path_a", "path_b", "kind", "similarity", "rotation", "mirrored"),
            *("label_a", "label_b", "contradictory"),
            *("split_a", "split_b", "crosses_split"),
        )
        write_table(out / "pairs.csv", header, pairs)
        unreadable = (
            (example.name, error.code, error.message)
            for example, error in self.unreadable
        )
        header = ("path", "reason", "message")
        write_table(out / "unreadable.csv", header, unreadable)
        # The audited folder, or one above it where links lead out of it.
        paths = [os.path.realpath(example.path) for example in self.examples]
        root = os.path.commonpath([os.path.realpath(self.folder), *paths])
        groups = (
            dataclasses.replace(film, name=Path(path).relative_to(root).as_posix())
            for film, path in zip(self.examples, paths, strict=True)
        )
        seen = Path(os.path.relpath(root, os.path.realpath(out))).as_posix()
        write_manifest(out / "groups.csv", groups, seen)
        return [out / f"{name}.csv" for name in ("pairs", "groups", "unreadable")]


def audit(folder: str | Path, split_file: str | Path | None = None) -> Audit:
    """Looks for copies, contradictory labels, leaks between splits, unreadable files.

    Args:
        folder: see `fracture.data.datasets`, or any folder of films. Splits are
            taken from `split_file`, else from a `split.csv` in the folder, else from a
            column `split` of its manifest, else from train, val and test sub-folders.
        split_file: as `train.py` writes it.

    Raises:
        DatasetError: the folder or the split file cannot be used.
    """
    folder = Path(folder)
    listed = list_films(folder)
    split_of = given_splits(folder, listed, split_file)
    examples, films, unreadable = [], [], []
    for example, film in zip(listed, read_films(listed, _essence), strict=True):
        example = dataclasses.replace(example, split=split_of.get(example.name, ""))
        if isinstance(film, RadiographError):
            unreadable.append((example, film))
        else:
            examples.append(example)
            films.append(film)
    matches = find_duplicates([small for small, _ in films])
    groups = join_groups(examples, ((m.first, m.second) for m in matches))
    examples = [
        dataclasses.replace(example, group=group)
        for example, group in zip(examples, groups, strict=True)
    ]
    pairs = []
    for match in matches:
        a, b = match.first, match.second
        kind = "mirrored" if match.mirrored else "near"
        if films[a][1] == films[b][1]:
            kind = "exact"
        elif not match.mirrored and abs(match.rotation) >= _TURNED:
            kind = "rotated"
        how = match.similarity, match.rotation, match.mirrored
        pairs.append(Pair(examples[a], examples[b], kind, *how))
    folder = folder if folder.is_dir() else folder.parent
    return Audit(folder, examples, sorted(pairs, key=_harm), unreadable)


def _harm(pair: Pair) -> tuple:
    kind = KINDS.index(pair.kind)
    return not pair.contradictory, not pair.crosses_split, kind, -pair.similarity


def _essence(pixels: np.ndarray) -> tuple[np.ndarray, bytes]:
    """A film's thumbnail and the checksum of its pixels."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels))
    return thumbnail(pixels), digest.digest()


def summarise(found: Audit, worst: int = 8) -> str:
    """Says in a few lines what was found, the `worst` pairs and what to do."""
    pairs, films = found.pairs, len(found.examples)
    kinds = Counter(pair.kind for pair in pairs)
    copies = {e.name for pair in pairs for e in (pair.first, pair.second)}
    lines = [f"{films:,} films read, {len(found.unreadable):,} unreadable"]
    if not any(e.label for e in found.examples):
        lines.append("no labels: a folder of films without a layout that is known")
    rows = [(kind, kinds[kind]) for kind in KINDS]
    rows.append(("contradictory labels", sum(p.contradictory for p in pairs)))
    rows.append(("across splits", sum(p.crosses_split for p in pairs)))
    lines.append(f"{len(pairs):,} pairs of copies, {len(copies):,} films in them")
    lines += [f"  {name:<22}{count:>7,}" for name, count in rows]
    reasons = Counter(error.code for _, error in found.unreadable)
    lines += [f"  {'unreadable: ' + code:<22}{n:>7,}" for code, n in reasons.items()]
    for pair in pairs[:worst]:
        ends = [
            " ".join(filter(None, (example.name, example.label, example.split)))
            for example in (pair.first, pair.second)
        ]
        turn = f" {pair.rotation:+.0f}°" if abs(pair.rotation) >= _TURNED else ""
        lines.append(f"{pair.kind}{turn} {pair.similarity:.2f}: {ends[0]} | {ends[1]}")
    if len(pairs) > worst:
        lines.append(f"... and {len(pairs) - worst:,} more, see pairs.csv")
    return "\n".join(lines)
