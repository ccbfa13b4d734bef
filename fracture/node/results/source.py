"""The film as the PACS knows it: patient, study and UIDs, read from its DICOM file."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING

from fracture.radiograph import RadiographError

if TYPE_CHECKING:
    from pydicom import Dataset

# What a result takes over from its film, and the standard wants present though perhaps
# empty (type 2: PS3.3 C.7.1.1, C.7.2.1).
_TYPE_2 = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "StudyDate",
    "StudyTime",
    "StudyID",
    "AccessionNumber",
    "ReferringPhysicianName",
)
# What it takes over where it is there (type 3; patient study: C.7.2.2).
_TYPE_3 = (
    "IssuerOfPatientID",
    "PatientBirthTime",
    "PatientAge",
    "PatientSize",
    "PatientWeight",
    "StudyDescription",
)
UIDS = ("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID")
# What only tells which film it is, and whether to judge it.
_FACTS = (
    "Modality",
    "BodyPartExamined",
    "SeriesDescription",
    "Manufacturer",
    "QualityControlImage",
    "InstanceNumber",
)
KEYWORDS = (*UIDS, *_TYPE_2, *_TYPE_3, *_FACTS, "Rows", "Columns")


@dataclasses.dataclass(frozen=True, eq=False)
class Source:
    """A film's place in the PACS.

    Attributes:
        tags: its elements of `KEYWORDS` in the standard's JSON, as `read_tags` gives.
        dataset: the same for pydicom, text as UTF-8.
    """

    tags: dict
    dataset: Dataset

    @classmethod
    def of(cls, tags: dict) -> Source:
        """Checks what every result refers to.

        Raises:
            RadiographError: `no_study`: a UID is missing or none.
        """
        from pydicom import Dataset

        dataset = Dataset()
        # First, or text that is set later is written in ASCII.
        dataset.SpecificCharacterSet = "ISO_IR 192"
        others = {tag: value for tag, value in tags.items() if tag != "00080005"}
        dataset.update(Dataset.from_json(others))
        for keyword in UIDS:
            value = str(dataset.get(keyword) or "")
            if not re.fullmatch(r"[0-9]+(\.[0-9]+)*", value) or len(value) > 64:
                message = f"The film has no valid {keyword}; results need a study."
                raise RadiographError("no_study", message)
        return cls(tags, dataset)

    def fact(self, keyword: str) -> str:
        """A value as text; "" where there is none."""
        return str(self.dataset.get(keyword) or "").strip()

    @property
    def uid(self) -> str:
        """SOP Instance UID of the film."""
        return str(self.dataset.SOPInstanceUID)

    @property
    def study(self) -> str:
        """UID of its study."""
        return str(self.dataset.StudyInstanceUID)

    @property
    def series(self) -> str:
        """UID of its series."""
        return str(self.dataset.SeriesInstanceUID)

    @property
    def reference(self) -> tuple[str, str]:
        """SOP class and instance, by which results refer to the film."""
        return str(self.dataset.SOPClassUID), self.uid

    def item(self) -> Dataset:
        """The film as an item of a sequence of references."""
        from pydicom import Dataset

        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = self.reference
        return item

    def identify(self, result: Dataset) -> None:
        """Gives a result the patient and the study, word for word as the film has them.

        highdicom would refuse values that a PACS holds all the same.
        """
        result.SpecificCharacterSet = "ISO_IR 192"
        for keyword in (*_TYPE_2, *_TYPE_3):
            if keyword in self.dataset:
                result[keyword] = self.dataset[keyword]
            elif keyword in _TYPE_2:
                setattr(result, keyword, "")
