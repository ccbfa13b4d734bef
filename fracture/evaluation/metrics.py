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

Array = np.ndarray
Statistic = Callable[..., Array]

_CHUNK = 1 << 22  # weights at a time, so that many films need little memory
_ROUNDING = 1e-9  # a rate that misses its target by this much has reached it


class Bootstrap:
    """Draws of whole groups, shared by all figures of the same films.

    Args:
        groups: `(n,)`, what is drawn with replacement.
        seed: of the draws.
    """

    def __init__(self, groups: Sequence[str] | Array, seed: int = 0):
        names, self._group_of = np.unique(np.asarray(groups), return_inverse=True)
        count, rng = len(names), np.random.default_rng(seed)
        draws = [
            np.bincount(rng.integers(0, count, count), minlength=count)
            for _ in range(DRAWS if count else 0)
        ]
        # The first row is the films as they are.
        self._times = np.array([np.ones(count), *draws], np.int16)

    def values(self, statistic: Statistic, *columns: Array) -> Array:
        """The statistic of the films themselves, then of each draw: `(1 + draws, ...)`.

        Args:
            columns: `(n,)` each, aligned with the groups.
        """
        step = max(1, _CHUNK // max(1, len(self._group_of)))
        blocks = np.array_split(self._times, range(step, len(self._times), step))
        weights = (times[:, self._group_of].astype(float) for times in blocks)
        return np.concatenate([statistic(*columns, block) for block in weights])

    def figure(
        self, statistic: Statistic, *columns: Array, n: int | None = None
    ) -> dict:
        """A statistic with its 95 % percentile interval.

        Args:
            n: films it is about; default all.

        Returns:
            `value` and `ci95` (None where undefined) and `n`.
        """
        n = len(self._group_of) if n is None else n
        found = {"value": None, "ci95": None, "n": n}
        if not n:
            return found
        value, *draws = self.values(statistic, *columns)
        draws = np.array(draws)[np.isfinite(draws)]
        if np.isfinite(value):
            found["value"] = round(float(value), 5)
            if len(draws):
                ends = np.percentile(draws, (2.5, 97.5)).tolist()
                found["ci95"] = [round(end, 5) for end in ends]
        return found

    def share(self, event: Array, among: Array | None = None) -> dict:
        """The share of films with an event (bool) among some of them; `n` is theirs."""
        among = np.ones(len(event), bool) if among is None else among
        return self.figure(share, event, among, n=int(among.sum()))


def bootstrap(
    statistic: Statistic, groups: Sequence[str] | Array, *columns: Array, seed: int = 0
) -> dict:
    """One figure: a statistic of aligned columns with its 95 % interval over groups."""
    return Bootstrap(groups, seed).figure(statistic, *columns)


def mean(values: Array, weights: Array) -> Array:
    """Weighted mean."""
    return _ratio(weights @ values, weights.sum(1))


def share(event: Array, among: Array, weights: Array) -> Array:
    """Share of `event` among the films of `among`.

    Of calls among true films it is recall (sensitivity), of true films among calls
    precision (positive predictive value).
    """
    both = weights @ (event & among).astype(float)
    return _ratio(both, weights @ among.astype(float))


def f1(truth: Array, called: Array, weights: Array) -> Array:
    """Harmonic mean of precision and recall."""
    both = weights @ (truth & called).astype(float)
    return _ratio(2 * both, weights @ (truth.astype(float) + called))


def macro(statistic: Statistic) -> Statistic:
    """The mean over classes of a statistic of two bool columns, class against rest."""

    def averaged(one: Array, other: Array, weights: Array) -> Array:
        classes = np.union1d(one, other)
        return np.mean([statistic(one == c, other == c, weights) for c in classes], 0)

    return averaged


def kappa(truth: Array, called: Array, weights: Array) -> Array:
    """Cohen's kappa with quadratic weights (Cohen, 1968) of ordinal numbers.

    Of two classes it is the plain kappa.
    """
    truth, called = truth.astype(float), called.astype(float)
    chance = mean(truth**2, weights) + mean(called**2, weights)
    chance -= 2 * mean(truth, weights) * mean(called, weights)
    return 1 - _ratio(mean((truth - called) ** 2, weights), chance)


def auroc(truth: Array, score: Array, weights: Array) -> Array:
    """Area under the ROC curve."""
    true, false = _positives(truth, score, weights)
    areas = np.diff(false) * (true[:, 1:] + true[:, :-1]) / 2
    return _ratio(areas.sum(1), true[:, -1] * false[:, -1])


def average_precision(truth: Array, score: Array, weights: Array) -> Array:
    """Precision averaged over the steps of recall."""
    true, false = _positives(truth, score, weights)
    precision = np.nan_to_num(_ratio(true, true + false)[:, 1:])
    return _ratio((np.diff(true) * precision).sum(1), true[:, -1])


def sensitivity_at(specificity: float) -> Statistic:
    """The best sensitivity at a specificity, by a threshold chosen on these films."""

    def statistic(truth: Array, score: Array, weights: Array) -> Array:
        true, false = _positives(truth, score, weights)
        allowed = (1 - specificity + _ROUNDING) * false[:, -1:]
        return _ratio(np.where(false <= allowed, true, 0).max(1), true[:, -1])

    return statistic


def specificity_at(sensitivity: float) -> Statistic:
    """The best specificity at a sensitivity, by a threshold chosen on these films."""

    mirrored = sensitivity_at(sensitivity)
    return lambda truth, score, weights: mirrored(~truth, -score, weights)


def roc_sensitivities(truth: Array, score: Array, weights: Array) -> Array:
    """Sensitivity at each false-positive rate of `ROC_GRID`: `(draws, 101)`."""
    true, false = _positives(truth, score, weights)
    true, false = (_ratio(count, count[:, -1:]) for count in (true, false))
    last = [np.searchsorted(row, ROC_GRID + _ROUNDING, side="right") for row in false]
    return np.take_along_axis(true, np.array(last) - 1, axis=1)


def expected_calibration_error(
    truth: Array, probability: Array, weights: Array
) -> Array:
    """Mean gap of probability and frequency, 15 equal bins (Naeini et al., 2015)."""
    gaps = np.zeros((len(truth), BINS))
    gaps[np.arange(len(truth)), probability_bins(probability)] = probability - truth
    return _ratio(np.abs(weights @ gaps).sum(1), weights.sum(1))


def probability_bins(probability: Array) -> Array:
    """Which of the 15 equal bins each probability falls into."""
    return np.minimum((probability * BINS).astype(int), BINS - 1)


def _positives(truth: Array, score: Array, weights: Array) -> tuple[Array, Array]:
    """True and false positives `(draws, 1 + distinct scores)`, threshold falling."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.diff(score[order], append=np.nan))  # of tied scores
    weights, truth = weights[:, order], truth.astype(bool)[order]
    counts = (np.cumsum(weights * side, axis=1)[:, ends] for side in (truth, ~truth))
    true, false = (np.pad(count, ((0, 0), (1, 0))) for count in counts)
    return true, false


def _ratio(part: Array, whole: Array) -> Array:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(part) / whole
