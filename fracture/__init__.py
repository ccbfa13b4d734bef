"""A radiograph in; normal, hairline or displaced, how probable, and why, out."""

from fracture.classes import CLASSES
from fracture.classifier import FractureClassifier
from fracture.engine import EngineError
from fracture.prediction import FINDINGS, Prediction
from fracture.radiograph import Notice, Radiograph, RadiographError, read_radiograph
from fracture.version import __version__
from fracture.weights import WeightsError

__all__ = [
    "CLASSES",
    "FINDINGS",
    "EngineError",
    "FractureClassifier",
    "Notice",
    "Prediction",
    "Radiograph",
    "RadiographError",
    "WeightsError",
    "__version__",
    "read_radiograph",
]
