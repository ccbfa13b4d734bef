"""The endpoints for programs: flat JSON; what goes wrong with a film is data."""

import base64
import copy
import functools
import inspect
from typing import Any, Literal, get_args

import gradio as gr
from gradio import FileData

from fracture.prediction.field import answer, describe
from fracture.radiograph import RadiographError
from fracture.rendering.pictures import fitted, heatmap_png, strength
from fracture.result import ERROR, Result
from fracture.web.openapi import ANSWERS, STRENGTH, Target
from fracture.web.service import Service, uploaded

Heatmap = Literal["none", "png", "array"]
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

        Research software, not a medical device. Answers one JSON object; for a film
        that cannot be read it is error_code and error_message alone.

        Args:
            film: one PNG, JPEG, TIFF, WebP, BMP or DICOM file, told by its content.
            heatmap: none, png or array.
            target: what the heatmap is evidence of.
        """
        try:
            _check(heatmap, target)
            result = service.predict(*uploaded(film))
        except RadiographError as error:
            return answer(error, ERROR)
        return _answer(result, heatmap, target)

    def predict_study(
        films: list[FileData],
        heatmap: Heatmap = "none",
        target: Target = "fracture",
    ) -> dict:
        """Classifies several views of one patient, each one and all together.

        Answers one JSON object; without any film it is error_code and error_message.

        Args:
            films: the views, one file each.
            heatmap: none, png or array; for every view.
            target: what the heatmaps are evidence of.
        """
        try:
            _check(heatmap, target)
            found = service.study([uploaded(film) for film in films or ()])
        except RadiographError as error:
            return answer(error, ERROR)
        views = [_named(view, heatmap, target) for view in found.views]
        return {**found.to_dict(), "views": views}

    def predict_batch(
        films: list[FileData],
        heatmap: Heatmap = "none",
        target: Target = "fracture",
    ) -> dict:
        """Classifies many films, also in zip archives; a bad one ends nothing.

        Answers one JSON object; without any film, or with too many, it is error_code
        and error_message.

        Args:
            films: films and zip archives of films.
            heatmap: none, png or array; for every film.
            target: what the heatmaps are evidence of.
        """
        try:
            _check(heatmap, target)
            found = service.collect([uploaded(film) for film in films or ()])
        except RadiographError as error:
            return answer(error, ERROR)
        rows = [_named(film, heatmap, target) for film in service.classify(found)]
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
        """
        return service.model()

    for function in (predict, predict_study, predict_batch):
        text = " ".join(inspect.getdoc(function).partition("Args:")[0].split())
        kind, fields = ANSWERS[function.__name__]
        # Batches have places of their own, or they would keep single films waiting.
        endpoint = gr.api(
            function,
            api_description=f"{text} Its fields: {describe(fields)}",
            concurrency_id="batch" if function is predict_batch else "model",
        )
        sample = _SAMPLE if function is predict else [_SAMPLE]
        films, answered = endpoint["inputs"][0], endpoint["outputs"][0]
        demo.blocks[films].example_payload = functools.partial(copy.deepcopy, sample)
        demo.blocks[answered].api_info = functools.partial(copy.deepcopy, kind)
    gr.api(model, queue=False)


def _check(heatmap: Any, target: Any) -> None:
    for name, value, kind in (
        ("heatmap", heatmap, Heatmap),
        ("target", target, Target),
    ):
        if value not in get_args(kind):
            message = f"{name} must be one of {', '.join(get_args(kind))}."
            raise RadiographError("bad_parameter", message)


def _named(result: Result, heatmap: Heatmap, target: Target) -> dict:
    return {"name": result.name, **_answer(result, heatmap, target)}


def _answer(result: Result, heatmap: Heatmap, target: Target) -> dict:
    values = result.to_dict()
    if heatmap == "none" or not result.judged:
        return values
    prediction, side = result.prediction, _SIDES[heatmap]
    width, height = fitted(prediction, side)
    values |= {
        "heatmap_target": target,
        "heatmap_unit": STRENGTH,
        "heatmap_width": width,
        "heatmap_height": height,
    }
    if heatmap == "array":
        rows = strength(prediction, target, side).astype(float).round(5)
        return {**values, "heatmap": rows.tolist()}
    png = heatmap_png(prediction, target, side)
    return {
        **values,
        "heatmap_png": base64.b64encode(png).decode(),
        "heatmap_index_255": prediction.config.heatmap_reference,
    }
