"""What is said of one film, in the fields that every surface shows."""

from fracture.prediction.field import Field
from fracture.prediction.finding import FINDINGS, Finding
from fracture.prediction.marks import Mark
from fracture.prediction.prediction import FIELDS, Prediction

__all__ = ["FIELDS", "FINDINGS", "Field", "Finding", "Mark", "Prediction"]
