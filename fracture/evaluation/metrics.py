"""Statistics of labels and scores, each with an interval from a grouped bootstrap.

A draw of the bootstrap is a weight per film, how often it was drawn. A statistic takes
columns of films and `weights`, `(draws, n)`, and returns one value per draw, NaN where
the draw does not define it: all draws come out of a few matrix operations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

DRAWS = 2000
BINS = 15  # of probability, for calibration
ROC_GRID = np.linspace(0, 1, 101)  # false-positive rates of a stored ROC curve

Statistic = Callable[..., np.ndarray]

_CHUNK = 1 << 22  # weights at a time, so that many films need little memory
_ROUNDING = 1e-9  # a rate that misses its target by this much has reached it


class Bootstrap:
    """Draws of whole groups, shared by all figures of the same films.

    Args:
        groups: `(n,)`, what is drawn with replacement.
        seed: of the draws.
    """

    def __init__(self, groups: Sequence[str] | np.ndarray, seed: int = 0):
        names, self._group_of = np.unique(np.asarray(groups), return_inverse=True)
        count, rng = len(names), np.random.default_rng(seed)
        draws = [
            np.bincount(rng.integers(0, count, count), minlength=count)
            for _ in range(DRAWS if count else 0)
        ]
        # The first row is the films as they are.
        self._times = np.array([np.ones(count), *draws], np.int16)

    def values(self, statistic: Statistic, *columns: np.ndarray) -> np.ndarray:
        """The statistic of the films themselves, then of each draw: `(1 + draws, ...)`.

        Args:
            columns: `(n,)` each, aligned with the groups.
        """
        step = max(1, _CHUNK // max(1, len(self._group_of)))
        parts = []
        for start in range(0, len(self._times), step):
            weights = self._times[start : start + step, self._group_of].astype(float)
            parts.append(statistic(*columns, weights))
        return np.concatenate(parts)

    def figure(
        self, statistic: Statistic, *columns: np.ndarray, n: int | None = None
    ) -> dict:
        """A statistic with its 95 % percentile interval.

        Args:
            n: films it is about; default all.

        Returns:
            `value` and `ci95` (None where undefined) and `n`.
        """
        n = len(self._group_of) if n is None else n
        if not n:
            return {"value": None, "ci95": None, "n": 0}
        value, *draws = self.values(statistic, *columns)
        draws = np.array(draws)[np.isfinite(draws)]
        if not np.isfinite(value):
            return {"value": None, "ci95": None, "n": n}
        interval = np.percentile(draws, (2.5, 97.5)) if len(draws) else None
        return {
            "value": round(float(value), 5),
            "ci95": None
            if interval is None
            else [round(float(q), 5) for q in interval],
            "n": n,
        }

    def share(self, event: np.ndarray, among: np.ndarray | None = None) -> dict:
        """The share of films with an event (bool) among some of them; `n` is theirs."""
        among = np.ones(len(event), bool) if among is None else among
        return self.figure(share, event, among, n=int(among.sum()))


def bootstrap(
    statistic: Statistic,
    groups: Sequence[str] | np.ndarray,
    *columns: np.ndarray,
    seed: int = 0,
) -> dict:
    """One figure: a statistic of aligned columns with its 95 % interval over groups."""
    return Bootstrap(groups, seed).figure(statistic, *columns)


def mean(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted mean."""
    return _ratio(weights @ values, weights.sum(1))


def share(event: np.ndarray, among: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Share of `event` among the films of `among`.

    Of calls among true films it is recall (sensitivity), of true films among calls
    precision (positive predictive value).
    """
    return _ratio(
        weights @ (event & among).astype(float), weights @ among.astype(float)
    )


def f1(truth: np.ndarray, called: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Harmonic mean of precision and recall."""
    both = weights @ (truth & called).astype(float)
    return _ratio(2 * both, weights @ (truth.astype(float) + called))


def macro(statistic: Statistic) -> Statistic:
    """The mean over classes of a statistic of two bool columns, class against rest."""

    def averaged(one: np.ndarray, other: np.ndarray, weights: np.ndarray) -> np.ndarray:
        classes = np.union1d(one, other)
        return np.mean([statistic(one == c, other == c, weights) for c in classes], 0)

    return averaged


def kappa(truth: np.ndarray, called: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Cohen's kappa with quadratic weights (Cohen, 1968) of ordinal numbers.

    Of two classes it is the plain kappa.
    """
    truth, called = truth.astype(float), called.astype(float)
    chance = mean(truth**2, weights) + mean(called**2, weights)
    chance -= 2 * mean(truth, weights) * mean(called, weights)
    return 1 - _ratio(mean((truth - called) ** 2, weights), chance)


def auroc(truth: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Area under the ROC curve."""
    true, false = _positives(truth, score, weights)
    areas = np.diff(false) * (true[:, 1:] + true[:, :-1]) / 2
    return _ratio(areas.sum(1), true[:, -1] * false[:, -1])


def average_precision(
    truth: np.ndarray, score: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Precision averaged over the steps of recall."""
    true, false = _positives(truth, score, weights)
    precision = np.nan_to_num(_ratio(true, true + false)[:, 1:])
    return _ratio((np.diff(true) * precision).sum(1), true[:, -1])


def sensitivity_at(specificity: float) -> Statistic:
    """The best sensitivity at a specificity, by a threshold chosen on these films."""

    def statistic(
        truth: np.ndarray, score: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        true, false = _positives(truth, score, weights)
        allowed = (1 - specificity + _ROUNDING) * false[:, -1:]
        return _ratio(np.where(false <= allowed, true, 0).max(1), true[:, -1])

    return statistic


def specificity_at(sensitivity: float) -> Statistic:
    """The best specificity at a sensitivity, by a threshold chosen on these films."""

    def statistic(
        truth: np.ndarray, score: np.ndarray, weights: np.ndarray
    ) -> np.ndarray:
        return sensitivity_at(sensitivity)(~truth, -score, weights)

    return statistic


def roc_sensitivities(
    truth: np.ndarray, score: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Sensitivity at each false-positive rate of `ROC_GRID`: `(draws, 101)`."""
    true, false = _positives(truth, score, weights)
    true, false = (_ratio(count, count[:, -1:]) for count in (true, false))
    last = [np.searchsorted(row, ROC_GRID + _ROUNDING, side="right") for row in false]
    return np.take_along_axis(true, np.array(last) - 1, axis=1)


def expected_calibration_error(
    truth: np.ndarray, probability: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """Mean gap of probability and frequency, 15 equal bins (Naeini et al., 2015)."""
    gaps = np.zeros((len(truth), BINS))
    gaps[np.arange(len(truth)), probability_bins(probability)] = probability - truth
    return _ratio(np.abs(weights @ gaps).sum(1), weights.sum(1))


def probability_bins(probability: np.ndarray) -> np.ndarray:
    """Which of the 15 equal bins each probability falls into."""
    return np.minimum((probability * BINS).astype(int), BINS - 1)


def _positives(
    truth: np.ndarray, score: np.ndarray, weights: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """True and false positives `(draws, 1 + distinct scores)`, threshold falling."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.diff(score[order], append=np.nan))  # of tied scores
    weights, truth = weights[:, order], truth.astype(bool)[order]
    counts = (np.cumsum(weights * side, axis=1)[:, ends] for side in (truth, ~truth))
    true, false = (np.pad(count, ((0, 0), (1, 0))) for count in counts)
    return true, false


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(part) / whole
