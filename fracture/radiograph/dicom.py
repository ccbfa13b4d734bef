"""DICOM for `fracture.radiograph`: a file's bytes -> its first frame, as displayed.

Only the technical elements in `_ELEMENTS` are ever parsed, so no patient tag can be
kept or logged.
"""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from fracture.radiograph.dicom_display import code_string, display
from fracture.radiograph.radiograph import Decoded, Notice, RadiographError, check_size

if TYPE_CHECKING:
    from pydicom import Dataset

MODALITIES = ("CR", "DX", "RG")  # projection radiographs of bone

# fmt: off
_ELEMENTS = [
    "SOPClassUID", "Modality", "BodyPartExamined", "PresentationIntentType",
    "BurnedInAnnotation", "SamplesPerPixel", "PhotometricInterpretation",
    "PlanarConfiguration", "NumberOfFrames", "Rows", "Columns", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue",
    "PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept",
    "ModalityLUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction",
    "VOILUTSequence", "PresentationLUTShape", "PixelData",
]
# fmt: on
# By trust, best first; those that are not installed are passed over.
_PLUGINS = ("pydicom", "pillow", "gdcm", "pyjpegls", "pylibjpeg")
_DECODE_FIRST_FRAME = """
import io, sys, numpy, pydicom
dataset = pydicom.dcmread(io.BytesIO(sys.stdin.buffer.read()))
pixels = pydicom.pixels.pixel_array(dataset, index=0, decoding_plugin=sys.argv[1])
numpy.save(sys.stdout.buffer, pixels)
"""
# Start of frame, all coding processes (ITU-T T.81 table B.1) and JPEG-LS (T.87).
_START_OF_FRAME = {*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC}


def read_dicom(data: bytes, max_pixels: int, max_bytes: int) -> Decoded:
    """Decodes the first frame of a DICOM file.

    Args:
        data: the file, with its preamble or, if its elements make sense, without.
        max_pixels: most pixels over all frames.
        max_bytes: most bytes that a deflated data set may inflate to.

    Returns:
        Values (H, W) uint8, or (H, W, 3) of any integer type for colour; notices;
        metadata with `modality` and `body_part`.

    Raises:
        RadiographError: `dicom_support_missing`, `dicom_modality`,
            `dicom_transfer_syntax`, `no_pixels`, `truncated_file`, `unsupported_pixels`
            or a size. Damage makes pydicom raise anything; the caller explains that.
    """
    dataset = _parse(data, max_bytes)
    modality = code_string(dataset, "Modality")
    if "Modality" in dataset and dataset.Modality and modality not in MODALITIES:
        message = (
            f"The modality is {modality or 'unknown'}; only plain radiographs "
            f"({', '.join(MODALITIES)}) are read."
        )
        raise RadiographError("dicom_modality", message)
    if "PixelData" not in dataset or not dataset.PixelData:
        message = "The DICOM file has no image or ends before it; choose another."
        raise RadiographError("no_pixels", message)
    frames = max(1, int(dataset.get("NumberOfFrames") or 1))
    check_size(dataset.Columns, dataset.Rows, max_pixels, frames)
    photometric = code_string(dataset, "PhotometricInterpretation")
    notices = _notices(dataset, modality)
    values = _decode(dataset, data, frames)
    if values.ndim == 2 and photometric in ("MONOCHROME1", "MONOCHROME2"):
        values = display(values, dataset, notices)
    elif values.ndim == 2:
        message = f"{photometric or 'Unknown'} pixels are not read; export grey ones."
        raise RadiographError("unsupported_pixels", message)
    facts: dict[str, Any] = {
        "format": "DICOM",
        "bits": int(dataset.BitsStored),
        "frames": frames,
        "photometric": photometric,
        "modality": modality,
        "body_part": code_string(dataset, "BodyPartExamined"),
    }
    return values, notices, {name: fact for name, fact in facts.items() if fact != ""}


def _parse(data: bytes, max_bytes: int) -> Dataset:
    try:
        import pydicom
        from pydicom import uid
    except ImportError:
        message = 'DICOM needs pydicom: pip install "fracture[dicom]".'
        raise RadiographError("dicom_support_missing", message) from None
    has_preamble = data[128:132] == b"DICM"
    if has_preamble:
        _check_inflated(data, max_bytes)
    stream = io.BytesIO(data)
    try:
        dataset = pydicom.dcmread(stream, force=True, specific_tags=_ELEMENTS)
    except Exception:
        if has_preamble:
            raise
        dataset = pydicom.Dataset()
    is_named = "SOPClassUID" in dataset or "Modality" in dataset
    is_image = "Rows" in dataset and "Columns" in dataset
    if not has_preamble and not (is_named and is_image):
        message = "The file is of no known kind; send it as PNG, JPEG, TIFF or DICOM."
        raise RadiographError("unsupported_format", message)
    native = {
        (True, True): uid.ImplicitVRLittleEndian,
        (False, True): uid.ExplicitVRLittleEndian,
        (False, False): uid.ExplicitVRBigEndian,
    }[dataset.original_encoding]
    syntax = dataset.file_meta.setdefault("TransferSyntaxUID", native).value
    # pydicom skips past the end, and drops a data set cut within compressed pixels.
    if stream.tell() > len(data) or (syntax != native and not len(dataset)):
        message = "The DICOM file ends too early; copy or export it again."
        raise RadiographError("truncated_file", message)
    return dataset


