"""metrics.json -> MODEL_CARD.md: no number in the card is typed by a person.

What it says stands in `template.md`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from huggingface_hub import EvalResult, ModelCardData
from jinja2 import UndefinedError

from fracture.card.markdown import figure_names, render
from fracture.card.plot_names import PLOTS, plot_file
from fracture.data.datasets import describe_source
from fracture.weights import METRICS_FILE

_TEMPLATE = Path(__file__).with_name("template.md")
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


class CardError(ValueError):
    """The metrics are not such as `train.py` writes."""


def render_card(metrics: Mapping, figures: str = "weights/figures") -> str:
    """Renders the model card, the same text for the same metrics.

    Args:
        metrics: content of a weights folder's metrics.json; figures that it lacks are
            said to be not measured.
        figures: where the card finds the plots, relative to itself.

    Raises:
        CardError: they lack model, recipe, data or command, or garble an entry.
    """
    try:
        network = _network(metrics)
        return render(
            _TEMPLATE,
            metrics=metrics,
            network=network,
            metadata=_metadata(metrics, network["tag"]).to_yaml(),
            figures=figures,
            plots=PLOTS,
            plot_file=plot_file,
            describe_source=describe_source,
        )
    except (AttributeError, KeyError, TypeError, UndefinedError) as error:
        message = f"{METRICS_FILE} lacks or garbles an entry: {error}"
        raise CardError(message) from error


def _network(metrics: Mapping) -> Mapping:
    """`title`, `tag` and `alpha` of the backbone; older metrics name its key alone."""
    if "network" in metrics:
        return metrics["network"]
    recipe = metrics["recipe"]
    backbone = recipe.get("backbone", "mobilenetv2")
    if backbone == "mobilenetv2":
        return {"title": "MobileNetV2", "tag": "mobilenet", "alpha": recipe["alpha"]}
    return {"title": backbone, "tag": backbone, "alpha": None}


def _metadata(metrics: Mapping, tag: str) -> ModelCardData:
    names = figure_names()
    results = [
        EvalResult(
            task_type="image-classification",
            dataset_type=source,
            dataset_name=f"{source}, grouped test split",
            metric_type=kind,
            metric_name=names[section][key],
            metric_value=figure["value"],
            metric_args={name: figure.get(name) for name in ("ci95", "n")},
        )
        for (section, key), kind in _HUB_METRICS.items()
        for source, figures in metrics.get("test", {}).get(section, {}).items()
        if (figure := figures.get(key, {})).get("value") is not None
    ]
    return ModelCardData(
        model_name=metrics["model_version"].split("+")[0],
        license="apache-2.0",
        library_name="keras",
        pipeline_tag="image-classification",
        tags=["radiography", "fracture", "grad-cam", "onnx", tag],
        metrics=sorted(set(_HUB_METRICS.values())),
        eval_results=results or None,
    )


def read_metrics(weights: str | Path) -> dict:
    """The metrics of a weights folder.

    Raises:
        FileNotFoundError: there are none.
        ValueError: they are no JSON.
    """
    return json.loads((Path(weights) / METRICS_FILE).read_text(encoding="utf-8"))


def write_card(weights: str | Path, card: str | Path) -> None:
    """Renders a weights folder's card to a file.

    Raises:
        FileNotFoundError, ValueError: what `read_metrics` and `render_card` raise.
    """
    folder, beside = Path(weights).resolve(), Path(card).resolve().parent
    if folder.is_relative_to(beside):
        folder = folder.relative_to(beside)
    text = render_card(read_metrics(weights), (folder / "figures").as_posix())
    Path(card).write_text(text, encoding="utf-8", newline="\n")
