"""The published systems: what each paper claims, and what its recipes do here.

    python -m fracture.experiments.papers benchmarks/comparison benchmarks/papers.md

makes text and plots from a `comparison.json`, which `train.py --compare` writes.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot
from matplotlib.axes import Axes
from sklearn.metrics import classification_report

from fracture.card.figures import BLUE, ORANGE, save_figure
from fracture.card.markdown import render

_TEMPLATE = Path(__file__).parent / "templates" / "papers.md"
_CURVES = (("logits_accuracy", "accuracy"), ("loss", "loss"))


@dataclasses.dataclass(frozen=True)
class Paper:
    """A published system.

    Attributes:
        title: of the paper.
        accuracy: recipe -> the accuracy that the paper claims for it; None where it
            states none, or where the recipe is this project's variant.
    """

    title: str
    accuracy: Mapping[str, float | None]


PAPERS: dict[str, Paper] = {
    "p1": Paper(
        "Real-Time Bone Fracture Detection Using MobileNetV2 and Explainable AI for "
        "Clinical Integration (2025)",
        {
            "mobilenetv2-paper": 0.8926,
            "mobilenetv2-paper-1.0": None,
            "mobilenetv2-paper-0.35": None,
        },
    ),
    "p2": Paper("CNN bone fracture classifier (student report)", {"cnn-150": None}),
    "p3": Paper(
        "Bone Fracture Identification with Deep Learning Model using ResNet50",
        {
            "resnet50-cascade": 0.95,
            "mobilenetv2-cascade": None,
            "cracknet": 0.8839,
            "dilated-cnn": 0.8448,
            "inception": 0.817,
        },
    ),
    "p4": Paper(
        "Hybrid MobileNetV3-CNN (2025, abstract)",
        {
            "mobilenetv3-hybrid": 0.97,
            "densenet121": None,
            "vgg16": None,
            "resnet50": None,
        },
    ),
}


def averages(confusion: Mapping[str, Mapping[str, int]]) -> dict[str, dict]:
    """The table that the papers print, from counts.

    Args:
        confusion: label -> what is said -> films.

    Returns:
        As scikit-learn's `classification_report`: `precision`, `recall`, `f1-score`
        and `support` of each label, of `macro avg` and of `weighted avg`, whose recall
        is the accuracy. Where nothing is said of a label, its precision is 0.
    """
    counts = np.array([list(row.values()) for row in confusion.values()])
    truth, said = (np.repeat(axis, counts.ravel()) for axis in _indices(counts))
    options = {"labels": range(len(counts)), "target_names": list(confusion)}
    return classification_report(
        truth, said, **options, output_dict=True, zero_division=0
    )


def _indices(counts: np.ndarray) -> list[np.ndarray]:
    return [axis.ravel() for axis in np.indices(counts.shape)]


def write_papers(summary: Mapping, path: str | Path) -> None:
    """Writes what is known of the papers whose recipes were compared.

    Args:
        summary: a `comparison.json`.
        path: of the Markdown; plots go to the folder of the same name beside it.
    """
    path, rows = Path(path), {row["recipe"]: row for row in summary["rows"]}
    plots = {}
    for key, paper in PAPERS.items():
        trained = [rows[name] for name in paper.accuracy if name in rows]
        trained = [row for row in trained if row["test"]]
        if trained:
            plots[key] = f"{path.stem}/{key}.png"
            plot_paper(trained, path.parent / plots[key])
    known = {row["recipe"]: averages(row["test"]["confusion"]) for row in _tested(rows)}
    values = {"papers": PAPERS, "rows": rows, "plots": plots, "averages": known}
    text = render(_TEMPLATE, minutes=summary["minutes"], **values)
    path.write_text(text, encoding="utf-8")


def _tested(rows: Mapping[str, dict]) -> list[dict]:
    return [row for row in rows.values() if row["test"]]


def plot_paper(rows: Sequence[Mapping], path: str | Path) -> None:
    """Accuracy and loss by epoch, and the confusion matrix, of each trained recipe."""
    size = 10, 2.8 * len(rows)
    figure, axes = pyplot.subplots(len(rows), 3, figsize=size, squeeze=False)
    for line, row in zip(axes, rows, strict=True):
        history, epochs = row["history"], range(1, len(row["history"]) + 1)
        for axis, (key, title) in zip(line, _CURVES, strict=False):
            training = [epoch[key] for epoch in history]
            validation = [epoch[f"val_{key}"] for epoch in history]
            axis.plot(epochs, training, "--", color=BLUE, label="training")
            axis.plot(epochs, validation, color=ORANGE, label="validation")
            for epoch in epochs[1:]:
                if history[epoch - 1]["epoch"] == 1:
                    axis.axvline(epoch - 0.5, color="0.8", linewidth=1, zorder=0)
            axis.set_title(f"{row['recipe']}: {title}", fontsize=9)
            axis.set_xlabel("epoch (lines: next phase)", fontsize=8)
        line[0].legend(frameon=False, fontsize=8)
        _confusion(line[2], row["test"]["confusion"])
    save_figure(figure, path)


def _confusion(axis: Axes, confusion: Mapping[str, Mapping[str, int]]) -> None:
    counts = np.array([list(row.values()) for row in confusion.values()])
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    axis.imshow(share, cmap="cividis", vmin=0, vmax=1)
    for (row, column), films in np.ndenumerate(counts):
        colour = "black" if share[row, column] > 0.5 else "white"
        axis.text(column, row, films, ha="center", va="center", color=colour)
    names = range(len(counts)), list(confusion)
    axis.set_xticks(*names, fontsize=8)
    axis.set_yticks(*names, rotation=90, va="center", fontsize=8)
    axis.set_title("test films: label by row, called by column", fontsize=9)


def main(argv: Sequence[str] | None = None) -> None:
    """The command of the module's docstring."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("comparison", type=Path, help="folder with comparison.json")
    parser.add_argument("out", type=Path, help="Markdown file to write")
    args = parser.parse_args(argv)
    summary = (args.comparison / "comparison.json").read_text(encoding="utf-8")
    write_papers(json.loads(summary), args.out)


if __name__ == "__main__":
    main()