def _check_inflated(data: bytes, max_bytes: int) -> None:
    """Stops a deflated data set (PS3.5 A.5) that would fill the memory."""
    from pydicom.filereader import read_dataset
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    stream = io.BytesIO(data)
    stream.seek(132)
    meta = read_dataset(stream, False, True, stop_when=lambda tag, *_: tag.group != 2)
    if meta.get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        inflater = zlib.decompressobj(-zlib.MAX_WBITS)
        if len(inflater.decompress(stream.read(), max_bytes + 1)) > max_bytes:
            message = f"The data set inflates to over {max_bytes / 2**20:g} MiB."
            raise RadiographError("too_many_bytes", message)


def _notices(dataset: Dataset, modality: str) -> list[Notice]:
    notices = []
    if not modality:
        message = "The file does not say its modality; make sure it is a radiograph."
        notices.append(Notice("modality_missing", message))
    if code_string(dataset, "PresentationIntentType") == "FOR PROCESSING":
        message = "These are raw detector values; send the FOR PRESENTATION image."
        notices.append(Notice("for_processing", message))
    if code_string(dataset, "BurnedInAnnotation") == "YES":
        message = "Text is burned into the pixels; see that it names no patient."
        notices.append(Notice("burned_in_annotation", message))
    return notices


def _decode(dataset: Dataset, data: bytes, frames: int) -> np.ndarray:
    """The first frame: (H, W), or (H, W, 3) as RGB; signed and unused bits settled."""
    from pydicom.encaps import get_frame
    from pydicom.pixels import get_decoder, pixel_array
    from pydicom.uid import JPEGExtended12Bit, RLELossless

    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        message = "This transfer syntax is not read; export the film uncompressed."
        raise RadiographError("dicom_transfer_syntax", message) from None
    if decoder.is_native:
        samples = dataset.Rows * dataset.Columns * dataset.SamplesPerPixel * frames
        if dataset.PhotometricInterpretation == "YBR_FULL_422":
            samples = samples * 2 // 3
        if len(dataset.PixelData) < samples * dataset.BitsAllocated // 8:
            message = "The DICOM file ends within its pixels; copy or export it again."
            raise RadiographError("truncated_file", message)
        return pixel_array(dataset, index=0)
    able = set(decoder.available_plugins)
    if syntax == JPEGExtended12Bit and dataset.BitsStored > 8:
        able -= {"pillow", "gdcm"}
    plugin = next((name for name in _PLUGINS if name in able), None)
    if plugin is None:
        message = (
            f"{syntax.name} needs a decoder that is not here; export the film "
            'uncompressed, or try pip install "fracture[dicom]".'
        )
        raise RadiographError("dicom_transfer_syntax", message)
    if syntax != RLELossless:
        frame = get_frame(dataset.PixelData, 0, number_of_frames=frames)
        # Decoders trust the codestream: one declared larger could take all memory.
        if _codestream_size(frame) != (dataset.Rows, dataset.Columns):
            message = (
                "The compressed image is not of the declared size; export it again."
            )
            raise RadiographError("corrupt_file", message)
    if plugin in ("pydicom", "pillow"):
        return pixel_array(dataset, index=0, decoding_plugin=plugin)
    return _decode_apart(data, plugin)


def _decode_apart(data: bytes, plugin: str) -> np.ndarray:
    """Decodes in a process of its own, since GDCM aborts on some damaged files."""
    command = [sys.executable, "-c", _DECODE_FIRST_FRAME, plugin]
    done = subprocess.run(command, input=data, capture_output=True, timeout=60)
    if done.returncode:
        message = "The compressed image is damaged; export the film again."
        raise RadiographError("corrupt_file", message)
    return np.load(io.BytesIO(done.stdout))


def _codestream_size(frame: bytes) -> tuple[int, int] | None:
    """(rows, columns) declared by a JPEG, JPEG-LS or JPEG 2000 codestream."""
    if not frame.startswith(b"\xff\xd8"):
        at = frame.index(b"\xff\x4f\xff\x51") + 8  # SOC, then SIZ (T.800 A.5.1)
        right, bottom, left, top = struct.unpack_from(">4I", frame, at)
        return bottom - top, right - left
    at = 2
    while frame[at] == 0xFF:
        if frame[at + 1] in _START_OF_FRAME:
            return struct.unpack_from(">HH", frame, at + 5)
        fill = frame[at + 1] == 0xFF
        at += 1 if fill else 2 + int.from_bytes(frame[at + 2 : at + 4], "big")
    return None
