"""Sends a sample film to a PACS or a node, as a modality would.

    python deploy/send_sample.py ORTHANC@127.0.0.1:4242 [examples/displaced.png ...]

The pictures become DX images of one made-up patient, each run a study of its own.
"""

from __future__ import annotations

import argparse
import datetime
import re
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import (
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    generate_uid,
)
from pynetdicom import AE

EXAMPLES = Path(__file__).parents[1] / "examples"


def film(picture: Path, study: str, number: int) -> Dataset:
    """A picture as a film of a study."""
    with Image.open(picture) as opened:
        pixels = np.asarray(opened.convert("L"))
    made, meta = Dataset(), FileMetaDataset()
    made.SOPClassUID = DigitalXRayImageStorageForPresentation
    made.SOPInstanceUID = generate_uid()
    made.StudyInstanceUID, made.SeriesInstanceUID = study, generate_uid()
    made.PatientName, made.PatientID = "Sample^Film", "SAMPLE"
    made.PatientBirthDate = made.PatientSex = made.AccessionNumber = ""
    made.ReferringPhysicianName, made.StudyID = "", "1"
    now = datetime.datetime.now()
    made.StudyDate, made.StudyTime = f"{now:%Y%m%d}", f"{now:%H%M%S}"
    made.Modality, made.PresentationIntentType = "DX", "FOR PRESENTATION"
    made.InstanceNumber = made.SeriesNumber = number
    made.Rows, made.Columns = pixels.shape
    made.SamplesPerPixel, made.PhotometricInterpretation = 1, "MONOCHROME2"
    made.BitsAllocated = made.BitsStored = 8
    made.HighBit, made.PixelRepresentation = 7, 0
    made.PixelData = pixels.tobytes() + bytes(pixels.size % 2)
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    meta.MediaStorageSOPClassUID = made.SOPClassUID
    meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID
    made.file_meta = meta
    return made


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("to", metavar="AET@HOST:PORT")
    parser.add_argument("pictures", nargs="*", type=Path)
    parser.add_argument("--aet", default="MODALITY", help="its own title")
    args = parser.parse_args()
    found = re.fullmatch(r"([^@]+)@([^@]+):(\d+)", args.to)
    if not found:
        parser.error("name the receiver as AET@HOST:PORT")
    called, host, port = found.groups()
    ae = AE(args.aet)
    ae.add_requested_context(
        DigitalXRayImageStorageForPresentation, ExplicitVRLittleEndian
    )
    association = ae.associate(host, int(port), ae_title=called)
    if not association.is_established:
        sys.exit(f"{args.to} does not accept {args.aet}")
    study = generate_uid()
    for number, picture in enumerate(args.pictures or [EXAMPLES / "displaced.png"], 1):
        status = association.send_c_store(film(picture, study, number)).get("Status")
        if status != 0:
            sys.exit(f"{picture} was refused: {status}")
    association.release()
    print(f"sent as study {study}")


if __name__ == "__main__":
    main()
