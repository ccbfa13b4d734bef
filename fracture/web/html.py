"""Results as the app shows them: everything in the page, nothing in a file."""

from __future__ import annotations

import html
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from fracture.batch import to_csv
from fracture.classes import CLASSES
from fracture.explanation import colour_map
from fracture.prediction import FINDINGS
from fracture.rendering import fragments
from fracture.rendering.film_report import write_report
from fracture.rendering.pictures import data_uri, fitted, thumbnail
from fracture.result import Outcome
from fracture.study import Study

ASSETS = Path(__file__).parent / "assets"
FILM_SIDE, VIEW_SIDE = 1600, 1000  # pixels; finer than most screens
_numbers = itertools.count()  # radios of one viewer need a name of their own


def fill(template: str, **values: str) -> str:
    """A template of the app with its values, which must be HTML already."""
    return fragments.fill(template, ASSETS, **values)


def empty(text: str) -> str:
    """The box that waits for a result."""
    return f'<p class="empty">{text}</p>'


def viewer(outcome: Outcome, side: int = FILM_SIDE) -> str:
    """The film under its heatmaps, with the controls of both."""
    width, height = fitted(outcome.prediction, side)
    group = f"target-{next(_numbers)}"
    choices = "".join(
        f'<label><input type="radio" name="{group}" value="{target}"'
        f"{' checked' if target == 'fracture' else ''}>{target.capitalize()}</label>"
        for target in ("fracture", *CLASSES)
    )
    colours = ",".join(f"rgb{tuple(colour)}" for colour in colour_map()[::51].tolist())
    return fill(
        "viewer",
        name=html.escape(outcome.name),
        width=str(width),
        height=str(height),
        film=fragments.film_image(outcome, side),
        heat=fragments.heat_images(outcome),
        choices=choices,
        location=outcome.prediction.to_dict()["location"],
        colours=colours,
    )


def film(outcome: Outcome, side: int = FILM_SIDE) -> str:
    """What there is to see of a film: its viewer if it was judged."""
    if outcome.judged:
        return viewer(outcome, side)
    if outcome.prediction is None:
        return ""
    width, height = fitted(outcome.prediction, side)
    image = fragments.film_image(outcome, side)
    return (
        f'<div class="screen"><div class="stage" style="--ratio: {width} / {height}">'
        f"{image}</div></div>"
    )


def result(outcome: Outcome, guidance: bool) -> str:
    """A film's finding, viewer, report, reference steps and JSON."""
    finding = fragments.finding(outcome)
    if outcome.prediction is None:
        return finding
    name = f"{Path(outcome.name).stem}-report.html"
    report = write_report(outcome, guidance)
    more = (
        download("Download the report", name, report, "text/html"),
        steps(outcome.finding, outcome.prediction.severity, guidance),
        as_json(outcome.to_dict()),
    )
    return f'{finding}{film(outcome)}<div class="more">{"".join(more)}</div>'


def study(found: Study, guidance: bool) -> str:
    """A study's finding, then each view."""
    views = "".join(
        f"<div>{fragments.finding(view)}{film(view, VIEW_SIDE)}</div>"
        for view in found.views
    )
    more = steps(found.finding, found.severity, guidance) + as_json(found.to_dict())
    return (
        f'{fragments.study_finding(found)}<div class="more">{more}</div>'
        f'<div class="views">{views}</div>'
    )


def steps(finding: str, severity: str | None, guidance: bool) -> str:
    """Reference steps, folded away: they are for clinicians."""
    listed = fragments.guidance(finding, severity) if guidance else ""
    return folded("For clinicians: reference next steps", listed) if listed else ""


def as_json(answer: dict) -> str:
    """An answer as programs get it, folded away."""
    text = html.escape(json.dumps(answer, indent=2, ensure_ascii=False))
    return folded("For programs: the same as JSON", f'<pre tabindex="0">{text}</pre>')


def folded(summary: str, body: str) -> str:
    """Something to open."""
    return f"<details><summary>{summary}</summary>{body}</details>"


def download(label: str, name: str, content: str, kind: str) -> str:
    """A link that carries its file."""
    uri = data_uri(content.encode(), f"{kind};charset=utf-8")
    return (
        f'<a class="plain" download="{html.escape(name)}" href="{uri}">'
        f"{html.escape(label)}</a>"
    )


def progress(done: int, films: int, unread: int) -> str:
    """How far a batch is."""
    broken = f", {unread} could not be read" if unread else ""
    return (
        f'<div class="progress"><progress max="{films}" value="{done}" '
        f'aria-label="Films read"></progress><p>{done} of {films} films'
        f"{broken}</p></div>"
    )


def table_row(number: int, outcome: Outcome) -> str:
    """One film of a batch; `data-key` is what its column sorts by."""
    name = html.escape(outcome.name)
    if outcome.prediction is None:
        picture, probability, severity = "", "", ""
        mark, summary, finding = "✕", "Not read", "unread"
        notes = (
            f"{html.escape(outcome.error.message)} <code>{outcome.error.code}</code>"
        )
    else:
        prediction, finding = outcome.prediction, outcome.finding
        source = data_uri(thumbnail(prediction), "image/jpeg")
        picture = f'<img alt="{name}" src="{source}">'
        p = prediction.fracture_probability
        judged = outcome.judged
        probability = fragments.percent(p) if judged else ""
        severity = (prediction.severity or "") if judged else ""
        mark, summary = fragments.MARKS[finding], FINDINGS[finding]
        notes = " ".join(f"<code>{w.code}</code>" for w in prediction.warnings)
    key = f"{prediction.fracture_probability:.6f}" if probability else ""
    return (
        f'<tr><td class="number" data-key="{number}">{number}</td><td>{picture}</td>'
        f'<td class="name" data-key="{name}">{name}</td>'
        f'<td class="{finding}" data-key="{summary}"><b aria-hidden="true">{mark}</b>'
        f'{summary}</td><td class="number" data-key="{key}">{probability}</td>'
        f'<td data-key="{severity}">{severity}</td><td>{notes}</td></tr>'
    )


def table(table_rows: Sequence[str], rows: Sequence[dict]) -> str:
    """The films of a batch, and the same as CSV."""
    if not rows:
        return ""
    return fill(
        "table",
        caption="Press a heading to sort.",
        rows="".join(table_rows),
        # The mark tells spreadsheets that the text is UTF-8.
        download=download(
            "Download as CSV", "fracture.csv", "\ufeff" + to_csv(rows), "text/csv"
        ),
    )
