"""Plots of a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")  # no screen needed
from matplotlib import pyplot


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
        axis.plot(epochs, [row[f"val_{key}"] for row in history], label="validation")
        for start in starts[1:]:
            axis.axvline(start - 0.5, color="0.8", linewidth=1, zorder=0)
        axis.set_title(title, fontsize=10)
        axis.set_xlabel("epoch (lines: next phase)")
    axes[0].legend(frameon=False)
    figure.tight_layout()
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=100, metadata={"Software": None})
    pyplot.close(figure)
