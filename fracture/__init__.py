"""A radiograph in; normal, hairline or displaced, how probable, and why, out."""

from fracture.classes import CLASSES
from fracture.classifier import FINDINGS, FractureClassifier, Prediction
from fracture.radiograph import Notice, Radiograph, RadiographError, read_radiograph
from fracture.weights import WeightsError

__version__ = "0.1.0"

__all__ = [
    "CLASSES",
    "FINDINGS",
    "FractureClassifier",
    "Notice",
    "Prediction",
    "Radiograph",
    "RadiographError",
    "WeightsError",
    "__version__",
    "read_radiograph",
]
