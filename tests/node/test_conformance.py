"""docs/dicom-conformance.md says what the code does, and docs/node.md what it takes."""

import re

import pytest
from node_films import ROOT
from pydantic import BaseModel

from fracture.node import receiver, selection
from fracture.node.config import Films, NodeConfig
from fracture.node.pacs import dicomweb, dimse
from fracture.node.results import codes, content, instance
from fracture.radiograph.dicom import transfer_syntaxes

TEXT = (ROOT / "docs" / "dicom-conformance.md").read_text("utf-8")
GUIDE = (ROOT / "docs" / "node.md").read_text("utf-8")


def section(title: str) -> str:
    (found,) = re.findall(rf"^#+ {title}\n(.*?)(?=^#|\Z)", TEXT, re.M | re.S)
    return found


def rows(text: str) -> list[list[str]]:
    lines = re.findall(r"^\| (.*) \|$", text, re.M)
    return [[cell.strip() for cell in line.split("|")] for line in lines]


def uids(text: str) -> set[str]:
    return set(re.findall(r"\b1\.2\.840[\d.]+\b", text))


def test_sop_classes_and_transfer_syntaxes_that_are_taken():
    taken = selection.sop_classes(Films(secondary_capture=True))
    assert uids(section("Storage SCP")) == {*taken, *transfer_syntaxes()}


def test_sop_classes_that_are_sent():
    sent = {sop_class for sop_class, _ in dimse.CONTEXTS}
    assert uids(section("Storage SCU")) == sent


def test_statuses():
    assert f"{receiver.OUT_OF_RESOURCES:04X}" in section("Storage SCP")
    for status in dicomweb._LATER:
        assert str(status) in section("Storage SCU")


def own_codes() -> dict[str, str]:
    found = [codes.PRESENCE, content.VIEW, *content.TEXTS.values()]
    found += [name for name, *_ in content.NUMBERS.values()]
    found += [name for table in content.TABLES.values() for name in table.values()]
    for name, values in content.CODES.values():
        found += [name, *values.values()]
    own = [code for code in found if code.scheme_designator == codes.SCHEME]
    return {code.value: code.meaning for code in own}


def test_the_private_scheme_is_listed_whole():
    listed = dict(rows(section("Private coding scheme"))[1:])
    assert listed == own_codes()
    (scheme,) = re.findall(r"UID (2\.25\.\d+)", section("Private coding scheme"))
    assert scheme == codes.scheme().CodingSchemeUID


def test_every_standard_code_is_listed():
    listed = section("Comprehensive 3D SR, TID 1500")
    for code in codes.STANDARD:
        assert f"({code.value}, {code.scheme_designator}" in listed, code.meaning
    for code in re.findall(r"\((\S+), (?:SCT|DCM|LN|UCUM|UMLS|RFC5646)", listed):
        assert code in {c.value for c in codes.STANDARD}, code


def test_series_numbers():
    for number, _ in instance._SERIES.values():
        assert str(number) in section("Results")


def settings(model: type[BaseModel], table: str = "") -> dict[str, object]:
    """Name -> default of every value that a file may hold."""
    found = {}
    for name, field in model.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            found |= settings(inner, f"{name}.")
        else:
            found[table + name] = field
    return found


@pytest.mark.parametrize("name", settings(NodeConfig))
def test_every_setting_is_explained_with_its_default(name):
    field = settings(NodeConfig)[name]
    (row,) = [row for row in rows(GUIDE) if row[0] == f"`{name}`"]
    default = row[1].strip("`")
    if field.is_required():
        assert default == "required"
    elif isinstance(field.default, (bool, int, float, str)):
        number = type(field.default) in (int, float)
        told = f"{field.default:g}" if number else str(field.default).lower()
        assert default.lower() == told


def test_every_setting_that_is_explained_exists():
    named = {row[0].strip("`") for row in rows(GUIDE) if row[0].startswith("`")}
    known = settings(NodeConfig)
    tables = {name for name in named if "." in name} | {"spool", "weights"}
    assert tables <= known.keys()
