"""What a comparison found: `comparison.json` -> `comparison.md` and its plot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot
from matplotlib.ticker import LogLocator, NullFormatter

from fracture.card.figures import BLUE, GREY, ORANGE, save_figure
from fracture.card.markdown import render

_TEMPLATE = Path(__file__).parent / "templates" / "comparison.md"


def render_comparison(summary: Mapping) -> str:
    """`comparison.md` of `comparison.json`; see `fracture.experiments.comparison`."""
    return render(_TEMPLATE, **summary)


def plot_comparison(rows: Sequence[Mapping], path: str | Path) -> None:
    """AUROC with its interval against latency, one mark for each trained recipe."""
    rows = [row for row in rows if row["test"]]
    figure, axis = pyplot.subplots(figsize=(8, 5))
    styles = {"ImageNet": ("o", BLUE), "from scratch": ("s", ORANGE)}
    for start, (marker, colour) in styles.items():
        chosen = [row for row in rows if row["initialisation"] == start]
        latencies = [row["latency_ms"] for row in chosen]
        figures = [row["test"]["auroc"] for row in chosen]
        values = np.array([figure["value"] for figure in figures])
        ends = np.array([figure["ci95"] for figure in figures]).reshape(-1, 2)
        bars = np.abs(ends.T - values)
        label = f"starts from {start}" if start == "ImageNet" else start
        style = {"color": colour, "elinewidth": 0.8, "capsize": 2, "label": label}
        axis.errorbar(latencies, values, bars, fmt=marker, **style)
    # Neighbours have their names above and below in turn.
    for number, row in enumerate(sorted(rows, key=lambda row: row["latency_ms"])):
        at = (row["latency_ms"], row["test"]["auroc"]["value"])
        away = (5, -11 if number % 2 else 4)
        axis.annotate(row["recipe"], at, away, textcoords="offset points", fontsize=8)
    axis.axhline(0.5, color=GREY, linestyle=":", linewidth=1)
    axis.set_xscale("log")
    if latencies := [row["latency_ms"] for row in rows]:
        axis.set_xlim(min(latencies) / 1.3, max(latencies) * 2)  # room for the names
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("latency of one film, ms")
    axis.set_ylabel("AUROC, fracture against normal (95 % interval)")
    axis.legend(frameon=False, loc="lower left")
    save_figure(figure, path)
