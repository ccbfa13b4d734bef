"""What became of one film: a prediction, or the reason why there is none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from fracture.classifier import FINDINGS, FractureClassifier, Prediction
from fracture.radiograph import Radiograph, RadiographError

# The finding of a film unlike anything the model learned from: no finding at all.
REFUSED = "not_judged"
OUT_OF_DISTRIBUTION = "out_of_distribution"
SUMMARIES = {**FINDINGS, REFUSED: "Not judged: unlike the films the model knows"}


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
        return self.prediction is not None and not any(
            notice.code == OUT_OF_DISTRIBUTION for notice in self.prediction.warnings
        )

    @property
    def finding(self) -> str | None:
        """Key of `SUMMARIES`; None of a film that could not be read."""
        if self.prediction is None:
            return None
        return self.prediction.finding if self.judged else REFUSED

    def to_dict(self) -> dict:
        """`Prediction.to_dict()`, or `error_code` and `error_message`.

        A film that is not judged keeps its figures but neither finding nor severity.
        """
        if self.error is not None:
            return {"error_code": self.error.code, "error_message": self.error.message}
        answer = self.prediction.to_dict()
        if not self.judged:
            refused = {"finding": REFUSED, "summary": SUMMARIES[REFUSED]}
            answer |= {**refused, "severity": None}
        return answer


def judge(
    classifier: FractureClassifier, name: str, read: Callable[[], Radiograph]
) -> Outcome:
    """Reads and classifies one film; what cannot be read is an outcome as well."""
    try:
        return Outcome(name, classifier.predict(read()))
    except RadiographError as error:
        return Outcome(name, error=error)
