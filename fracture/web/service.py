"""What every page and endpoint works with: the model, the limits, the uploads."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder, is_in_or_equal

from fracture.batch import Film, classify, collect
from fracture.classifier import FractureClassifier
from fracture.hub import SERVING_FILES, resolve
from fracture.prediction import FIELDS
from fracture.radiograph import (
    MIN_SIDE,
    Radiograph,
    RadiographError,
    Source,
    read_radiograph,
)
from fracture.result import Result
from fracture.study import RULE, Study, combine
from fracture.version import __version__
from fracture.web.openapi import STRENGTH
from fracture.web.settings import Settings
from fracture.weights import MODEL_FILE

_FILES = (*SERVING_FILES, "README.md", "figures/*")  # the card is a page of the app
FORMATS = ("PNG", "JPEG", "TIFF", "WebP", "BMP", "DICOM")


class Service:
    """Reads and classifies what visitors send, within the limits of the settings.

    Attributes:
        settings: of this app.
    """

    def __init__(self, settings: Settings, weights: Path):
        """`weights` is the folder to take where the settings name none."""
        self.settings = settings
        self._weights = settings.weights or weights
        self._lock = threading.Lock()

    @property
    def classifier(self) -> FractureClassifier:
        """The classifier, loaded at its first use."""
        with self._lock:
            return self._classifier

    @functools.cached_property
    def _classifier(self) -> FractureClassifier:
        folder = resolve(self._weights, _FILES)
        return FractureClassifier.from_pretrained(folder, self.settings.threads)

    def read(self, source: Source) -> Radiograph:
        """`read_radiograph` with the app's limit."""
        return read_radiograph(source, max_pixels=self.settings.max_megapixels * 10**6)

    def predict(self, name: str, path: Path) -> Result:
        """One film's result."""
        return Result.of(self.classifier, name, functools.partial(self.read, path))

    def study(self, files: Sequence[tuple[str, Path]]) -> Study:
        """Several views of one patient.

        Raises:
            RadiographError: `no_film` or `too_many_views`.
        """
        if not files:
            raise RadiographError("no_film", "No film was sent; choose a file.")
        if len(files) > self.settings.max_views:
            message = f"More than {self.settings.max_views} views; is this one study?"
            raise RadiographError("too_many_views", message)
        return combine([self.predict(name, path) for name, path in files])

    def collect(self, files: Sequence[tuple[str, Path]]) -> list[Film]:
        """The films of a batch, archives opened.

        Raises:
            RadiographError: `no_film` or `too_many_films`.
        """
        if not files:
            raise RadiographError("no_film", "No film was sent; choose files.")
        return collect(files, self.settings.max_films, self.read)

    def classify(self, films: Sequence[Film]) -> Iterator[Result]:
        """One result for each film, in order."""
        return classify(self.classifier, films)

    def model(self) -> dict:
        """What runs here, with which thresholds and limits, in plain JSON types."""
        config, settings = self.classifier.config, self.settings
        units = {field.name: field.unit for field in FIELDS if field.unit}
        return {
            "name": config.values["name"],
            "version": config.values["version"],
            "model_version": config.model_version,
            "checksum_sha256": config.values["files"][MODEL_FILE],
            "package_version": __version__,
            "classes": list(config.values["classes"]),
            "operating_points": config.values["operating_points"],
            "study_rule": RULE,
            "units": {**units, "heatmap": STRENGTH},
            "input_formats": list(FORMATS),
            "input_min_side_pixels": MIN_SIDE,
            "input_max_megapixels": settings.max_megapixels,
            "input_max_upload_mib": settings.max_upload_mb,
            "input_max_films": settings.max_films,
            "input_max_views": settings.max_views,
            "intended_use": "research and teaching; not a medical device",
        }


def uploaded(file: Any) -> tuple[str, Path]:
    """A file as Gradio hands it over -> its name and where it lies.

    Gradio itself checks only what says that it is a file; a bare path would pass.

    Raises:
        RadiographError: `no_film`, or `not_uploaded` for any other place on the disk.
    """
    name = None
    if isinstance(file, dict):
        file, name = file.get("path"), file.get("orig_name")
    if not isinstance(file, str) or not file:
        raise RadiographError("no_film", "No film was sent; choose a file.")
    if not is_in_or_equal(file, get_upload_folder()):
        message = "That file was not uploaded; send its content."
        raise RadiographError("not_uploaded", message)
    return name or Path(file).name, Path(file)
