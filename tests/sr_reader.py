"""A reader of our reports that knows nothing of the code which writes them."""

from __future__ import annotations

import json

from pydicom import Dataset

_PERCENT = {
    "122157": "fracture_probability",
    "RULE_OUT": "rule_out_threshold",
    "RULE_IN": "rule_in_threshold",
}
_NUMBERS = {
    "NOVELTY": ("novelty", float),
    "FILM_WIDTH": ("film_width", int),
    "FILM_HEIGHT": ("film_height", int),
    "DECIDING_VIEW": ("deciding_view", int),
}
_FINDINGS = {
    "NONE_SEEN": "no_fracture_seen",
    "UNCERTAIN": "uncertain",
    "SUSPECTED": "fracture_suspected",
    "NOT_JUDGED": "not_judged",
}
_TEXTS = ("SUMMARY", "LOCATION", "BODY_PART", "RULE", "EVIDENCE")


def code(items) -> str:
    (item,) = items
    return item.get("CodeValue") or item.get("LongCodeValue")


def walk(item: Dataset):
    yield item
    for child in item.get("ContentSequence", ()):
        yield from walk(child)


def read_report(report: Dataset) -> dict:
    """What a report says, in the keys of `to_dict()`."""
    said: dict = {"severity": None, "body_part": None, "warnings": []}
    for item in walk(report):
        name = code(item.ConceptNameCodeSequence) if item.ValueType != "IMAGE" else ""
        if item.ValueType == "NUM":
            (measured,) = item.MeasuredValueSequence
            value = float(measured.NumericValue)
            unit = code(measured.MeasurementUnitsCodeSequence)
            if unit == "%":
                value = round(value / 100, 6)
            if name.startswith("P_"):
                said.setdefault("probabilities", {})[name[2:].lower()] = value
            elif name.startswith("SHOWS_"):
                said.setdefault("body_parts", {})[name[6:].lower()] = value
            elif name in _PERCENT:
                assert unit == "%"
                said[_PERCENT[name]] = value
            else:
                key, kind = _NUMBERS[name]
                said[key] = kind(value)
        elif item.ValueType == "CODE":
            value = code(item.ConceptCodeSequence)
            if name == "FINDING":
                said["finding"] = _FINDINGS[value]
            elif name == "246112005":
                said["severity"] = value.lower()
            elif name == "KNOWN_KIND":
                said["in_distribution"] = value == "373066001"
            elif name == "PRESENCE":
                said["presence"] = value
        elif item.ValueType == "TEXT":
            if name == "111003":
                said["model_version"] = item.TextValue
            elif name == "WARNING":
                warning, _, message = item.TextValue.partition(": ")
                said["warnings"].append({"code": warning, "message": message})
            elif name in _TEXTS:
                said[name.lower()] = item.TextValue
            elif name == "VIEW":
                said.setdefault("views", []).append(item.TextValue)
            elif name.islower():  # a field without a code of its own
                said[name] = json.loads(item.TextValue)
        elif item.ValueType == "SCOORD":
            assert item.GraphicType == "POINT"
            # The middle of a pixel, counted from the corner of the first one.
            said["peak_x"], said["peak_y"] = (int(v - 0.5) for v in item.GraphicData)
            (image,) = item.ContentSequence
            (reference,) = image.ReferencedSOPSequence
            said["peak_image"] = reference.ReferencedSOPInstanceUID
    return said
