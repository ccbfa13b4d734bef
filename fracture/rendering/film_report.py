"""A result on one page: a self-contained HTML file that also prints on one A4 sheet."""

from __future__ import annotations

import datetime

from fracture.rendering.fragments import ENVIRONMENT
from fracture.result import Result
from fracture.weights import MODEL_FILE

FILM_SIDE = 700  # pixels; as fine as half a sheet prints


def render_film_report(
    result: Result,
    guidance: bool = True,
    time: datetime.datetime | None = None,
) -> str:
    """Writes the report of a film that was read.

    Args:
        result: with a prediction.
        guidance: whether to name reference steps for clinicians.
        time: of the result, aware of its zone; now if None.

    Returns:
        An HTML document that loads nothing.

    Raises:
        ValueError: the film could not be read.
    """
    if result.prediction is None:
        raise ValueError("there is no report of a film that could not be read")
    utc = datetime.timezone.utc
    time = (time or datetime.datetime.now(utc)).astimezone(utc)
    weights = result.prediction.config.values
    return ENVIRONMENT.get_template("report.html").render(
        result=result,
        guidance=guidance,
        side=FILM_SIDE,
        weights=weights,
        checksum=weights["files"][MODEL_FILE],
        time=f"{time:%Y-%m-%d %H:%M:%S} UTC",
    )
