"""Several views of one patient: a finding for the study, as clinicians read.

The rule is the most suspicious view. A fracture line shows only where the beam runs
along it, so one view may hold what the others cannot; that is why limbs are taken in
two planes (ACR-SPR-SSR Practice Parameter for the Performance of Radiography of the
Extremities). A mean over the views, as the MURA baseline takes it (Rajpurkar et al.,
2017, arXiv 1712.06957), lets views that cannot show a fracture outvote the one that
does. The price is specificity: each further view is a further chance of a false alarm,
and `Study.evidence` says how large it may be.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from fracture.prediction import Finding
from fracture.prediction.field import Field, answer
from fracture.prediction.finding import Severity
from fracture.radiograph import Notice
from fracture.result import Result

RULE = (
    "The study takes the finding of its most suspicious view; no fracture is seen only "
    "when every view was judged and none shows one."
)


@dataclasses.dataclass(frozen=True, eq=False)
class Study:
    """The views of one patient and what they say together.

    Attributes:
        views: one result for each film, in the order sent; at least one.
        finding: as of a film; `not_judged` when no view could be judged.
        severity: `displaced` if any suspected view says so, since displacement may
            show in one plane only; else `hairline` if any does; else None.
        warnings: what weakens the finding of the study.
    """

    views: tuple[Result, ...]
    finding: Finding
    severity: Severity | None
    warnings: tuple[Notice, ...]

    @property
    def judged(self) -> list[Result]:
        """The views that have a finding."""
        return [view for view in self.views if view.judged]

    @property
    def deciding_view(self) -> int | None:
        """Index of the most suspicious view."""
        if not self.judged:
            return None
        worst = max(self.judged, key=lambda v: v.prediction.fracture_probability)
        return self.views.index(worst)

    @property
    def fracture_probability(self) -> float | None:
        """Of the most suspicious view, in [0, 1]."""
        judged = (view.prediction.fracture_probability for view in self.judged)
        return max(judged, default=None)

    @property
    def body_part(self) -> str | None:
        """The part that every judged view clearly shows; None where there is none."""
        parts = {view.prediction.body_part for view in self.judged}
        return parts.pop() if len(parts) == 1 else None

    @property
    def summary(self) -> str:
        """The finding in words."""
        if self.finding is Finding.NOT_JUDGED:
            return "Not judged: no view could be read as a limb film"
        return self.finding.summary(self.severity)

    @property
    def evidence(self) -> str:
        """What is known, and what is not, about the rule at this number of views."""
        unknown = "It was not measured on studies: the public films carry no study ids."
        views = len(self.judged)
        if views < 2:
            return unknown
        config = self.judged[0].prediction.config
        specificity = config.values["operating_points"]["rule_in"].get("specificity")
        if specificity is None:
            return unknown
        # Frechet's bounds: they hold however much the views' errors go together.
        low = max(0.0, 1 - views * (1 - specificity))
        return (
            f"At rule-in one film's specificity on films held out was "
            f"{specificity:.0%}; that of {views} views lies between {low:.0%} and "
            f"{specificity:.0%}, while sensitivity can only gain. {unknown}"
        )

    @property
    def model_version(self) -> str | None:
        """Of the weights that judged the views."""
        versions = {view.prediction.model_version for view in self.judged}
        return min(versions, default=None)

    def to_dict(self) -> dict:
        """Plain JSON types: `FIELDS`, and `Result.to_dict()` of the views, named."""
        views = [{"name": view.name, **view.to_dict()} for view in self.views]
        return {**answer(self, FIELDS), "views": views}


FIELDS = (
    Field("model_version", str | None, "Name, version and checksum of the weights."),
    Field("finding", Finding, "What is said of the study."),
    Field("summary", str, "The finding in words."),
    Field("severity", Severity | None, "The worst that a suspected view shows."),
    Field("fracture_probability", float | None, "That of the worst view.", "0 to 1"),
    Field("deciding_view", int | None, "Index of the most suspicious view, from 0."),
    Field("body_part", str | None, "The part that every judged view shows, or null."),
    Field("rule", str, "How the finding comes about.", value=lambda _: RULE),
    Field("evidence", str, "What is known about the rule, and what is not."),
    Field("warnings", list[Notice], "What weakens the finding."),
)


def combine(views: Sequence[Result]) -> Study:
    """Views of one patient -> the study they make.

    Raises:
        ValueError: no view.
    """
    if not views:
        raise ValueError("a study needs at least one view")
    judged = [view for view in views if view.judged]
    suspected = [v for v in judged if v.finding is Finding.FRACTURE_SUSPECTED]
    severities = {view.prediction.severity for view in suspected}
    worst_first = (name for name in ("displaced", "hairline") if name in severities)
    severity = next(worst_first, None)
    if suspected:
        finding = Finding.FRACTURE_SUSPECTED
    elif not judged:
        finding = Finding.NOT_JUDGED
    elif {view.finding for view in views} == {Finding.NO_FRACTURE_SEEN}:
        finding = Finding.NO_FRACTURE_SEEN
    else:
        finding = Finding.UNCERTAIN
    return Study(tuple(views), finding, severity, tuple(_warnings(views, judged)))


def _warnings(views: Sequence[Result], judged: Sequence[Result]) -> list[Notice]:
    notices = []
    if len(judged) < len(views):
        message = (
            f"{len(views) - len(judged)} of {len(views)} views could not be judged; "
            "the study cannot rule a fracture out without them."
        )
        notices.append(Notice("incomplete_study", message))
    films = {view.prediction.film.digest for view in judged}
    if len(films) < len(judged):
        message = "Two views are the same film; a copy adds nothing."
        notices.append(Notice("repeated_view", message))
    if len(films) == 1:
        message = "One view is one too few: a fracture may show in another plane only."
        notices.append(Notice("single_view", message))
    return notices
