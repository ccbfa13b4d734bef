"""Which films are judged: those of patients' limbs that nobody has answered yet."""

from __future__ import annotations

import re

from fracture.node.config import Films
from fracture.node.results.instance import MANUFACTURER
from fracture.node.results.source import Source

COMPUTED_RADIOGRAPHY = "1.2.840.10008.5.1.4.1.1.1"
DIGITAL_XRAY = "1.2.840.10008.5.1.4.1.1.1.1"
SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7"


def sop_classes(films: Films) -> tuple[str, ...]:
    """SOP classes that the node takes."""
    captures = (SECONDARY_CAPTURE,) if films.secondary_capture else ()
    return (COMPUTED_RADIOGRAPHY, DIGITAL_XRAY, *captures)


def passed_over(source: Source, films: Films) -> str | None:
    """Why a film is not to be judged, as a code; None if it is.

    Results of ours never are: they have our name as manufacturer, SR is no SOP class
    that is taken, and the modality of our pictures is none of those of films.
    """
    if source.fact("Manufacturer") == MANUFACTURER:
        return "own_result"
    if source.reference[0] not in sop_classes(films):
        return "sop_class"
    modality = source.fact("Modality")
    if modality not in films.modalities:
        return "modality"
    if source.fact("QualityControlImage") == "YES":
        return "quality_control"
    part = source.fact("BodyPartExamined").upper()
    if part not in films.body_parts if part else not films.unnamed_body_part:
        return "body_part"
    if not re.search(films.series_description, source.fact("SeriesDescription")):
        return "series_description"
    return None
