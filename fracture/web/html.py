"""Results as the app shows them: everything in the page, nothing in a file."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

import jinja2

from fracture.batch import to_csv
from fracture.classes import CLASSES
from fracture.explanation import colour_map
from fracture.prediction import FINDINGS
from fracture.rendering.film_report import render_film_report
from fracture.rendering.fragments import ENVIRONMENT, TEMPLATES
from fracture.rendering.pictures import data_uri, fitted
from fracture.result import Result
from fracture.study import Study

ASSETS = Path(__file__).parent / "assets"
FILM_SIDE, VIEW_SIDE = 1600, 1000  # pixels; finer than most screens
TARGETS = ("fracture", *CLASSES)  # whose evidence a viewer shows
LEGEND = ",".join(f"rgb{tuple(colour)}" for colour in colour_map()[::51].tolist())

_PAGES = ENVIRONMENT.overlay(loader=jinja2.FileSystemLoader([ASSETS, TEMPLATES]))
_PAGES.filters = ENVIRONMENT.filters | {
    "data_uri": data_uri,
    "json": functools.partial(json.dumps, indent=2, ensure_ascii=False),
}
_PAGES.globals = ENVIRONMENT.globals | {
    "colours": LEGEND,
    "findings": FINDINGS,
    "fitted": fitted,
    # The radios of each viewer need a name of their own.
    "number": functools.partial(next, itertools.count()),
    "targets": TARGETS,
}


def script() -> str:
    """The app's JavaScript: one function, which Gradio calls when the page stands."""
    parts = [(ASSETS / name).read_text("utf-8") for name in ("films.js", "app.js")]
    return "\n".join(["() => {", *parts, "}"])


def fill(template: str, **values: object) -> str:
    """A template of the app with its values."""
    return _PAGES.get_template(f"{template}.html").render(values)


def paragraph(text: str, kind: str) -> str:
    """Plain text: `small`, `progress`, or `empty` for the box that awaits a result."""
    return fill("paragraph", text=text, kind=kind)


def film(result: Result, guidance: bool, label: str | None = None) -> str:
    """A film's finding, viewer, report, reference steps and JSON.

    Args:
        label: what its readers called it, "fractured" or "normal", where that is known.
    """
    report = result.prediction and render_film_report(result, guidance).encode()
    return fill(
        "read",
        result=result,
        side=FILM_SIDE,
        report=report,
        report_name=f"{Path(result.name).stem}-report.html",
        guidance=guidance,
        label=label,
    )


def study(found: Study, guidance: bool) -> str:
    """A study's finding, then each view."""
    return fill("study", study=found, side=VIEW_SIDE, guidance=guidance)


def progress(done: int, films: int, unread: int) -> str:
    """How far a batch is."""
    return fill("progress", done=done, films=films, unread=unread)


def table(
    rows: Sequence[dict],
    pictures: Sequence[str | None],
    heatmaps: bytes | None = None,
) -> str:
    """The films of a batch, and the same as CSV.

    Args:
        rows: as `fracture.batch.row` makes them.
        pictures: a small film for each row, as a data URI; None where none was read.
        heatmaps: a zip archive of them, which the page then carries too.
    """
    if not rows:
        return ""
    films = zip(rows, pictures, strict=True)
    # The mark tells spreadsheets that the text is UTF-8.
    csv = "\ufeff" + to_csv(rows)
    return fill("table", films=films, csv=csv, heatmaps=heatmaps)
