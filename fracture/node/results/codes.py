"""What results say, as codes: standard ones where there are any, else our own."""

from __future__ import annotations

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import CodedConcept

from fracture.prediction import Finding

SCHEME = "99FRACTURE"
_SCHEME_UID = "2.25.42530571408318607790514838555898823654"


def _sct(value: str, meaning: str) -> CodedConcept:
    return CodedConcept(value, "SCT", meaning)


def _dcm(value: str, meaning: str) -> CodedConcept:
    return CodedConcept(value, "DCM", meaning)


def own(value: str, meaning: str) -> CodedConcept:
    """A code of our own scheme; one of over 16 letters is written as a long code."""
    return CodedConcept(value, SCHEME, meaning)


FRACTURE = _sct("72704001", "Fracture")
CATEGORY = _sct("49755003", "Morphologically abnormal structure")
# CID 240 and 241; "Suspected" is of CID 3770.
ABSENT = _sct("272519000", "Absent")
SUSPECTED = _sct("415684004", "Suspected")
UNDETERMINED = _sct("373068000", "Undetermined")
YES, NO = _sct("373066001", "Yes"), _sct("373067005", "No")
SEVERITY = _sct("246112005", "Severity")
PROBABILITY = _dcm("122157", "Probability")
ARTIFICIAL_INTELLIGENCE = _dcm("123110", "Artificial Intelligence")
REPORT_TITLE = _dcm("126000", "Imaging Measurement Report")
TEXTS = CodedConcept("C0034375", "UMLS", "Qualitative Evaluations")
PROCEDURE = CodedConcept("43468-8", "LN", "XR unspecified body region")
ENGLISH = CodedConcept("en", "RFC5646", "English")
PERCENT = CodedConcept("%", "UCUM", "Percent")
PIXELS = CodedConcept("{pixels}", "UCUM", "Pixels")
NUMBER = CodedConcept("1", "UCUM", "no units")

PRESENCE = own("PRESENCE", "Presence of a fracture")
# Of a film that was not judged nothing is known either.
PRESENCES = {
    Finding.NO_FRACTURE_SEEN: ABSENT,
    Finding.UNCERTAIN: UNDETERMINED,
    Finding.FRACTURE_SUSPECTED: SUSPECTED,
    Finding.NOT_JUDGED: UNDETERMINED,
}
STANDARD = (
    FRACTURE,
    CATEGORY,
    ABSENT,
    SUSPECTED,
    UNDETERMINED,
    YES,
    NO,
    SEVERITY,
    PROBABILITY,
    ARTIFICIAL_INTELLIGENCE,
    REPORT_TITLE,
    TEXTS,
    PROCEDURE,
    ENGLISH,
    PERCENT,
    PIXELS,
    NUMBER,
)


def scheme() -> CodingSchemeIdentificationItem:
    """Our own scheme, for the sequence that declares private schemes."""
    item = CodingSchemeIdentificationItem(
        SCHEME, name="fracture", responsible_organization="fracture"
    )
    item.CodingSchemeUID = _SCHEME_UID  # highdicom writes those of registries only
    return item
