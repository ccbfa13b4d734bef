"""The endpoints for programs: flat JSON; what goes wrong with a film is data."""

import base64
import copy
import functools
import inspect
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, get_args

import gradio as gr
from gradio import FileData

from fracture.prediction.field import answer
from fracture.radiograph import RadiographError
from fracture.rendering.pictures import fitted, heatmap_png, strength
from fracture.result import ERROR, Result
from fracture.study import Study
from fracture.web.openapi import (
    ANSWERS,
    PARAMETERS,
    STRENGTH,
    Heatmap,
    Target,
    describe,
)
from fracture.web.service import Service, uploaded

# What the API page shows as a film.
_SAMPLE = {"path": "film.png", "url": "film.png", "meta": {"_type": "gradio.FileData"}}
_SIDES = {"png": 1024, "array": 128}  # longer side, pixels
_ASKED = (
    "heatmap (none, png or array) asks for the evidence of target in each judged film. "
    "Without an answer there are error_code and error_message alone; an answer is one "
    "JSON object of these fields."
)


def add_endpoints(service: Service, demo: gr.Blocks) -> None:
    """Adds them to the Blocks that are being built."""

    @_explained
    async def predict(
        film: FileData, heatmap: Heatmap = "none", target: Target = "fracture"
    ) -> dict:
        """Classifies one radiograph as normal, hairline or displaced fracture.

        Research software, not a medical device. The film is one PNG, JPEG, TIFF, WebP,
        BMP or DICOM file, told by its content.
        """
        show = functools.partial(film_answer, heatmap=heatmap, target=target)
        return await service.predict(*uploaded(film), show)

    @_explained
    async def predict_study(
        films: list[FileData], heatmap: Heatmap = "none", target: Target = "fracture"
    ) -> dict:
        """Classifies several views of one patient, each one and all together."""

        def show(found: Study) -> dict:
            views = [_named(view, heatmap, target) for view in found.views]
            return {**found.to_dict(), "views": views}

        return await service.study([uploaded(film) for film in films or ()], show)

    @_explained
    async def predict_batch(
        films: list[FileData], heatmap: Heatmap = "none", target: Target = "fracture"
    ) -> dict:
        """Classifies many films, also in zip archives; a bad one ends nothing."""
        show = functools.partial(_named, heatmap=heatmap, target=target)
        files = [uploaded(film) for film in films or ()]
        rows = [row async for _, row in service.batch(files, show) if row]
        return {
            "model_version": service.classifier.config.model_version,
            "films": len(rows),
            "unread": sum("error_code" in row for row in rows),
            "rows": rows,
        }

    def model() -> dict:
        """Says which model answers here and what it takes.

        Answers one JSON object: name, version, model_version, checksum_sha256,
        package_version, engine, classes, operating_points (threshold, sensitivity and
        specificity on films held out), study_rule, units (of the answers' fields),
        input_formats and the input limits.
        """
        return service.model()

    for function in (predict, predict_study, predict_batch):
        name, text = function.__name__, " ".join(inspect.getdoc(function).split())
        endpoint = gr.api(function, api_description=f"{text} {_ASKED} {describe(name)}")
        sample = _SAMPLE if function is predict else [_SAMPLE]
        films, answered = endpoint["inputs"][0], endpoint["outputs"][0]
        demo.blocks[films].example_payload = functools.partial(copy.deepcopy, sample)
        demo.blocks[answered].api_info = functools.partial(copy.deepcopy, ANSWERS[name])
    gr.api(model, queue=False)


def _explained(
    endpoint: Callable[..., Awaitable[dict]],
) -> Callable[..., Awaitable[dict]]:
    """An endpoint whose errors are answers as well, wrong parameters among them."""

    @functools.wraps(endpoint)
    async def explained(
        films: Any, heatmap: Any = "none", target: Any = "fracture"
    ) -> dict:
        try:
            check_parameters({"heatmap": heatmap, "target": target})
            return await endpoint(films, heatmap, target)
        except RadiographError as error:
            return answer(error, ERROR)

    return explained


def check_parameters(given: Mapping[str, Any]) -> None:
    """Raises `RadiographError` (`bad_parameter`) for what is none of `PARAMETERS`."""
    for name, value in given.items():
        if name not in PARAMETERS:
            message = f"There is no parameter {name[:80]!r}."
            raise RadiographError("bad_parameter", message)
        if value not in (words := get_args(PARAMETERS[name])):
            message = f"{name} must be one of {', '.join(words)}."
            raise RadiographError("bad_parameter", message)


def _named(result: Result, heatmap: Heatmap, target: Target) -> dict:
    return {"name": result.name, **film_answer(result, heatmap, target)}


def film_answer(
    result: Result, heatmap: Heatmap = "none", target: Target = "fracture"
) -> dict:
    """`Result.to_dict()`, and the heatmap of a judged film where one is asked for."""
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
