"""The secondary capture: the finding as a picture that every viewer shows."""

from __future__ import annotations

import numpy as np
from highdicom.sc import SCImage
from pydicom.uid import JPEGBaseline8Bit

from fracture.node.results import instance
from fracture.node.results.source import Source
from fracture.prediction import Prediction
from fracture.rendering.captioned import draw_captioned


def film_capture(source: Source, prediction: Prediction) -> SCImage:
    """A film with its evidence and its finding in words.

    Args:
        source: the film in its study.
        prediction: of the same film.
    """
    version = prediction.model_version
    uid = instance.result_uid(source.uid, version, "sc")
    picture = np.asarray(draw_captioned(prediction))
    capture = SCImage(
        picture,
        photometric_interpretation="YBR_FULL_422",
        transfer_syntax_uid=JPEGBaseline8Bit,
        bits_allocated=8,
        coordinate_system="PATIENT",
        study_instance_uid=source.study,
        patient_orientation=("L", "F"),
        **instance.place(source, version, "sc", uid),
    )
    # PS3.3 C.7.6.1.1.5; of the picture, not of the film it was drawn from.
    capture.LossyImageCompression = "01"
    capture.LossyImageCompressionMethod = "ISO_10918_1"
    ratio = picture.nbytes / len(capture.PixelData)
    capture.LossyImageCompressionRatio = f"{ratio:.1f}"
    # Unknown, both of them: type 2C is written empty.
    capture.PatientOrientation, capture.Laterality = [], ""
    notices = {notice.code for notice in prediction.warnings}
    capture.BurnedInAnnotation = "YES" if "burned_in_annotation" in notices else "NO"
    capture.ImageComments = "Research use only. Not a diagnosis."
    capture.SourceImageSequence = [source.item()]
    source.identify(capture)
    return capture
