"""Labels that networks which never saw them doubt: a list for people to look at.

Nothing is left out of training for standing here.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Sequence
from pathlib import Path

import jinja2
import numpy as np
from PIL import Image, ImageDraw

from fracture.batch import inert
from fracture.data.film_table import FilmTable
from fracture.data.labels import ALLOWED
from fracture.folds.held_out import HeldOut
from fracture.prediction import Prediction

_DOUBTED = 0.1  # probability of the label below which it is listed
_SHOWN = 200  # films on the sheet, the most doubtful ones
_SIDE = 320  # pixels
_TEMPLATES = Path(__file__).parent / "templates"
_COLUMNS = ("name", "source", "label", "label_probability", "fracture_probability")


def label_probability(
    label: str, source_labels: set[str], prediction: Prediction
) -> float:
    """How probable a label is among those that its source gives."""
    shares = prediction.probabilities
    possible = {name for other in source_labels for name in ALLOWED[other]}
    allowed, all_of = (sum(shares[c] for c in of) for of in (ALLOWED[label], possible))
    return allowed / max(all_of, 1e-12)


def write_doubts(
    folder: Path, table: FilmTable, held: HeldOut, predictions: Sequence[Prediction]
) -> int:
    """Writes `doubtful_labels.csv` and `doubtful_labels.html`, the worst first.

    Args:
        table: the films held out; aligned with the rest.

    Returns:
        How many films are listed.
    """
    labels: dict[str, set[str]] = {}
    for example in table.examples:
        labels.setdefault(example.source, set()).add(example.label)
    chances = [
        label_probability(example.label, labels[example.source], prediction)
        for example, prediction in zip(table.examples, predictions, strict=True)
    ]
    order = np.argsort(chances, kind="stable")
    listed = [int(i) for i in order if chances[i] < _DOUBTED]
    rows = [
        {
            "name": inert(table.examples[i].name),
            "source": inert(table.examples[i].source),
            "label": table.examples[i].label,
            "label_probability": round(chances[i], 5),
            "fracture_probability": round(predictions[i].fracture_probability, 5),
            "fold": int(held.fold[i]),
            "group": inert(table.examples[i].group),
        }
        for i in listed
    ]
    path = folder / "doubtful_labels.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, (*_COLUMNS, "fold", "group"), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    films = [
        {**row, "picture": _picture(table, predictions[i], i)}
        for i, row in zip(listed[:_SHOWN], rows, strict=False)
    ]
    page = environment.get_template("doubtful_labels.html")
    text = page.render(films=films, listed=len(rows), doubted=_DOUBTED)
    (folder / "doubtful_labels.html").write_text(text, encoding="utf-8")
    return len(rows)


def _picture(table: FilmTable, prediction: Prediction, index: int) -> str:
    """A film with its annotated boxes (white) and the map's peak (ring), as a URI."""
    film = Image.fromarray(table.films[index]).convert("RGB")
    width, height = film.size
    scale = min(1.0, _SIDE / max(film.size))
    film = film.resize((max(1, round(width * scale)), max(1, round(height * scale))))
    draw = ImageDraw.Draw(film)
    for x0, y0, x1, y1 in table.examples[index].boxes:
        corners = (x0 * width, y0 * height, x1 * width, y1 * height)
        draw.rectangle([scale * at for at in corners], outline="white")
    x, y = (scale * at for at in prediction.peak)
    draw.ellipse([x - 6, y - 6, x + 6, y + 6], outline="#D55E00", width=2)
    stream = io.BytesIO()
    film.save(stream, "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"
