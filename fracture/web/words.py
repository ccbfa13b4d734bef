"""What a page says around a result: in the app, and where the browser does the work.

The page without a server takes them from `web/src/page/words.json`, which is written by
`python -m fracture.web.words web/src/page/words.json`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import NamedTuple

from fracture.explanation import colour_map
from fracture.guidance import DISCLAIMER
from fracture.radiograph.pool import MESSAGES
from fracture.rendering import film_report
from fracture.rendering.fragments import HEATMAP_SIDE, MARKS
from fracture.web import html
from fracture.web.settings import Settings

TITLE = "Is there a fracture?"
FORMATS = ("PNG", "JPEG", "TIFF", "WebP", "BMP", "DICOM")
TRY = "Or try a film that no training saw"
CREDIT = "Films: FracAtlas, Abedeen et al. 2023, CC BY 4.0."
BOXES = {"read": "Radiograph", "study": "All views of one patient"}
HINTS = {
    "read": "{formats}. Drop it anywhere on this page, paste it, or press the box.",
    "study": "Choose or drop all views together: {formats}.",
}
WAITING = {
    "read": "The finding, its probabilities and heatmap appear here.",
    "study": "The finding of the study, then that of each view, appears here.",
}
ON_SERVER = (
    "Films are read on this server, deleted within the hour and used for nothing else."
)
ON_DEVICE = (
    "Films are read on this device: nothing is sent to anybody. After the first visit "
    "the page works without a network, too."
)
TOO_MANY_VIEWS = "More than {views} views; is this one study?"


class Example(NamedTuple):
    """A film that comes with the page; `examples/README.md` says where it is from.

    Attributes:
        file: in `examples/`.
        title: the part, and what its readers called it.
        label: what they called it: "fractured" or "normal".
        name: of its source.
    """

    file: str
    title: str
    label: str
    name: str


def _example(part: str, label: str, name: str) -> Example:
    file, title = f"{part.lower()}-{label}.jpg", f"{part}, {label}"
    return Example(file, title, label, f"FracAtlas {name}")


EXAMPLES = (
    _example("Hand", "fractured", "IMG0002313"),
    _example("Shoulder", "fractured", "IMG0002302"),
    _example("Hip", "normal", "IMG0001402"),
    _example("Knees", "normal", "IMG0002865"),
    _example("Foot", "fractured", "IMG0002731"),
    _example("Leg", "fractured", "IMG0002424"),
)


def hint(text: str) -> str:
    """A hint with the formats that are read."""
    return text.format(formats=f"{', '.join(FORMATS[:-1])} or {FORMATS[-1]}")


def page_words() -> dict:
    """All that the page without a server takes from here, in plain JSON types."""
    settings = Settings()
    return {
        "title": TITLE,
        "examples": [example._asdict() for example in EXAMPLES],
        "try": TRY,
        "credit": CREDIT,
        "private": ON_DEVICE,
        "boxes": BOXES,
        "hints": {name: hint(text) for name, text in HINTS.items()},
        "waiting": WAITING,
        "messages": {
            **MESSAGES,
            "too_many_views": TOO_MANY_VIEWS.format(views=settings.max_views),
        },
        "limits": {
            "views": settings.max_views,
            "reader_seconds": settings.reader_seconds,
        },
        "marks": MARKS,
        "disclaimer": DISCLAIMER,
        "targets": html.TARGETS,
        "legend": html.LEGEND,
        "colours": colour_map().tobytes().hex(),
        "sides": {
            "film": html.FILM_SIDE,
            "view": html.VIEW_SIDE,
            "heatmap": HEATMAP_SIDE,
            "report": film_report.FILM_SIDE,
        },
    }


def to_json() -> str:
    """`page_words()` as the file holds it."""
    return json.dumps(page_words(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(to_json(), encoding="utf-8")
