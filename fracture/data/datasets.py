"""Where labelled films come from: every layout becomes one list of `Example`."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from fracture.data import formats
from fracture.data.example import SPLIT_OF_FOLDER, DatasetError, Example, films_in
from fracture.data.formats.manifest import SOURCES, write_manifest
from fracture.data.phantom import LABELS, draw_phantom


def load_examples(data: str | Path) -> list[Example]:
    """Reads the table of a data folder or of a manifest file.

    The layouts are those of `fracture.data.formats`.

    Raises:
        DatasetError: no recognised layout, no films, an unknown label, a missing file,
            a table that is damaged or leads out of the folder.
    """
    data = Path(data)
    if not data.exists():
        raise DatasetError(f"there is no {data}", "no_data")
    for layout in formats.FORMATS:
        if layout.recognise(data):
            examples = layout.read(data)
            break
    else:
        known = ", ".join(layout.title for layout in formats.FORMATS)
        raise DatasetError(f"{data} holds none of: {known}", "unknown_layout")
    if not examples:
        raise DatasetError(f"no films found in {data}", "no_films")
    return examples


def list_films(folder: Path) -> list[Example]:
    """Lists what `load_examples` takes, the same in train, val and test, or any films.

    Films in no layout that is known have the label "".

    Raises:
        DatasetError: see `load_examples`, or there is no film at all.
    """
    try:
        return load_examples(folder)
    except DatasetError as error:
        if error.code not in ("unknown_layout", "no_films") or not folder.is_dir():
            raise
        source = folder.resolve().name
        films = []
        for part in sorted(folder.iterdir()):
            if part.is_dir() and part.name.lower() in SPLIT_OF_FOLDER:
                for film in list_films(part):
                    if film.source == part.resolve().name:
                        film = dataclasses.replace(film, source=source)
                    name = f"{part.name}/{film.name}"
                    films.append(dataclasses.replace(film, name=name))
        films = films or [
            Example(path, path.relative_to(folder).as_posix(), source, "")
            for path in films_in(folder)
        ]
        if not films:
            raise
        return films


def source_labels(examples: Iterable[Example]) -> dict[str, set[str]]:
    """Source -> the labels that occur in it."""
    labels: dict[str, set[str]] = {}
    for example in examples:
        labels.setdefault(example.source, set()).add(example.label)
    return labels


def describe_source(source: str) -> str:
    """What is known of a source, `Example.source`: Markdown for the model card."""
    known = SOURCES | {layout.source: layout for layout in formats.FORMATS}
    if not source or source not in known:
        return "brought by whoever trained."
    return known[source].describe()


def write_phantoms(folder: str | Path, films_per_class: int, seed: int = 0) -> Path:
    """Draws a data set of phantom films with their boxes; returns its manifest."""
    folder = Path(folder)
    films = list(itertools.product(LABELS, range(films_per_class)))
    examples = []
    for label, index in tqdm(films, desc="drawing phantoms", unit="film"):
        number = len(examples)
        # No seed is shared between labels: the limbs differ, too.
        phantom = draw_phantom(label, seed=number + 1_000_003 * seed)
        height, width = phantom.pixels.shape
        scaled = phantom.boxes / (width, height, width, height)
        boxes = tuple(map(tuple, scaled.round(5).tolist()))
        name, group = f"{label}/{index:05d}.png", f"phantom/phantom-{number}"
        (folder / label).mkdir(parents=True, exist_ok=True)
        Image.fromarray(phantom.pixels).save(folder / name)
        examples.append(Example(folder / name, name, "phantom", label, group, boxes))
    write_manifest(folder / "manifest.csv", examples)
    return folder / "manifest.csv"
