"""What guidelines describe after a finding, each step with its source.

Reference for clinicians, never advice to a patient: the model saw one film and knows
neither history nor examination. Steps are paraphrased and cite the guideline as a
whole; its current text decides.
"""

from __future__ import annotations

import dataclasses

from fracture.prediction import Finding

DISCLAIMER = (
    "For clinicians, as a reference. Not advice for this patient, who was not examined "
    "here; the guideline's current text and the local pathway decide."
)


@dataclasses.dataclass(frozen=True)
class Source:
    """A guideline: its publisher, title, year and address."""

    publisher: str
    title: str
    year: int
    url: str


@dataclasses.dataclass(frozen=True)
class Step:
    """Something a guideline describes, and the guideline."""

    text: str
    source: Source

    def to_dict(self) -> dict:
        """`text` and the fields of the source, flat."""
        return {"text": self.text, **dataclasses.asdict(self.source)}


_NG38 = Source(
    "NICE",
    "NG38: Fractures (non-complex): assessment and management",
    2016,
    "https://www.nice.org.uk/guidance/ng38",
)
_NG37 = Source(
    "NICE",
    "NG37: Fractures (complex): assessment and management",
    2016,
    "https://www.nice.org.uk/guidance/ng37",
)
_CG124 = Source(
    "NICE",
    "CG124: Hip fracture: management",
    2011,
    "https://www.nice.org.uk/guidance/cg124",
)
_ACR_EXTREMITIES = Source(
    "ACR, SPR, SSR",
    "Practice Parameter for the Performance of Radiography of the Extremities",
    2018,
    "https://www.acr.org/Clinical-Resources/Practice-Parameters-and-Technical-Standards",
)
_ACR_WRIST = Source(
    "ACR",
    "Appropriateness Criteria: Acute Hand and Wrist Trauma",
    2019,
    "https://doi.org/10.1016/j.jacr.2019.02.029",
)
_ACR_STRESS = Source(
    "ACR",
    "Appropriateness Criteria: Stress (Fatigue-Insufficiency) Fracture",
    2024,
    "https://doi.org/10.1016/j.jacr.2024.08.019",
)
_BOA = "British Orthopaedic Association"
_BOAST_CLINIC = Source(
    _BOA,
    "BOAST: Fracture Clinic Services",
    2013,
    "https://www.boa.ac.uk/standards-guidance/boasts.html",
)
_BOAST_OPEN = Source(
    _BOA,
    "BOAST: Open Fractures",
    2017,
    "https://www.boa.ac.uk/resource/boast-4-pdf.html",
)

_REPORT = Step(
    "A definitive written report of the films by a radiologist, radiographer or other "
    "trained reporter before the patient leaves the emergency department.",
    _NG38,
)
_VIEWS = Step(
    "A second projection at a right angle to the first, and the adjoining joints where "
    "the injury asks for them.",
    _ACR_EXTREMITIES,
)
_WRIST = Step(
    "Hand or wrist, with radiographs negative or equivocal: MRI or CT without "
    "contrast, or repeat radiographs after 10 to 14 days.",
    _ACR_WRIST,
)
_SCAPHOID = Step(
    "Suspected scaphoid fracture after a thorough examination: MRI considered as the "
    "first imaging.",
    _NG38,
)
_HIP = Step(
    "Hip still suspected in spite of negative radiographs: MRI; CT when MRI is not to "
    "be had within 24 hours or is contraindicated.",
    _CG124,
)
_STRESS = Step(
    "Suspected stress fracture with negative radiographs: MRI without contrast.",
    _ACR_STRESS,
)
_CLINIC = Step(
    "Immobilisation as the injury asks for, and review in a fracture clinic within 72 "
    "hours of presentation.",
    _BOAST_CLINIC,
)
_NERVES = Step(
    "Vascular and neurological state of the limb examined and written down, and again "
    "after reduction or splinting; the limb realigned and splinted.",
    _BOAST_OPEN,
)
_COMPLEX = Step(
    "Open wound, absent pulses, or a fracture of pelvis, pilon or joint surface: the "
    "pathway for complex fractures, which starts in the emergency department.",
    _NG37,
)
_REDUCTION = Step(
    "Urgent orthopaedic review of the displacement: reduction, then treatment by "
    "fracture and age; an ankle for surgery, say, on the day of injury or the next.",
    _NG38,
)

_NOTHING_CERTAIN = (_REPORT, _VIEWS, _WRIST, _SCAPHOID, _HIP, _STRESS)
_SUSPECTED = Finding.FRACTURE_SUSPECTED
_STEPS = {
    (Finding.NO_FRACTURE_SEEN, None): _NOTHING_CERTAIN,
    (Finding.UNCERTAIN, None): _NOTHING_CERTAIN,
    (_SUSPECTED, None): (_NERVES, _REPORT, _VIEWS, _CLINIC),
    (_SUSPECTED, "hairline"): (_REPORT, _VIEWS, _CLINIC, _WRIST, _STRESS),
    (_SUSPECTED, "displaced"): (_NERVES, _REDUCTION, _COMPLEX, _REPORT),
}


def next_steps(finding: Finding, severity: str | None = None) -> tuple[Step, ...]:
    """Reference steps for a finding and severity, the most pressing first.

    Args:
        finding: of a `Prediction` or a `Study`.
        severity: as it comes with the finding.

    Returns:
        Steps with their sources; none for a film that was not judged.
    """
    return _STEPS.get((finding, severity), ())
