"""DICOM films made on the fly, full of patient tags."""

import io

import numpy as np
from pydicom import uid
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from specimens import encode

ROWS, COLUMNS = np.mgrid[:240, :256]
FILM = (COLUMNS * 13 + ROWS * 2).astype(np.uint16)  # 0..3793 of 12 bits
SECRETS = ["DOE^JANE", "MRN-4711", "19700101", "St Elsewhere", "ACC-0815"]


def dataset(pixels, **elements):
    """A DX image of one frame, full of patient tags."""
    made = Dataset()
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = uid.ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = uid.DigitalXRayImageStorageForPresentation
    made.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    made.SOPClassUID = uid.DigitalXRayImageStorageForPresentation
    made.SOPInstanceUID = "1.2.3"
    made.PatientName, made.PatientID, made.PatientBirthDate = SECRETS[:3]
    made.InstitutionName, made.AccessionNumber = SECRETS[3:]
    made.Modality, made.BodyPartExamined = "DX", "HAND"
    made.Rows, made.Columns = pixels.shape[:2]
    made.SamplesPerPixel = 1 if pixels.ndim == 2 else 3
    made.PhotometricInterpretation = "MONOCHROME2" if pixels.ndim == 2 else "RGB"
    if pixels.ndim == 3:
        made.PlanarConfiguration = 0
    made.BitsAllocated = 8 * pixels.dtype.itemsize
    made.BitsStored = 12 if made.BitsAllocated == 16 else made.BitsAllocated
    made.HighBit = made.BitsStored - 1
    made.PixelRepresentation = int(pixels.dtype.kind == "i")
    data = pixels.tobytes()
    made.PixelData = data + bytes(len(data) % 2)
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def write(made, syntax=uid.ExplicitVRLittleEndian, file_format=True):
    made.file_meta.TransferSyntaxUID = syntax
    stream = io.BytesIO()
    if file_format:
        made.save_as(stream, enforce_file_format=True)
    else:
        del made.file_meta
        made.save_as(
            stream,
            implicit_vr=syntax == uid.ImplicitVRLittleEndian,
            little_endian=syntax != uid.ExplicitVRBigEndian,
        )
    return stream.getvalue()


def coded_film(pixels, kind, **elements):
    stream = encode(pixels, kind, **({"quality": 95} if kind == "JPEG" else {}))
    made = dataset(pixels, **elements)
    made.PixelData = encapsulate([stream])
    made["PixelData"].VR = "OB"
    return made
