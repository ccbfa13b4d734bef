"""The structured report of a film and of a study: Comprehensive 3D SR, TID 1500."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from highdicom import SOPClass
from highdicom.sr import (
    AlgorithmIdentification,
    DeviceObserverIdentifyingAttributes,
    ImageRegion,
    LanguageOfContentItemAndDescendants,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes as dicom_codes
from pydicom.uid import Comprehensive3DSRStorage, ExplicitVRLittleEndian

from fracture.node.results import codes, instance
from fracture.node.results.content import VIEW, Content
from fracture.node.results.source import Source
from fracture.prediction import Prediction
from fracture.study import Study
from fracture.version import __version__
from fracture.weights import WeightsConfig

_Group = (
    MeasurementsAndQualitativeEvaluations
    | PlanarROIMeasurementsAndQualitativeEvaluations
)


def film_report(source: Source, prediction: Prediction) -> Dataset:
    """What is said of one film; of one that was not judged, no probability.

    Args:
        source: the film in its study.
        prediction: of the same film.
    """
    version = prediction.model_version
    uid = instance.result_uid(source.uid, version, "sr")
    content = Content.of(prediction.to_dict())
    shared = _group(uid, prediction.config.values["name"], version, content)
    group: _Group
    if prediction.in_distribution:
        group = PlanarROIMeasurementsAndQualitativeEvaluations(
            referenced_region=_peak(source, prediction.peak), **shared
        )
    else:
        group = _of_images([source], shared)
    return _document([source], version, uid, group, content)


def study_report(
    sources: Sequence[Source], study: Study, config: WeightsConfig
) -> Dataset:
    """What the views of one study say together.

    Args:
        sources: the views, in the order of `study.views`.
        study: with at least one view that was read.
        config: of the weights; `study` names none where no view was judged.
    """
    version = config.model_version
    uid = instance.study_result_uid([source.uid for source in sources], version)
    answer = study.to_dict()
    content = Content.of(answer)
    for number, view in enumerate(answer["views"]):
        said = view.get("summary") or f"Not read: {view['error_code']}"
        content.texts.append((VIEW, f"{number}: {said}"))
    group = _of_images(sources, _group(uid, config.values["name"], version, content))
    return _document(sources, version, uid, group, content)


def _group(uid: str, name: str, version: str, content: Content) -> dict:
    return {
        "tracking_identifier": TrackingIdentifier(
            instance.derived_uid(uid, "finding"), "fracture"
        ),
        "finding_category": codes.CATEGORY,
        "finding_type": codes.FRACTURE,
        "algorithm_id": AlgorithmIdentification(
            name, version, family=codes.ARTIFICIAL_INTELLIGENCE
        ),
        "measurements": content.measurements,
        "qualitative_evaluations": content.evaluations,
    }


def _of_images(
    sources: Sequence[Source], shared: dict
) -> MeasurementsAndQualitativeEvaluations:
    images = [SourceImageForMeasurementGroup(*source.reference) for source in sources]
    return MeasurementsAndQualitativeEvaluations(source_images=images, **shared)


def _peak(source: Source, peak: tuple[int, int]) -> ImageRegion:
    """Where the evidence peaks: the middle of its pixel (PS3.3 C.18.6.1.1)."""
    middle = np.array([peak], dtype=np.float64) + 0.5
    return ImageRegion("POINT", middle, SourceImageForRegion(*source.reference))


def _document(
    sources: Sequence[Source],
    version: str,
    uid: str,
    group: _Group,
    content: Content,
) -> Dataset:
    device = DeviceObserverIdentifyingAttributes(
        instance.derived_uid(version, "device"),
        name="fracture",
        manufacturer_name=instance.MANUFACTURER,
        model_name=version,
        serial_number=__version__,
    )
    report = MeasurementReport(
        observation_context=ObservationContext(
            observer_device_context=ObserverContext(dicom_codes.DCM.Device, device)
        ),
        procedure_reported=codes.PROCEDURE,
        imaging_measurements=[group],
        title=codes.REPORT_TITLE,
        language_of_content_item_and_descendants=LanguageOfContentItemAndDescendants(
            codes.ENGLISH
        ),
    )
    if texts := content.container():
        report[0].ContentSequence.append(texts)
    # highdicom's own class would parse and copy what it has just made: five times the
    # time of all the rest.
    document = SOPClass(
        study_instance_uid=sources[0].study,
        sop_class_uid=Comprehensive3DSRStorage,
        modality="SR",
        transfer_syntax_uid=ExplicitVRLittleEndian,
        **instance.place(sources[0], version, "sr", uid),
    )
    # SR document general module (PS3.3 C.17.2).
    document.CompletionFlag, document.VerificationFlag = "COMPLETE", "UNVERIFIED"
    document.PreliminaryFlag = "PRELIMINARY"
    document.PerformedProcedureCodeSequence = []
    document.ReferencedPerformedProcedureStepSequence = []
    document.CurrentRequestedProcedureEvidenceSequence = [_evidence(sources)]
    document.update(report[0])
    sources[0].identify(document)
    return document


def _evidence(sources: Sequence[Source]) -> Dataset:
    """The films a report is about, by study and series (PS3.3 table C.17-3)."""
    evidence = Dataset()
    series: dict[str, list[Dataset]] = {}
    evidence.StudyInstanceUID = sources[0].study
    for source in sources:
        series.setdefault(source.series, []).append(source.item())
    evidence.ReferencedSeriesSequence = []
    for uid, items in series.items():
        item = Dataset()
        item.SeriesInstanceUID, item.ReferencedSOPSequence = uid, items
        evidence.ReferencedSeriesSequence.append(item)
    return evidence
