"""A result on one page: a self-contained HTML file that also prints on one A4 sheet."""

from __future__ import annotations

import datetime
import html

from fracture.rendering import fragments
from fracture.result import Outcome
from fracture.weights import MODEL_FILE, WeightsConfig

FILM_SIDE = 700  # pixels; as fine as half a sheet prints
_LIMITS = (
    "A model judged this one film, without history or examination and without other "
    "views. It misses fractures and reports some that are not there; its probabilities "
    "are right only where fractures are as frequent as among its validation films. The "
    "colours show regions that influenced the score, not the outline of a fracture. "
    "Not for diagnosis or treatment."
)


def write_report(
    outcome: Outcome,
    guidance: bool = True,
    time: datetime.datetime | None = None,
) -> str:
    """Writes the report of a film that was read.

    Args:
        outcome: with a prediction.
        guidance: whether to name reference steps for clinicians.
        time: of the result, aware of its zone; now if None.

    Returns:
        An HTML document that loads nothing.

    Raises:
        ValueError: the film could not be read.
    """
    prediction = outcome.prediction
    if prediction is None:
        raise ValueError("there is no report of a film that could not be read")
    time = (time or datetime.datetime.now(datetime.timezone.utc)).astimezone(
        datetime.timezone.utc
    )
    config, steps, overlay, location = prediction.config, "", "", ""
    film = fragments.film_image(outcome, FILM_SIDE)
    if outcome.judged:
        if guidance:
            steps = fragments.guidance(outcome.finding, prediction.severity)
        caption = fragments.evidence("fracture").capitalize()
        overlay = (
            f'<figure><div class="stage">{film}{fragments.heat_image(outcome)}</div>'
            f"<figcaption>{caption}</figcaption></figure>"
        )
        location = prediction.to_dict()["location"]
    return fragments.fill(
        "report",
        title=html.escape(f"Report of {outcome.name}"),
        css=_css(),
        finding=fragments.finding(outcome),
        film=film,
        overlay=overlay,
        location=location,
        guidance=steps,
        points="".join(_point(config, name) for name in ("rule_out", "rule_in")),
        model=html.escape(prediction.model_version),
        checksum=config.values["files"][MODEL_FILE],
        time=f"{time:%Y-%m-%d %H:%M:%S} UTC",
        limits=_LIMITS,
    )


def _point(config: WeightsConfig, name: str) -> str:
    """An operating point as a row of the table."""
    point = config.values["operating_points"][name]
    measured = "not recorded"
    if "sensitivity" in point:
        measured = (
            f"sensitivity {point['sensitivity']:.1%}, specificity "
            f"{point['specificity']:.1%} ({point['fractured']} of {point['films']} "
            "fractured)"
        )
    label = name.replace("_", "-").capitalize()
    return (
        f'<tr><th scope="row">{label}</th><td>{point["threshold"]:.1%}</td>'
        f"<td>{measured}</td></tr>"
    )


def _css() -> str:
    return "".join(
        (fragments.TEMPLATES / name).read_text(encoding="utf-8")
        for name in ("report.css", "finding.css")
    )
