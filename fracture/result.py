"""What became of one film: a prediction, or the reason why there is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from fracture.classifier import FractureClassifier
from fracture.prediction import Prediction
from fracture.radiograph import Radiograph, RadiographError

REFUSED = "not_judged"  # of a film unlike anything the model learned from


@dataclasses.dataclass(frozen=True, eq=False)
class Outcome:
    """One film's prediction or its error; exactly one of the two.

    Attributes:
        name: what the sender calls the film; shown, never opened.
        prediction: of a film that could be read.
        error: of one that could not.
    """

    name: str
    prediction: Prediction | None = None
    error: RadiographError | None = None

    @property
    def judged(self) -> bool:
        """Whether the film has a finding: it was read and is of a known kind."""
        return self.prediction is not None and self.prediction.in_distribution

    @property
    def finding(self) -> str | None:
        """Key of `FINDINGS`; None of a film that could not be read."""
        return self.prediction.finding if self.prediction else None

    def to_dict(self) -> dict:
        """`Prediction.to_dict()`, or `error_code` and `error_message`."""
        if self.error is not None:
            return {"error_code": self.error.code, "error_message": self.error.message}
        return self.prediction.to_dict()


def judge(
    classifier: FractureClassifier, name: str, read: Callable[[], Radiograph]
) -> Outcome:
    """Reads and classifies one film; what cannot be read is an outcome as well."""
    try:
        return Outcome(name, classifier.predict(read()))
    except RadiographError as error:
        return Outcome(name, error=error)
