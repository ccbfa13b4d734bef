"""Plots of a run and of its report: the same bytes for the same numbers.

Colours are those of Okabe and Ito, told apart without red and green; nothing is shown
by colour alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen needed
import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes

from fracture.card.plot_names import PLOTS, plot_file

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "0.55"
_MARKERS = {"rule_out": ("o", GREEN), "rule_in": ("s", ORANGE)}


def plot_curves(history: Sequence[dict], path: str | Path) -> None:
    """Training and validation curves over all phases, one panel per measure."""
    panels = (
        ("loss", "loss"),
        ("logits_auroc", "AUROC, fracture against normal"),
        ("evidence_loss", "localisation loss"),
    )
    figure, axes = pyplot.subplots(1, len(panels), figsize=(12, 3.4))
    epochs = range(1, len(history) + 1)
    starts = [i for i, row in enumerate(history, 1) if row["epoch"] == 1]
    for axis, (key, title) in zip(axes, panels, strict=True):
        axis.plot(epochs, [row[key] for row in history], "--", label="training")
        if f"val_{key}" in history[0]:
            values = [row[f"val_{key}"] for row in history]
            axis.plot(epochs, values, label="validation")
        for start in starts[1:]:
            axis.axvline(start - 0.5, color="0.8", linewidth=1, zorder=0)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("epoch (lines: next phase)")
    axes[0].legend(frameon=False)
    save_figure(figure, path)


def plot_report(report: Mapping, folder: str | Path) -> list[Path]:
    """Draws the plots of each source that has normal and fractured films, or marks.

    A plot of figures that an older report lacks is left out.

    Args:
        report: from `evaluate`.
        folder: gets a file for each, see `plot_file`.

    Returns:
        What was written.
    """
    paths = []
    drawn = [(kind, "fracture", draw) for kind, draw in _KINDS.items()]
    for kind, section, draw in (*drawn, ("froc", "marks", _froc)):
        for source, figures in report.get(section, {}).items():
            if not PLOTS[kind] <= figures.keys():
                continue
            figure, axis = pyplot.subplots(figsize=(4.6, 4.0))
            draw(axis, figures)
            axis.set_title(f"{source}, {figures['films']} films", fontsize=10)
            paths.append(Path(folder) / plot_file(kind, source))
            save_figure(figure, paths[-1])
    return paths


def _roc(axis: Axes, figures: Mapping) -> None:
    roc = figures["roc"]
    rate, label = roc["false_positive_rate"], f"AUROC {figures['auroc']['value']:.3f}"
    band = {"step": "post", "color": BLUE, "alpha": 0.2, "linewidth": 0}
    axis.fill_between(rate, roc["low"], roc["high"], **band)
    axis.step(rate, roc["sensitivity"], where="post", color=BLUE, label=label)
    axis.plot((0, 1), (0, 1), ":", color=GREY, label="chance")
    for name in _MARKERS:
        specificity = figures[f"{name}_specificity"]["value"]
        _mark(axis, name, 1 - specificity, figures[f"{name}_sensitivity"]["value"])
    axis.set_xlabel("1 - specificity (band: 95 % interval)")
    axis.set_ylabel("sensitivity")
    axis.set_aspect("equal")
    axis.legend(frameon=False, loc="lower right")


def _mark(axis: Axes, point: str, x: float, y: float) -> None:
    """An operating point."""
    marker, colour = _MARKERS[point]
    label = point.replace("_", "-")
    axis.plot(x, y, marker, color=colour, markersize=8, label=label)


def _reliability(axis: Axes, figures: Mapping) -> None:
    bins = figures["reliability"]
    films = np.array([row["films"] for row in bins])
    edges = np.linspace(0, 1, len(bins) + 1)
    share = films / films.sum()
    axis.bar(edges[:-1], share, 1 / len(bins), align="edge", color="0.85", zorder=0)
    axis.plot((0, 1), (0, 1), ":", color=GREY, label="perfect")
    means = [(row["probability"], row["frequency"]) for row in bins if row["films"]]
    label = f"ECE {figures['ece']['value']:.3f}"
    axis.plot(*zip(*means, strict=True), "o-", color=BLUE, label=label)
    axis.set_xlabel("mean fracture probability (bars: share of films)")
    axis.set_ylabel("share of fractured films")
    axis.set_aspect("equal")
    axis.legend(frameon=False, loc="upper left")


def _confusion(axis: Axes, figures: Mapping) -> None:
    counts = figures["findings"]
    columns = list(next(iter(counts.values())))
    table = np.array([list(row.values()) for row in counts.values()])
    share = table / np.maximum(table.sum(1, keepdims=True), 1)
    axis.imshow(share, cmap="cividis", vmin=0, vmax=1, aspect="auto")
    for (row, column), films in np.ndenumerate(table):
        axis.text(
            *(column, row),
            f"{films}\n{share[row, column]:.0%}",
            ha="center",
            va="center",
            color="black" if share[row, column] > 0.5 else "white",
        )
    axis.set_xticks(range(len(columns)), [c.replace("_", "\n") for c in columns])
    axis.set_yticks(range(len(counts)), list(counts), rotation=90, va="center")
    axis.set_xlabel("finding")
    axis.set_ylabel("label (per cent of its films)")


def _decision(axis: Axes, figures: Mapping) -> None:
    rows = figures["thresholds"]
    thresholds = [row["threshold"] for row in rows]
    benefit = [row["net_benefit"] for row in rows]
    axis.plot(thresholds, benefit, color=BLUE, label="model")
    everybody = [row["net_benefit_all"] for row in rows]
    axis.plot(thresholds, everybody, "--", color=GREY, label="refer everybody")
    axis.axhline(0, color="black", linewidth=0.8, linestyle=":", label="refer nobody")
    for row in rows:
        if point := row["operating_point"]:
            _mark(axis, point, row["threshold"], row["net_benefit"])
    top = max(*benefit, figures["prevalence"])
    axis.set_ylim(-0.2 * top, 1.1 * top)
    axis.set_xlim(0, max(thresholds))
    axis.set_xlabel("threshold of the fracture probability")
    axis.set_ylabel("net benefit")
    axis.legend(frameon=False, fontsize=8)


def _froc(axis: Axes, figures: Mapping) -> None:
    styles = (("strict", "--", GREY, "centre inside"), ("tolerant", "-", BLUE, "near"))
    for hit, line, colour, words in styles:
        curve = figures[hit]["curve"]
        half = figures[hit]["at_0.5"]["value"]
        label = words if half is None else f"{words}: {half:.2f} at 0.5"
        places = curve["false_per_film"], curve["sensitivity"]
        axis.plot(*places, line, color=colour, drawstyle="steps-post", label=label)
    axis.set_xlabel("marks of a film that have no box")
    axis.set_ylabel("share of boxes that have a mark")
    axis.set_ylim(0, 1)
    axis.legend(frameon=False, loc="lower right")


_KINDS: dict[str, Callable[[Axes, Mapping], None]] = dict(
    roc=_roc, reliability=_reliability, confusion=_confusion, decision=_decision
)


def save_figure(figure: pyplot.Figure, path: str | Path) -> None:
    """Writes a figure as PNG and closes it."""
    figure.tight_layout()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100, metadata={"Software": None})
    pyplot.close(figure)
