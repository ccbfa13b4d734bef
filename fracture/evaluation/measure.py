"""Every figure of a card, from a weights folder and its films: no training needed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import keras

from fracture.classifier import FractureClassifier
from fracture.data.film_table import FilmTable
from fracture.data.non_radiographs import non_radiographs
from fracture.data.splits import held_out
from fracture.evaluation.cohort import Cohort
from fracture.evaluation.engines import measure_engines
from fracture.evaluation.evaluate import evaluate, predict_films
from fracture.evaluation.faithfulness import deletion, weight_randomisation
from fracture.evaluation.novelty import novelty_figures, unseen_kinds
from fracture.evaluation.thresholds import part_operating_points
from fracture.model.auxiliary_outputs import Exposure, embed
from fracture.model.backbones import BACKBONES
from fracture.model.calibration import Calibration
from fracture.model.export import measure_parity, serving_model
from fracture.model.gradcam import gradcam_difference
from fracture.model.network import load_network, multiply_accumulates
from fracture.model.recipe import Recipe
from fracture.training.stages import stage
from fracture.weights import METRICS_FILE

_PROBE = 64  # films that exported and Keras model are compared on


def measure(
    folder: str | Path,
    table: FilmTable,
    command: str,
    seed: int,
    network: keras.Model | None = None,
    exposure: Exposure | None = None,
    export_difference: float | None = None,
) -> dict:
    """Measures a weights folder on the films that it was trained and split with.

    Args:
        folder: as `export_weights` writes it.
        table: all its films, with their splits.
        command: what trained it.
        seed: of that training.
        network, exposure: the folder's, where they are at hand.
        export_difference: what `export_weights` returned, likewise.

    Returns:
        The content of metrics.json, plain JSON types.

    Raises:
        WeightsError: the folder cannot be used.
        DatasetError: a split has no films.
    """
    classifier = FractureClassifier.from_pretrained(folder)
    config = classifier.config
    recipe = Recipe.from_dict(config.values["recipe"])
    if network is None:
        _, network = load_network(folder)
    # Where the validation films were trained on there are none.
    split = held_out(table.splits)
    parts = {name: table.of(name) for name in (split, "test")}
    test = parts["test"]
    squares = test.squares(recipe.image_size)
    fractured = [example.label != "normal" for example in test.examples]
    explained = (squares[fractured], test.groups[fractured])
    calibration = Calibration.from_dict(config.values["calibration"])
    with stage(f"predicting {' and '.join(parts)} films"):
        cohorts = {
            name: Cohort(
                part.examples, part.groups, predict_films(classifier, part.films, name)
            )
            for name, part in parts.items()
        }
    with stage(f"engines at hand, on {split} films"):
        engines = measure_engines(folder, parts[split].films, cohorts[split])
    with stage("figures with their intervals"):
        reports = {
            split: evaluate(films.examples, films.groups, films.predictions)
            for split, films in cohorts.items()
        }
        part_points = {}
        if "validation" in cohorts:
            part_points = part_operating_points(cohorts["validation"], cohorts["test"])
    with stage("parity of the exported model, closed-form Grad-CAM"):
        probed = parts["validation"] if "validation" in parts else table.of("train")
        probe = probed.squares(recipe.image_size)[:_PROBE]
        if export_difference is None:
            keras_model = serving_model(network, calibration)
            export_difference = measure_parity(folder, keras_model, probe)
        parity = {
            "export_difference": export_difference,
            "gradcam_relative_difference": gradcam_difference(network, probe),
        }
    with stage("faithfulness of the heatmap"):
        backbone = BACKBONES[recipe.backbone]
        explanation = {
            "randomisation": weight_randomisation(network, backbone, *explained),
            "deletion": deletion(classifier, *explained),
        }
    with stage("pictures that are no radiographs"):
        if exposure is None:
            films = table.of("train").squares(recipe.image_size)
            exposure = Exposure.draw(network, films, recipe.non_radiographs, seed)
        others = non_radiographs(recipe.non_radiographs, seed + 1, jobs=-1)
        out_of_distribution = novelty_figures(classifier, others, cohorts)
        out_of_distribution["unseen_kinds"] = unseen_kinds(
            exposure.limbs,
            exposure.strange,
            embed(network, squares),
            test.groups,
            recipe.novelty_components,
        )
    return {
        "model_version": config.model_version,
        "command": command,
        "recipe": recipe.to_dict(),
        "network": {
            "title": backbone.title,
            "tag": backbone.tag,
            "alpha": recipe.alpha if backbone.has_width else None,
        },
        "parameters": network.count_params(),
        "multiply_accumulates": multiply_accumulates(network),
        "seed": seed,
        "data": table.counts(),
        **({"leaks": table.leaks()} if is_published(command) else {}),
        "calibration": calibration.to_dict(),
        "operating_points": config.values["operating_points"],
        "part_operating_points": part_points,
        "parity": parity,
        "engines": engines,
        **reports,
        "explanation": explanation,
        "out_of_distribution": out_of_distribution,
    }


def is_published(command: str) -> bool:
    """Whether what trained it kept the split that its data came with."""
    return "--published-split" in shlex.split(command)


def write_metrics(folder: str | Path, metrics: dict) -> None:
    """Writes `metrics.json`."""
    text = json.dumps(metrics, indent=2) + "\n"
    (Path(folder) / METRICS_FILE).write_text(text, encoding="utf-8")
