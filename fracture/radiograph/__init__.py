"""The one way in: bytes, path, array or picture -> `Radiograph` -> square."""

from fracture.radiograph.letterbox import Letterbox
from fracture.radiograph.pool import ReaderPool
from fracture.radiograph.radiograph import (
    LOW_SIDE,
    MIN_SIDE,
    Notice,
    Radiograph,
    RadiographError,
    check_size,
    to_uint8,
)
from fracture.radiograph.reader import Source, read_radiograph
from fracture.radiograph.source import File

__all__ = [
    "LOW_SIDE",
    "MIN_SIDE",
    "File",
    "Letterbox",
    "Notice",
    "Radiograph",
    "RadiographError",
    "ReaderPool",
    "Source",
    "check_size",
    "read_radiograph",
    "to_uint8",
]
