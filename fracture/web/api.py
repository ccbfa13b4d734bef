"""The endpoints for programs: flat JSON; what goes wrong with a film is data."""

import base64
import copy
import functools
from typing import Any, Literal, get_args

import gradio as gr
from gradio import FileData

from fracture.radiograph import RadiographError
from fracture.rendering.pictures import fitted, heatmap_png, strength
from fracture.result import Outcome
from fracture.web.service import UNITS, Service, uploaded

Heatmap = Literal["none", "png", "array"]
Target = Literal["fracture", "normal", "hairline", "displaced"]
# What the API page shows as a film.
_SAMPLE = {"path": "film.png", "url": "film.png", "meta": {"_type": "gradio.FileData"}}
_SIDES = {"png": 1024, "array": 128}  # longer side, pixels


def add_endpoints(service: Service, demo: gr.Blocks) -> None:
    """Adds them to the Blocks that are being built."""

    def predict(
        film: FileData,
        heatmap: Heatmap = "none",
        target: Target = "fracture",
    ) -> dict:
        """Classifies one radiograph as normal, hairline or displaced fracture.

        Research software, not a medical device. Answers one JSON object:
        model_version, finding (no_fracture_seen, uncertain, fracture_suspected, or
        not_judged for a picture unlike the films the model knows), summary, severity
        (hairline, displaced or null), fracture_probability, probabilities (by class),
        rule_out_threshold, rule_in_threshold, location (a sentence), peak_x, peak_y,
        film_width, film_height, warnings (a list of code and message). Probabilities
        are calibrated, in [0, 1]; positions are pixels from the upper left. A film that
        cannot be read answers error_code and error_message instead. With a heatmap:
        heatmap_width, heatmap_height (it covers the whole film), heatmap_target,
        heatmap_unit, and either heatmap (rows of strengths) or heatmap_png (base64 of
        an 8-bit PNG) with heatmap_index_255, the strength of index 255 and beyond;
        index 0 is 0, indices between are linear.

        Args:
            film: one PNG, JPEG, TIFF, WebP, BMP or DICOM file, told by its content.
            heatmap: none, png or array.
            target: what the heatmap is evidence of.

        Returns:
            The object.
        """
        try:
            _check(heatmap, target)
            outcome = service.judge(*uploaded(film))
        except RadiographError as error:
            return _error(error)
        return _answer(outcome, heatmap, target)

    def predict_study(
        films: list[FileData],
        heatmap: Heatmap = "none",
        target: Target = "fracture",
    ) -> dict:
        """Classifies several views of one patient, each one and all together.

        Answers one JSON object: model_version, finding, summary, severity,
        fracture_probability (of the most suspicious view), deciding_view (its index),
        rule and evidence (sentences), warnings, and views: for each film its name and
        the answer of /predict. Without any film it is error_code and error_message.

        Args:
            films: the views, one file each.
            heatmap: none, png or array; for every view.
            target: what the heatmaps are evidence of.

        Returns:
            The object.
        """
        try:
            _check(heatmap, target)
            study = service.study([uploaded(film) for film in films or ()])
        except RadiographError as error:
            return _error(error)
        views = [_answer(view, heatmap, target) for view in study.views]
        named = [
            {"name": view.name, **answer}
            for view, answer in zip(study.views, views, strict=True)
        ]
        return {**study.to_dict(), "views": named}

    def predict_batch(
        films: list[FileData],
        heatmap: Heatmap = "none",
        target: Target = "fracture",
    ) -> dict:
        """Classifies many films, also in zip archives; a bad one ends nothing.

        Answers one JSON object: model_version, films and unread (counts), and rows: for
        each film its name and the answer of /predict, in the order sent. Without any
        film, or with too many, it is error_code and error_message.

        Args:
            films: films and zip archives of films.
            heatmap: none, png or array; for every film.
            target: what the heatmaps are evidence of.

        Returns:
            The object.
        """
        try:
            _check(heatmap, target)
            found = service.collect([uploaded(film) for film in films or ()])
        except RadiographError as error:
            return _error(error)
        rows = [
            {"name": outcome.name, **_answer(outcome, heatmap, target)}
            for outcome in service.classify(found)
        ]
        return {
            "model_version": service.classifier.config.model_version,
            "films": len(rows),
            "unread": sum("error_code" in row for row in rows),
            "rows": rows,
        }

    def model() -> dict:
        """Says which model answers here and what it takes.

        Answers one JSON object: name, version, model_version, checksum_sha256,
        package_version, classes, operating_points (threshold, and sensitivity and
        specificity on validation films), study_rule, units (of the answers' fields),
        input_formats and the input limits.

        Returns:
            The object.
        """
        return service.model()

    # Batches have places of their own, or they would keep single films waiting.
    endpoints = (
        (gr.api(predict, concurrency_id="model"), _SAMPLE),
        (gr.api(predict_study, concurrency_id="model"), [_SAMPLE]),
        (gr.api(predict_batch, concurrency_id="batch"), [_SAMPLE]),
    )
    for endpoint, sample in endpoints:
        films = demo.blocks[endpoint["inputs"][0]]
        films.example_payload = functools.partial(copy.deepcopy, sample)
    gr.api(model, queue=False)


def _check(heatmap: Any, target: Any) -> None:
    for name, value, kind in (
        ("heatmap", heatmap, Heatmap),
        ("target", target, Target),
    ):
        if value not in get_args(kind):
            message = f"{name} must be one of {', '.join(get_args(kind))}."
            raise RadiographError("bad_parameter", message)


def _error(error: RadiographError) -> dict:
    return Outcome("", error=error).to_dict()


def _answer(outcome: Outcome, heatmap: Heatmap, target: Target) -> dict:
    answer = outcome.to_dict()
    if heatmap == "none" or not outcome.judged:
        return answer
    prediction, side = outcome.prediction, _SIDES[heatmap]
    width, height = fitted(prediction, side)
    answer |= {
        "heatmap_target": target,
        "heatmap_unit": UNITS["heatmap"],
        "heatmap_width": width,
        "heatmap_height": height,
    }
    if heatmap == "array":
        values = strength(prediction, target, side).astype(float).round(5)
        return {**answer, "heatmap": values.tolist()}
    png = heatmap_png(prediction, target, side)
    return {
        **answer,
        "heatmap_png": base64.b64encode(png).decode(),
        "heatmap_index_255": prediction.config.heatmap_reference,
    }
