"""Layouts of data sets, one to a file; a new one is entered here, and nowhere else."""

from fracture.data.formats.class_folders import CLASS_FOLDERS
from fracture.data.formats.data_format import DataFormat
from fracture.data.formats.fracatlas import FRACATLAS
from fracture.data.formats.manifest import MANIFEST
from fracture.data.formats.multi_region import MULTI_REGION
from fracture.data.formats.mura import MURA

# The first that recognises a folder reads it.
FORMATS: tuple[DataFormat, ...] = (
    *(MANIFEST, FRACATLAS, MURA, MULTI_REGION, CLASS_FOLDERS),
)
