"""What a search found: `search.json` -> `search.md` and `search.png`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import optuna
from matplotlib import pyplot
from matplotlib.axes import Axes

from fracture.card.figures import BLUE, GREEN, GREY, ORANGE, save_figure
from fracture.card.markdown import render

_TEMPLATE = Path(__file__).parent / "templates" / "search.md"
_FEWEST = 4  # trials that a share is told of
# How a trial that came to its end began, or else how it ended -> its mark.
_KINDS = {
    "pretrained": {"marker": "o", "color": BLUE},
    "from scratch": {"marker": "o", "color": BLUE, "markerfacecolor": "white"},
    "pruned": {"marker": "x", "color": ORANGE},
    "diverged": {"marker": "v", "color": GREY},
}


def render_search(summary: Mapping) -> str:
    """`search.md` of `search.json`; see `fracture.experiments.search.search`."""
    rows = sorted(summary["rows"], key=lambda row: -(row["value"] or 0))
    found = {
        "best": _best(summary),
        "published": _published(summary),
        "published_alpha": summary["published"]["alpha"],
        "importance": importance(summary),
        "pruned": sum(row["state"] == "pruned" for row in rows),
        "rows": rows,
        "start": _start,
    }
    return render(_TEMPLATE, **{**summary, **found})


def importance(summary: Mapping) -> dict[str, float]:
    """How much of the differences in AUROC each hyperparameter explains, by fANOVA.

    Returns:
        Shares that sum to 1, the largest first; empty where less than four trials have
        an AUROC, or all have the same.
    """
    grid = {name: values for name, values in summary["grid"].items() if len(values) > 1}
    rows = [row for row in summary["rows"] if row["value"] is not None]
    if len(rows) < _FEWEST or len({row["value"] for row in rows}) == 1:
        return {}
    categorical = optuna.distributions.CategoricalDistribution
    space = {name: categorical(values) for name, values in grid.items()}
    study = optuna.create_study(direction="maximize")
    for row in rows:
        point = {name: row["point"][name] for name in grid}
        trial = optuna.trial.create_trial(
            params=point, distributions=space, value=row["value"]
        )
        study.add_trial(trial)
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return optuna.importance.get_param_importances(study, evaluator=evaluator)


def _best(summary: Mapping) -> Mapping | None:
    """The row of the best trial that was trained to its end."""
    rows = [row for row in summary["rows"] if row["state"] == "complete"]
    return max(rows, key=lambda row: row["value"], default=None)


def _published(summary: Mapping) -> Mapping | None:
    """The row of the published choice."""
    rows = (row for row in summary["rows"] if row["point"] == summary["published"])
    return next(rows, None)


def _start(row: Mapping) -> str:
    return "pretrained" if row["pretrained"] else "from scratch"


def plot_search(summary: Mapping, path: str | Path) -> None:
    """AUROC by trial and by value of the grid, and what explains it."""
    grid, rows = summary["grid"], summary["rows"]
    shares = importance(summary)
    upper = ["trials"] * len(grid)
    if shares:
        upper[-1] = "importance"
    figure, axes = pyplot.subplot_mosaic(
        [upper, list(grid)], figsize=(12, 7), height_ratios=(1.2, 1)
    )
    if shares:
        _bars(axes["importance"], shares)
    complete = np.array(
        [row["value"] if row["state"] == "complete" else np.nan for row in rows]
    )
    numbers = np.array([row["trial"] for row in rows])
    top, best = axes["trials"], np.fmax.accumulate(complete)
    top.step(numbers, best, where="post", color=BLUE, label="best so far")
    _trials(top, numbers, summary)
    top.set_xlabel("trial")
    top.xaxis.get_major_locator().set_params(integer=True)
    above = {"loc": "lower center", "bbox_to_anchor": (0.5, 1)}
    top.legend(frameon=False, ncols=len(_KINDS) + 3, **above)
    beside = np.linspace(-0.25, 0.25, len(rows))  # in a column, earlier trials are left
    for name, values in grid.items():
        axis, values = axes[name], sorted(values)
        axis.sharey(top)
        column = np.array([values.index(row["point"][name]) for row in rows])
        for place in range(len(values)):
            there = complete[(column == place) & np.isfinite(complete)]
            if len(there):
                ends = place - 0.4, place + 0.4
                axis.hlines(np.median(there), *ends, color="black", linewidth=1)
        _trials(axis, column + beside, summary)
        labels = [f"{value:g}" for value in values]
        axis.set_xticks(range(len(values)), labels, fontsize=8)
        axis.set_xlim(-0.5, len(values) - 0.5)
        axis.set_xticks(np.arange(len(values) - 1) + 0.5, minor=True)
        axis.grid(which="minor", axis="x", color="0.9")
        axis.tick_params(which="minor", length=0)
        axis.set_xlabel(name)
        axis.tick_params(labelleft=axis is axes[next(iter(grid))])
    top.set_ylabel("validation AUROC")
    axes[next(iter(grid))].set_ylabel("validation AUROC (line: median)")
    save_figure(figure, path)


def _bars(axis: Axes, shares: Mapping[str, float]) -> None:
    """What explains the most lies at the top."""
    axis.barh(list(shares), list(shares.values()), height=0.4, color=BLUE)
    axis.set_yticks([])  # names stand above their bars
    for place, name in enumerate(shares):
        axis.annotate(name, (0, place - 0.25), (2, 1), textcoords="offset points")
    axis.set_ylim(len(shares) - 0.5, -0.7)
    axis.set_xlabel("importance (fANOVA)")


def _trials(axis: Axes, places: np.ndarray, summary: Mapping) -> None:
    """One mark for each trial; one without a value lies at the bottom."""
    rows = summary["rows"]
    values = np.array([row["value"] for row in rows], float)
    values = np.nan_to_num(values, nan=np.nanmin(values, initial=0.5))
    kinds = np.array(
        [_start(row) if row["state"] == "complete" else row["state"] for row in rows]
    )
    axis.axhline(0.5, color=GREY, linestyle=":", linewidth=1)
    for kind, style in _KINDS.items():
        if (chosen := kinds == kind).any():
            axis.plot(places[chosen], values[chosen], label=kind, ls="", **style)
    rings = (
        ("best", "D", "black", _best(summary)),
        ("published choice", "s", GREEN, _published(summary)),
    )
    hollow = {"markerfacecolor": "none", "markersize": 13}
    for label, marker, colour, row in rings:
        if row:
            at = rows.index(row)
            axis.plot(
                places[at], values[at], marker, color=colour, label=label, **hollow
            )
