"""metrics.json -> MODEL_CARD.md: no number in the card is typed by a person.

python -m fracture.training.card weights MODEL_CARD.md
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData

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
    "phantom": "synthetic films, drawn by `fracture/training/phantom.py`.",
}


def render_card(metrics: dict, figures: str = "weights/figures") -> str:
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
            *_results(metrics),
            *_explanation(metrics),
            *_limits(metrics),
            *_reproduction(metrics, figures),
        )
    )


def _metadata(metrics: dict) -> ModelCardData:
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=source,
            dataset_name=f"{source}, grouped test split",
            metric_type="roc_auc",
            metric_name=f"AUROC, {task}",
            metric_value=figures["auroc"]["value"],
            metric_args={"ci95": figures["auroc"]["ci95"], "n": figures["auroc"]["n"]},
        )
        for task, name in (
            ("fracture against normal", "fracture"),
            ("displaced against hairline", "severity"),
        )
        for source, figures in metrics["test"][name].items()
        if figures["auroc"]["value"] is not None
    ]
    return ModelCardData(
        model_name=metrics["model_version"].split("+")[0],
        license="apache-2.0",
        library_name="keras",
        pipeline_tag="image-classification",
        tags=["radiography", "fracture", "grad-cam", "onnx", "mobilenet"],
        metrics=["roc_auc"],
        eval_results=results or None,
    )


def _introduction(metrics: dict) -> Iterable[str]:
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
    yield (
        "**Intended use**: research and teaching on plain films of limbs; a reference "
        "implementation to compare with. **Out of scope**: any clinical decision; "
        "spine, skull, ribs and chest; follow-up of known fractures; photographs of "
        "films; images that are no radiographs.\n"
    )


def _data(metrics: dict) -> Iterable[str]:
    yield "## Data\n"
    for source in metrics["data"]:
        yield f"- **{source}**: {_SOURCES.get(source, 'brought by whoever trained.')}"
    yield ""
    yield "| source | split | normal | fractured | hairline | displaced |"
    yield "|---|---|---|---|---|---|"
    for source, splits in metrics["data"].items():
        for split, counts in splits.items():
            cells = (
                counts.get(label, 0)
                for label in ("normal", "fractured", "hairline", "displaced")
            )
            yield f"| {source} | {split} | {' | '.join(map(str, cells))} |"
    yield (
        "\nThe split keeps groups whole (near-duplicates and, where no patient id is "
        "known, neighbouring numbers) and is stratified by source and label; names and "
        "checksums of every film are in `weights/split.csv`. Sources label at "
        "different grain: *fractured* counts as hairline or displaced, and a source "
        "without normal films never speaks about *normal* (label sets, "
        "`fracture/training/labels.py`). Grouping a severity data set's finer classes "
        "into hairline and displaced was done for this project, not by the data set.\n"
    )


def _results(metrics: dict) -> Iterable[str]:
    yield "## Results\n"
    yield (
        "Each figure within one source, on whole groups the training never saw, with a "
        "95 % interval from a bootstrap over groups. Thresholds and calibration come "
        "from the validation films.\n"
    )
    yield "| figure | source | validation | test (95 % interval) | n |"
    yield "|---|---|---|---|---|"
    rows = (
        ("fracture", "auroc", "AUROC, fracture against normal"),
        ("fracture", "auroc_without_hardware", "the same, films without hardware"),
        ("fracture", "average_precision", "average precision"),
        ("fracture", "rule_out_sensitivity", "sensitivity at rule-out"),
        ("fracture", "rule_out_specificity", "specificity at rule-out"),
        ("fracture", "rule_in_sensitivity", "sensitivity at rule-in"),
        ("fracture", "rule_in_specificity", "specificity at rule-in"),
        ("fracture", "uncertain", "share called uncertain"),
        ("fracture", "ece", "expected calibration error"),
        ("fracture", "brier", "Brier score"),
        ("severity", "auroc", "AUROC, displaced against hairline"),
    )
    yield from _table(metrics, rows)
    points, calibration = metrics["operating_points"], metrics["calibration"]
    yield (
        f"\nBelow a fracture probability of {points['rule_out']['threshold']:.3f} "
        "(rule-out) the finding is *no fracture seen*, from "
        f"{points['rule_in']['threshold']:.3f} (rule-in) on *fracture suspected*, "
        "between them *uncertain: needs a reader*. Calibration: temperature "
        f"{calibration['temperature']:.3f}, normal offset "
        f"{calibration['normal_offset']:.3f}, fitted on {calibration['films']} "
        "validation films; probabilities are right at that prevalence only.\n"
    )


def _explanation(metrics: dict) -> Iterable[str]:
    parity = metrics["parity"]
    yield "## Heatmap\n"
    yield (
        "Grad-CAM in closed form, on logits, for every class in one forward pass. On "
        "the trained weights it differs from automatic differentiation by at most "
        f"{parity['gradcam_relative_difference']:.1e} of a map's maximum, and the "
        "exported model from the Keras model by at most "
        f"{parity['export_difference']:.1e}.\n"
    )
    yield "| figure | source | validation | test (95 % interval) | n |"
    yield "|---|---|---|---|---|"
    rows = (
        ("localisation", "pointing_game", "pointing game: maximum inside a box"),
        ("localisation", "energy_inside", "share of the map inside the boxes"),
    )
    yield from _table(metrics, rows)
    for source, figures in metrics["test"]["localisation"].items():
        yield (
            f"\nOn {source}'s test films a random point hits a box with "
            f"{figures['area_chance']:.3f} (area chance), the centre of the film with "
            f"{figures['centre_guess']:.3f}.\n"
        )
    checks = metrics["explanation"]
    randomised, deleted = checks["randomisation"], checks["deletion"]
    yield (
        "Does the map depend on the weights? With shuffled weights its rank "
        f"correlation with itself is {_interval(randomised['head'])} (head) and "
        f"{_interval(randomised['last_block'])} (last block). Does the score depend "
        "on what the map shows? Blurring its strongest cells away lowers the fracture "
        f"log-odds by {_interval(deleted['by_heatmap'])} on average, random cells by "
        f"{_interval(deleted['by_chance'])}; the difference is "
        f"{_interval(deleted['difference'])}, on {deleted['difference']['n']} "
        "fractured test films.\n"
    )
    yield (
        "The map shows regions that influenced the score. Its cells lie "
        f"{metrics['recipe']['output_stride']} pixels of the network's square apart: "
        "it cannot outline a fracture, may miss one of several, and says nothing where "
        "the score is wrong.\n"
    )


def _limits(metrics: dict) -> Iterable[str]:
    yield "## Limits\n"
    yield (
        "- Few hospitals and devices; no external validation, no patient ids, no age "
        "or sex in the public data.\n"
        "- Orthopaedic hardware, casts and splints go with fractures in the training "
        "data: read the figure without hardware.\n"
        "- Hairline against displaced rests on few films with trustworthy labels: mind "
        "the interval.\n"
        "- A single film is judged; clinicians read studies of several views.\n"
        "- Inputs unlike limb radiographs are not yet recognised as such.\n"
    )


def _reproduction(metrics: dict, figures: str) -> Iterable[str]:
    yield "## Training\n"
    yield f"![Training and validation curves]({figures}/curves.png)\n"
    yield "Every number above comes from one run of this command:\n"
    yield f"```\n{metrics['command']}\n```\n"
    yield "The card is rendered from `metrics.json`:\n"
    yield "```\npython -m fracture.training.card weights MODEL_CARD.md\n```\n"


def _table(metrics: dict, rows: Iterable[tuple[str, str, str]]) -> Iterable[str]:
    for section, key, name in rows:
        for source, figures in metrics["test"][section].items():
            validation = metrics["validation"][section].get(source, {}).get(key, {})
            yield (
                f"| {name} | {source} | {_number(validation.get('value'))} | "
                f"{_interval(figures[key])} | {figures[key]['n']} |"
            )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(figure: dict) -> str:
    if figure["ci95"] is None:
        return _number(figure["value"])
    low, high = figure["ci95"]
    return f"{_number(figure['value'])} ({low:.3f} to {high:.3f})"


def write_card(weights: str | Path, card: str | Path) -> None:
    """Renders a weights folder's card to a file."""
    weights, card = Path(weights), Path(card)
    metrics = json.loads((weights / "metrics.json").read_text(encoding="utf-8"))
    try:
        folder = weights.resolve().relative_to(card.resolve().parent)
    except ValueError:
        folder = weights.resolve()
    text = render_card(metrics, (folder / "figures").as_posix())
    card.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("weights", type=Path)
    parser.add_argument("card", type=Path)
    arguments = parser.parse_args()
    write_card(arguments.weights, arguments.card)
