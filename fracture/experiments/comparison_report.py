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
    for row in rows:  # names hang below their intervals, so that neighbours share none
        at = (row["latency_ms"], row["test"]["auroc"]["ci95"][0])
        axis.annotate(
            row["recipe"],
            at,
            (0, -4),
            textcoords="offset points",
            fontsize=8,
            rotation=90,
            ha="center",
            va="top",
        )
    axis.axhline(0.5, color=GREY, linestyle=":", linewidth=1)
    axis.set_xscale("log")
    if latencies := [row["latency_ms"] for row in rows]:
        axis.set_xlim(min(latencies) / 1.3, max(latencies) * 1.3)
        axis.set_ylim(bottom=min(0.4, axis.get_ylim()[0]))  # room for the names
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_major_formatter("{x:g}")
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_xlabel("latency of one film, ms")
    axis.set_ylabel("AUROC, fracture against normal (95 % interval)")
    axis.legend(frameon=False, loc="upper left")
    save_figure(figure, path)
