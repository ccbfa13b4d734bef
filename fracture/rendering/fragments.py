"""Pieces of a page, shared by the app and the report: results as HTML."""

from __future__ import annotations

import functools
import html
import string
from collections.abc import Iterable
from pathlib import Path

from fracture.classes import MAPS
from fracture.guidance import DISCLAIMER, next_steps
from fracture.radiograph import Notice
from fracture.rendering.pictures import data_uri, film_jpeg, heatmap_png
from fracture.result import REFUSED, Outcome
from fracture.study import Study

TEMPLATES = Path(__file__).parent / "templates"
MARKS = {
    "no_fracture_seen": "○",
    "uncertain": "?",
    "fracture_suspected": "▲",
    REFUSED: "✕",
}
HEATMAP_SIDE = 480  # pixels; maps are smooth, so the page may stretch them
_REFUSED = "<p>Neither a finding nor a heatmap is shown.</p>"


def percent(p: float) -> str:
    """One decimal; nothing is certain, so neither 0 nor 100."""
    return "under 1%" if p < 0.01 else "over 99%" if p > 0.99 else f"{p:.1%}"


@functools.cache
def _template(path: Path) -> string.Template:
    return string.Template(path.read_text(encoding="utf-8"))


def fill(template: str, folder: Path = TEMPLATES, **values: str) -> str:
    """A template with its values, which must be HTML already."""
    return _template(folder / f"{template}.html").substitute(values)


def finding(outcome: Outcome) -> str:
    """The finding, its probabilities and warnings, or why the film was not read."""
    if outcome.prediction is None:
        return alert(outcome.name, **outcome.error.to_dict())
    prediction = outcome.prediction
    facts, (height, width) = prediction.film.metadata, prediction.film.pixels.shape
    size = f"{facts['format']}, {facts['bits']} bits, {width} x {height} pixels"
    body = _figures(outcome) if outcome.judged else _REFUSED
    return fill(
        "finding",
        caption=html.escape(f"{outcome.name} · {size}"),
        finding=outcome.finding,
        mark=MARKS[outcome.finding],
        summary=outcome.to_dict()["summary"],
        body=body + warnings(prediction.warnings),
    )


def study_finding(study: Study) -> str:
    """The finding of a study, its rule and what is known about it."""
    probability, body = study.fracture_probability, ""
    if probability is not None:
        view = html.escape(study.views[study.deciding_view].name)
        body = (
            f'<p><strong class="figure">{percent(probability)}</strong> probability of '
            f"a fracture in the most suspicious view, {view}</p>"
        )
    answer = study.to_dict()
    return fill(
        "finding",
        caption=f"Study of {len(study.views)} views",
        finding=study.finding,
        mark=MARKS[study.finding],
        summary=study.summary,
        body=f"{body}<p>{answer['rule']}</p>"
        f'<p class="small">{answer["evidence"]}</p>{warnings(study.warnings)}',
    )


def alert(name: str, code: str, message: str) -> str:
    """Why a film could not be read."""
    name, message = html.escape(name), html.escape(message)
    return fill("alert", name=name, code=code, message=message)


def _figures(outcome: Outcome) -> str:
    prediction = outcome.prediction
    fracture = prediction.fracture_probability
    points = prediction.config.operating_points
    bars = "".join(
        f'<dt>{name.capitalize()}</dt><dd><span style="--p:{p:.1%}"></span>'
        f"{percent(p)}</dd>"
        for name, p in prediction.probabilities.items()
    )
    return fill(
        "figures",
        fracture=percent(fracture),
        position=f"{fracture:.1%}",
        rule_out=percent(points["rule_out"]),
        out_position=f"{points['rule_out']:.1%}",
        rule_in=percent(points["rule_in"]),
        in_position=f"{points['rule_in']:.1%}",
        bars=bars,
    )


def warnings(notices: Iterable[Notice]) -> str:
    """Notices with their reason codes."""
    items = "".join(
        f"<li>{html.escape(note.message)} <code>{html.escape(note.code)}</code></li>"
        for note in notices
    )
    if not items:
        return ""
    return f'<div class="warnings"><h3>Please note</h3><ul>{items}</ul></div>'


def guidance(finding: str | None, severity: str | None) -> str:
    """Reference steps with their sources; empty where there are none."""
    steps = "".join(
        f'<li>{step.text} <a href="{step.source.url}" rel="noreferrer" target="_blank">'
        f"{step.source.publisher}, {step.source.title} ({step.source.year})</a></li>"
        for step in next_steps(finding, severity)
    )
    return fill("guidance", steps=steps, disclaimer=DISCLAIMER) if steps else ""


def film_image(outcome: Outcome, side: int) -> str:
    """The film as an `img` that needs no file."""
    source = data_uri(film_jpeg(outcome.prediction, side), "image/jpeg")
    name = html.escape(outcome.name)
    return f'<img class="film" alt="{name} as the model read it" src="{source}">'


def heat_image(outcome: Outcome, target: str = "fracture", hidden: bool = False) -> str:
    """A heatmap as an `img` to lay over the film."""
    png = heatmap_png(outcome.prediction, target, HEATMAP_SIDE)
    return (
        f'<img class="heat" data-target="{target}" {"hidden" if hidden else ""} '
        f'alt="Where the film holds {evidence(target)}" '
        f'src="{data_uri(png, "image/png")}">'
    )


def heat_images(outcome: Outcome) -> str:
    """One heatmap for each of `MAPS`; all but that of the fracture hidden."""
    return "".join(heat_image(outcome, t, hidden=t != "fracture") for t in MAPS)


def evidence(target: str) -> str:
    """What a heatmap shows, in words."""
    kind = "a fracture" if target == "fracture" else f"the class {target}"
    return f"evidence of {kind}"
