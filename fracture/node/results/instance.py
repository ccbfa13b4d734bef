"""What every result has in common: its UIDs, its place in the study, its maker."""

from __future__ import annotations

import uuid
from typing import Any

from fracture.node.results.codes import scheme
from fracture.node.results.source import Source
from fracture.version import __version__

MANUFACTURER = "fracture"
_NAMESPACE = uuid.UUID("1ffef9be-0f66-4e0c-8e29-5a50e1f0b6c6")
_SERIES = {
    "sr": (9901, "fracture: findings (research)"),
    "sc": (9902, "fracture: pictures (research)"),
}


def derived_uid(*parts: str) -> str:
    """The UID that follows from what a result is about: always the same one."""
    return f"2.25.{uuid.uuid5(_NAMESPACE, '|'.join(parts)).int}"


def series_uid(study: str, model_version: str, kind: str) -> str:
    """Of the series that holds a study's results of one kind and model."""
    return derived_uid(study, model_version, "series", kind)


def result_uid(source: str, model_version: str, kind: str) -> str:
    """Of a film's result, from the film's own UID."""
    return derived_uid(source, model_version, kind)


def study_result_uid(sources: list[str], model_version: str) -> str:
    """Of the result of a study with exactly these views."""
    return derived_uid(*sorted(sources), model_version, "study")


def place(source: Source, model_version: str, kind: str, uid: str) -> dict[str, Any]:
    """Arguments of highdicom that say where a result belongs and who made it.

    Args:
        source: the film, or one of the study's.
        model_version: of the weights.
        kind: `sr` or `sc`.
        uid: of the result.
    """
    number, description = _SERIES[kind]
    instance = source.fact("InstanceNumber")
    small = instance.isdecimal() and 0 < int(instance) < 2**31
    return {
        "series_instance_uid": series_uid(source.study, model_version, kind),
        "series_number": number,
        "sop_instance_uid": uid,
        "instance_number": int(instance) if small else 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": "fracture (research software)",
        "software_versions": [__version__, model_version[:64]],
        "series_description": description,
        "content_qualification": "RESEARCH",
        "coding_schemes": [scheme()],
    }
