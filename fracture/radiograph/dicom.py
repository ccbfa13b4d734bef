"""DICOM for `fracture.radiograph`: a file's bytes -> its first frame, as displayed.

For a film only the technical elements in `_ELEMENTS` are parsed, so no patient tag can
be kept or logged; who needs one asks `read_tags` for it by name.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from fracture.radiograph.dicom_display import code_string, display
from fracture.radiograph.radiograph import (
    Decoded,
    NeedsProcess,
    Notice,
    RadiographError,
    at_most,
    check_size,
)
from fracture.radiograph.structure import (
    MOST_READS,
    Metered,
    check_codestream,
    check_runs,
    inflate,
)

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.uid import UID

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
_IN_PLACE = ("pydicom", "pillow")
_MOST_ITEMS = 10_000  # fragments of the pixels; one a frame is usual
_MOST_VALUE = 2**16  # bytes of any value but look-up tables and pixels
_MOST_TABLE = 2**19
_TABLES = (0x00283000, 0x00283010)  # modality and VOI LUT sequences
_PIXEL_DATA = 0x7FE00010


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
            `too_many_parts` or a size. Damage makes pydicom raise anything; the caller
            explains that.
        NeedsProcess: GDCM is to decode the film; it aborts on some damaged ones.
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
    values = _decode(dataset, frames)
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


def read_tags(data: bytes, keywords: Sequence[str], max_bytes: int) -> dict:
    """Elements of a DICOM file, pixels apart, in the standard's JSON (PS3.18 F).

    Text is Unicode whatever the file's character sets are. Damage makes pydicom raise
    anything, as in `read_dicom`.
    """
    dataset = _parse(data, max_bytes, ["SOPClassUID", "Rows", "Columns", *keywords])
    dataset.decode()
    return dataset.to_json_dict(suppress_invalid_tags=True)


def transfer_syntaxes() -> list[UID]:
    """Those whose pixels can be decoded with what is installed here."""
    from pydicom import uid
    from pydicom.pixels import get_decoder

    able = []
    for syntax in uid.AllTransferSyntaxes:
        with contextlib.suppress(NotImplementedError):
            decoder = get_decoder(syntax)
            if decoder.is_native or {*_PLUGINS} & {*decoder.available_plugins}:
                able.append(syntax)
    return able


def _parse(data: bytes, max_bytes: int, keywords: Sequence[str] = _ELEMENTS) -> Dataset:
    try:
        import pydicom
        from pydicom import uid
        from pydicom.filereader import read_partial
        from pydicom.tag import Tag
    except ImportError:
        message = 'DICOM needs pydicom: pip install "fracture[dicom]".'
        raise RadiographError("dicom_support_missing", message) from None
    wanted = {Tag(keyword) for keyword in ("SpecificCharacterSet", *keywords)}

    def bounded(tag: int, vr: str | None, length: int) -> bool:
        if tag in wanted and tag != _PIXEL_DATA and length != 0xFFFFFFFF:
            at_most("bytes", length, _MOST_TABLE if tag in _TABLES else _MOST_VALUE)
        return tag > _PIXEL_DATA or (tag == _PIXEL_DATA and tag not in wanted)

    has_preamble = data[128:132] == b"DICM"
    stream = Metered(inflate(data, max_bytes) if has_preamble else data)
    try:
        dataset = read_partial(stream, bounded, force=True, specific_tags=[*wanted])
    except Exception:
        at_most("elements", stream.reads, MOST_READS)
        if has_preamble:
            raise
        dataset = pydicom.Dataset()  # type: ignore[assignment]
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
    if stream.tell() > len(stream.getbuffer()) or (
        syntax != native and not len(dataset)
    ):
        message = "The DICOM file ends too early; copy or export it again."
        raise RadiographError("truncated_file", message)
    return dataset


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


def _decode(dataset: Dataset, frames: int) -> np.ndarray:
    """The first frame: (H, W), or (H, W, 3) as RGB; signed and unused bits settled."""
    from pydicom.encaps import encapsulate, get_frame
    from pydicom.pixels import get_decoder, pixel_array
    from pydicom.uid import JPEGExtended12Bit, RLELossless

    syntax = dataset.file_meta.TransferSyntaxUID
    try:
        decoder = get_decoder(syntax)
    except NotImplementedError:
        message = "This transfer syntax is not read; export the film uncompressed."
        raise RadiographError("dicom_transfer_syntax", message) from None
    if decoder.is_native:
        if dataset.get("HighBit", dataset.BitsStored - 1) != dataset.BitsStored - 1:
            message = "The stored bits are not the lowest ones; export the film again."
            raise RadiographError("unsupported_pixels", message)
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
    if plugin not in _IN_PLACE and not NeedsProcess.met:
        raise NeedsProcess
    at_most("fragments", dataset.PixelData.count(b"\xfe\xff\0\xe0"), _MOST_ITEMS)
    frame = get_frame(dataset.PixelData, 0, number_of_frames=frames)
    size = (dataset.Rows, dataset.Columns, dataset.SamplesPerPixel)
    if syntax == RLELossless:
        check_runs(frame, math.prod(size[:2]), size[2] * dataset.BitsAllocated // 8)
    else:
        frame = check_codestream(frame, size)
    dataset.PixelData, dataset.NumberOfFrames = encapsulate([frame]), 1
    return pixel_array(dataset, index=0, decoding_plugin=plugin)
