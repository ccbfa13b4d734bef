"""Results as HTML: the templates that the app and the report share, and their words."""

from __future__ import annotations

from pathlib import Path

import jinja2

from fracture.guidance import DISCLAIMER, next_steps
from fracture.prediction import Finding, Prediction
from fracture.rendering.pictures import data_uri, film_jpeg, heatmap_png

TEMPLATES = Path(__file__).parent / "templates"
HEATMAP_SIDE = 480  # pixels; maps are smooth, so the page may stretch them
MARKS = {
    Finding.NO_FRACTURE_SEEN: "○",
    Finding.UNCERTAIN: "?",
    Finding.FRACTURE_SUSPECTED: "▲",
    Finding.NOT_JUDGED: "✕",
}


def percent(p: float) -> str:
    """One decimal; nothing is certain, so neither 0 nor 100."""
    return "under 1%" if p < 0.01 else "over 99%" if p > 0.99 else f"{p:.1%}"


def _film_uri(prediction: Prediction, side: int) -> str:
    return data_uri(film_jpeg(prediction, side), "image/jpeg")


def _heat_uri(prediction: Prediction, target: str) -> str:
    return data_uri(heatmap_png(prediction, target, HEATMAP_SIDE), "image/png")


# Whatever a template is given is escaped, names of files above all.
ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(TEMPLATES),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    keep_trailing_newline=True,
    trim_blocks=True,
    lstrip_blocks=True,
)
ENVIRONMENT.filters |= {
    "percent": percent,
    "score": "{:.2f}".format,
    "share": "{:.1%}".format,
}
ENVIRONMENT.globals |= {
    "disclaimer": DISCLAIMER,
    "film_uri": _film_uri,
    "heat_uri": _heat_uri,
    "marks": MARKS,
    "next_steps": next_steps,
}


def piece(name: str, *values: object) -> str:
    """A piece of a page: a macro of `pieces.html` with its values."""
    pieces = ENVIRONMENT.get_template("pieces.html").module
    return str(getattr(pieces, name)(*values))
