"""metrics.json -> MODEL_CARD.md: no number in the card is typed by a person.

python -m fracture.card.card weights MODEL_CARD.md
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData

from fracture.card import card_sections as sections
from fracture.card.figures import plot_report
from fracture.card.literature import CLAIMS, LEAKS, PUBLISHED
from fracture.card.tables import FIGURES, Table

_DISCLAIMER = (
    "**Research software. Not cleared by the FDA, not CE-marked, not a medical device. "
    "Do not use it to diagnose or to treat anybody.**"
)
# What is known of the sources that the shipped weights were trained on.
_SOURCES = {
    "fracatlas": "FracAtlas (Abedeen et al., Scientific Data 2023, "
    "[doi](https://doi.org/10.6084/m9.figshare.22363012)), CC BY 4.0. Films over "
    "1,024 pixels reduced to that; duplicates and contradictory labels removed.",
    "sr2022": "'bone-fracture-7fylg' (Roboflow), CC BY 4.0. Its `line` is read as "
    "hairline, `angle` and `messed_up_angle` as displaced.",
    "bonebreak": "'Bone Break Classification' (Roboflow, Kaggle), CC BY 4.0 by its "
    "uploader's claim; scraped and noisy, so for training only. Hairline is hairline; "
    "comminuted, dislocation, oblique and spiral are read as displaced.",
    "phantom": "synthetic films, drawn by `fracture/data/phantom.py`.",
}


# Section and key of a figure -> the Hub's name for it.
_HUB_METRICS = {
    ("fracture", "auroc"): "roc_auc",
    ("fracture", "average_precision"): "average_precision",
    ("fracture", "rule_out_sensitivity"): "recall",
    ("fracture", "rule_in_specificity"): "specificity",
    ("fracture", "accuracy"): "accuracy",
    ("fracture", "f1"): "f1",
    ("fracture", "ece"): "expected_calibration_error",
    ("severity", "auroc"): "roc_auc",
    ("severity", "macro_f1"): "f1",
}


def render_card(metrics: Mapping, figures: str = "weights/figures") -> str:
    """Renders the model card, the same text for the same metrics.

    Args:
        metrics: content of a weights folder's metrics.json.
        figures: where the card finds the figures, relative to itself.
    """
    return "\n".join(
        (
            f"---\n{_metadata(metrics).to_yaml()}\n---\n",
            *_introduction(metrics),
            *_data(metrics),
            *sections.results(metrics, figures),
            *sections.operating_points(metrics, figures),
            *sections.body_parts(metrics),
            *sections.heatmap(metrics),
            *sections.out_of_distribution(metrics),
            *sections.failures(metrics),
            *_comparison(metrics),
            *_limits(),
            *_reproduction(metrics, figures),
        )
    )


def _metadata(metrics: Mapping) -> ModelCardData:
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=source,
            dataset_name=f"{source}, grouped test split",
            metric_type=kind,
            metric_name=FIGURES[section][key],
            metric_value=figures[key]["value"],
            metric_args={"ci95": figures[key]["ci95"], "n": figures[key]["n"]},
        )
        for (section, key), kind in _HUB_METRICS.items()
        for source, figures in metrics["test"][section].items()
        if figures[key]["value"] is not None
    ]
    return ModelCardData(
        model_name=metrics["model_version"].split("+")[0],
        license="apache-2.0",
        library_name="keras",
        pipeline_tag="image-classification",
        tags=["radiography", "fracture", "grad-cam", "onnx", "mobilenet"],
        metrics=sorted(set(_HUB_METRICS.values())),
        eval_results=results or None,
    )


def _introduction(metrics: Mapping) -> Iterator[str]:
    recipe = metrics["recipe"]
    yield "# fracture: normal, hairline or displaced?\n"
    yield f"{_DISCLAIMER}\n"
    yield (
        "A radiograph of a limb goes in; calibrated probabilities of *normal*, "
        "*hairline* and *displaced* fracture come out, a finding that may be "
        "*uncertain*, and the heatmap of the regions that raised the score.\n"
    )
    yield f"- **Model**: `{metrics['model_version']}`"
    yield f"- **Recipe**: `{recipe['name']}`. {recipe['description']}"
    yield (
        f"- **Network**: MobileNetV2, alpha {recipe['alpha']}, "
        f"{recipe['image_size']} x {recipe['image_size']} grey, "
        f"{metrics['parameters']:,} parameters; exact Grad-CAM inside the graph"
    )
    yield "- **Licence**: Apache-2.0 for code and weights\n"
    yield "## Use\n"
    yield (
        "**Intended**: research and teaching on plain films of hand, leg, hip and "
        "shoulder; a reference implementation to compare with.\n"
    )
    yield (
        "**Out of scope**: any clinical decision, triage or second reading; children's "
        "growth plates; spine, skull, ribs and chest; CT and MRI; follow-up of known "
        "fractures, films after surgery, plaster; photographs of films or screens; "
        "images that are no radiographs.\n"
    )


def _data(metrics: Mapping) -> Iterator[str]:
    yield "## Data\n"
    for source in metrics["data"]:
        yield f"- **{source}**: {_SOURCES.get(source, 'brought by whoever trained.')}"
    yield ""
    labels = ("normal", "fractured", "hairline", "displaced")
    rows = [
        (source, split, *(str(counts.get(label, 0)) for label in labels))
        for source, splits in metrics["data"].items()
        for split, counts in splits.items()
    ]
    yield Table("Films", ("source", "split", *labels), rows).markdown()
    yield (
        "**Unit of the split**: the group, kept whole: near-duplicates and, where no "
        "patient id is known, neighbouring numbers. Stratified by source and label; "
        "names and checksums of every film are in `weights/split.csv`.\n"
    )
    yield (
        "**Labels**: sources label at different grain. *Fractured* counts as hairline "
        "or displaced, and a source without normal films never speaks about *normal* "
        "(label sets, `fracture/data/labels.py`). Grouping a severity data set's "
        "finer classes into hairline and displaced was done for this project, not by "
        "the data set; how far readers agree on any label is not published.\n"
    )


def _comparison(metrics: Mapping) -> Iterator[str]:
    yield "## Beside other people's figures\n"
    ours = [
        f"{figures['auroc']['value']:.3f} on {source}"
        for source, figures in metrics["test"]["fracture"].items()
    ]
    yield (
        "Others' numbers are theirs, on their films; none is a ranking. Ours to read "
        f"them with: test AUROC {', '.join(ours) or 'not measured'}, split by group.\n"
    )
    yield "**Claims of the systems this project implements**\n"
    header = ("system", "films", "claim", "why it cannot be compared")
    yield Table("Claims", header, list(CLAIMS)).markdown()
    yield "**Figures on films kept apart**\n"
    header = ("study", "films", "result")
    yield Table("Published", header, list(PUBLISHED)).markdown()
    yield "**Why numbers from a leaked split are higher**\n"
    yield from (f"- {reason}" for reason in LEAKS)
    yield ""


def _limits() -> Iterator[str]:
    yield "## Limits\n"
    yield (
        "- Few hospitals and devices, no test at a hospital apart; no patient ids, no "
        "age or sex in the public data, so no figures by them.\n"
        "- Orthopaedic hardware, casts and splints go with fractures in the training "
        "data: read the figure without hardware.\n"
        "- Hairline against displaced rests on few films with trustworthy labels: mind "
        "the interval.\n"
        "- A single film is judged; clinicians read studies of several views, and know "
        "where it hurts.\n"
        "- Calibration holds at the prevalence of the validation films.\n"
        f"- {_DISCLAIMER}\n"
    )


def _reproduction(metrics: Mapping, figures: str) -> Iterator[str]:
    yield "## Training, and how to get every number\n"
    yield f"![Training and validation curves]({figures}/curves.png)\n"
    yield "Every measured number above comes from one run of this command:\n"
    yield f"```\n{metrics['command']}\n```\n"
    yield "The test figures alone, from the weights and the same films:\n"
    yield "```\npython -m fracture evaluate FOLDER --split test\n```\n"
    yield "This card and its figures, from `metrics.json`:\n"
    yield "```\npython -m fracture.card.card weights MODEL_CARD.md\n```\n"


def write_card(weights: str | Path, card: str | Path) -> None:
    """Renders a weights folder's card to a file."""
    weights, card = Path(weights), Path(card)
    try:
        folder = weights.resolve().relative_to(card.resolve().parent)
    except ValueError:
        folder = weights.resolve()
    text = render_card(_read(weights), (folder / "figures").as_posix())
    card.write_text(text, encoding="utf-8", newline="\n")


def _read(weights: Path) -> dict:
    return json.loads((weights / "metrics.json").read_text(encoding="utf-8"))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("card", type=Path)
    arguments = parser.parse_args()
    write_card(arguments.weights, arguments.card)
    plot_report(_read(arguments.weights)["test"], arguments.weights / "figures")
