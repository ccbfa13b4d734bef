"""What became of one film: a prediction, or the reason why there is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from fracture.classifier import FractureClassifier
from fracture.prediction import Finding, Prediction
from fracture.prediction.field import Field, answer
from fracture.radiograph import Radiograph, RadiographError

NAME = Field("name", str, "What the sender calls the film.")
# What is answered of a film that cannot be read, instead of a prediction.
ERROR = (
    Field("error_code", str, "Why there is no answer.", value=lambda e: e.code),
    Field("error_message", str, "The same in words.", value=lambda e: e.message),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Result:
    """One film's prediction or its error; exactly one of the two.

    Attributes:
        name: what the sender calls the film; shown, never opened.
        prediction: of a film that could be read.
        error: of one that could not.
    """

    name: str
    prediction: Prediction | None = None
    error: RadiographError | None = None

    @classmethod
    def of(
        cls, classifier: FractureClassifier, name: str, read: Callable[[], Radiograph]
    ) -> Result:
        """Reads and classifies one film; an error of the film is a result as well."""
        try:
            return cls(name, classifier.predict(read()))
        except RadiographError as error:
            return cls(name, error=error)

    @property
    def judged(self) -> bool:
        """Whether the film has a finding: it was read and is of a known kind."""
        return self.prediction is not None and self.prediction.in_distribution

    @property
    def finding(self) -> Finding | None:
        """The prediction's; None of a film that could not be read."""
        return self.prediction.finding if self.prediction else None

    def to_dict(self) -> dict:
        """`Prediction.to_dict()`, or the fields of `ERROR`."""
        return answer(self.error, ERROR) if self.error else self.prediction.to_dict()
