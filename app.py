"""The web page and the API: `python app.py`, then open http://127.0.0.1:7860.

`FRACTURE_WEIGHTS` names the weights folder (default: `weights` beside this file);
address and port are Gradio's `GRADIO_SERVER_NAME` and `GRADIO_SERVER_PORT`. Programs
call `/predict`, see `predict` below. This file holds no model logic.
"""

from __future__ import annotations

import dataclasses
import functools
import html
import os
import string
import sys
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from fracture import FractureClassifier, Prediction, RadiographError, WeightsError
from fracture.explanation import colour_map

HERE = Path(__file__).parent
ASSETS, EXAMPLES = HERE / "assets", HERE / "examples"
MAX_SIDE = 1600  # pixels; more is slow to send and finer than most screens
KEEP = 3600  # seconds after which a film may be deleted, and between two sweeps
TARGETS = ("fracture", "normal", "hairline", "displaced")
MARKS = {"no_fracture_seen": "○", "uncertain": "?", "fracture_suspected": "▲"}

_FONT = ["system-ui", "sans-serif"]  # nothing that a font server would have to send
LAUNCH = {
    "theme": gr.themes.Default(
        primary_hue="teal", neutral_hue="slate", font=_FONT, font_mono=["monospace"]
    ).set(body_text_color_subdued="*neutral_600"),
    "css_paths": ASSETS / "app.css",
    "js": (ASSETS / "app.js").read_text(encoding="utf-8"),
    "footer_links": ["api", "settings"],
    "max_file_size": "64mb",
    "run_history": False,
    "enable_monitoring": False,
    "share": False,
    "ssr_mode": False,
    "allowed_paths": [],
    "state_session_capacity": 200,
}


@functools.cache
def classifier() -> FractureClassifier:
    """The classifier, loaded once."""
    folder = os.environ.get("FRACTURE_WEIGHTS") or HERE / "weights"
    return FractureClassifier.from_pretrained(folder)


def predict(film: dict | None) -> dict:
    """Classifies one radiograph as normal, hairline or displaced fracture.

    Research software, not a medical device. Answers one JSON object: model_version,
    finding (no_fracture_seen, uncertain or fracture_suspected), summary, severity
    (hairline, displaced or null), fracture_probability, probabilities (by class),
    rule_out_threshold, rule_in_threshold, location (a sentence), peak_x, peak_y,
    film_width, film_height, warnings (a list of code and message). Probabilities are
    calibrated, in [0, 1]; positions are pixels from the upper left. A film that cannot
    be read is an error: a sentence, then a code in brackets.

    Args:
        film: one PNG, JPEG, TIFF, WebP, BMP or DICOM file, told by its content.

    Returns:
        The object.

    Raises:
        gr.Error: the film cannot be read.
    """
    try:
        return _predict(film).to_dict()
    except RadiographError as error:
        text = f"{error.message} [{error.code}]"
        raise gr.Error(text, print_exception=False) from None


def _predict(film: dict | None) -> Prediction:
    if film is None:
        raise RadiographError("no_film", "No film was sent; choose a file.")
    return classifier().predict(film["path"])


def show(film: dict | None, target: str, opacity: float) -> tuple:
    """A film as Gradio sends it -> all of the page, or why the film cannot be read."""
    name = (film or {}).get("orig_name") or "The film"
    try:
        prediction = _predict(film)
    except RadiographError as error:
        alert = _fill("alert", name=html.escape(name), **error.to_dict())
        return None, None, alert, gr.Column(visible=False), None, None, "", None
    answer, shown = prediction.to_dict(), _fit(prediction)
    facts = prediction.film.metadata
    size = f"{answer['film_width']} x {answer['film_height']} pixels"
    return (
        None,  # an empty box takes the next film at once
        shown,
        report(answer, f"{name} · {facts['format']}, {facts['bits']} bits, {size}"),
        gr.Column(visible=True),
        shown.film.pixels,
        redraw(shown, target, opacity),
        where(answer),
        answer,
    )


def redraw(shown: Prediction | None, target: str, opacity: float) -> gr.Image:
    """The overlay for another class or opacity (percent), without a new upload."""
    if shown is None:
        message = "This film is no longer held; choose it again."
        raise gr.Error(message, print_exception=False)
    # A copy, since a prediction keeps its maps: too much to hold for every visitor.
    picture = dataclasses.replace(shown).overlay(target, opacity / 100)
    kind = "a fracture" if target == "fracture" else f"the class {target}"
    alt_text = f"The film, coloured where it holds evidence of {kind}"
    return gr.Image(picture, label=f"Evidence of {kind}", alt_text=alt_text)


def _fit(prediction: Prediction) -> Prediction:
    """The prediction with its film reduced to what a screen can show."""
    picture = Image.fromarray(prediction.film.pixels)
    picture.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    film = dataclasses.replace(prediction.film, pixels=np.asarray(picture))
    return dataclasses.replace(prediction, film=film)


def percent(p: float) -> str:
    """Whole percent; nothing is certain, so neither 0 nor 100."""
    return "under 1%" if p < 0.01 else "over 99%" if p > 0.99 else f"{p:.0%}"


def _fill(template: str, **values: str) -> str:
    text = (ASSETS / f"{template}.html").read_text(encoding="utf-8")
    return string.Template(text).substitute(values)


def report(answer: dict, caption: str) -> str:
    """The finding, its probabilities and the warnings as HTML."""
    bars = "".join(
        f'<dt>{name.capitalize()}</dt><dd><span style="--p:{p:.1%}"></span>'
        f"{percent(p)}</dd>"
        for name, p in answer["probabilities"].items()
    )
    items = "".join(f"<li>{html.escape(w['message'])}</li>" for w in answer["warnings"])
    warnings = f'<div class="warnings"><h3>Please note</h3><ul>{items}</ul></div>'
    return _fill(
        "finding",
        caption=html.escape(caption),
        finding=answer["finding"],
        mark=MARKS[answer["finding"]],
        summary=answer["summary"],
        fracture=percent(answer["fracture_probability"]),
        p=f"{answer['fracture_probability']:.1%}",
        rule_out=f"{answer['rule_out_threshold']:.0%}",
        rule_in=f"{answer['rule_in_threshold']:.0%}",
        bars=bars,
        warnings=warnings if items else "",
    )


def where(answer: dict) -> str:
    """Where the model looked, and how to read the colours, as HTML."""
    colours = ",".join(f"rgb{tuple(colour)}" for colour in colour_map()[::51].tolist())
    return _fill("where", location=answer["location"], colours=colours)


# What the API page shows as the parameter, instead of a PDF.
SAMPLE = {"path": "film.png", "url": "film.png", "meta": {"_type": "gradio.FileData"}}
HINT = """<p class="small">PNG, JPEG, TIFF, WebP, BMP or DICOM, up to 64 MB. Drop it
anywhere on this page, paste it, or press the box.</p>"""
PRIVACY = """<p class="small">Films are read on this server, kept for two hours at most
and used for nothing else.</p>"""
EMPTY = '<p class="empty">The finding, its probabilities and heatmap appear here.</p>'

title = "Is there a fracture?"
with gr.Blocks(title=title, analytics_enabled=False, delete_cache=(KEEP, KEEP)) as demo:
    gr.HTML(_fill("intro"))
    held = gr.State(time_to_live=KEEP)
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            film = gr.File(label="Radiograph", elem_id="film", height=150)
            film.example_payload = lambda: SAMPLE
            gr.HTML(HINT)
            gr.HTML('<h2 class="try">Or try a synthetic film</h2>')
            with gr.Row(elem_id="examples"):
                examples = [
                    gr.Button(name.capitalize(), icon=EXAMPLES / f"{name}.png")
                    for name in TARGETS[1:]
                ]
            gr.HTML(PRIVACY)
        with gr.Column(scale=3, min_width=330):
            finding = gr.HTML(EMPTY, elem_id="report")
            with gr.Column(visible=False) as results:
                with gr.Row(elem_classes="films"):
                    seen = {"buttons": ["fullscreen"], "interactive": False}
                    text = "The film as the model read it"
                    plain = gr.Image(format="png", label="Film", alt_text=text, **seen)
                    overlay = gr.Image(format="jpeg", **seen)
                with gr.Row(elem_classes="controls"):
                    names = [(name.capitalize(), name) for name in TARGETS]
                    label = "Show the evidence of"
                    target = gr.Radio(names, value="fracture", label=label, scale=3)
                    label = "Opacity of the colours, %"
                    opacity = gr.Slider(0, 100, 60, step=5, label=label, scale=2)
                place = gr.HTML()
                with gr.Accordion("For programs: the same as JSON", open=False):
                    as_json = gr.JSON(label="Prediction", show_label=False)

    settings = [target, opacity]
    # Raw files: gr.File's own step refuses unknown names before anybody can say what is
    # wrong with the film, and leaves an empty temporary file behind for each one.
    model = {"concurrency_id": "model", "preprocess": False}
    private = {"api_visibility": "private", "show_progress": "minimal", **model}
    page = [film, held, finding, results, plain, overlay, place, as_json]
    gr.on([], predict, film, as_json, api_name="predict", **model)
    film.upload(show, [film, *settings], page, **private)
    for name, button in zip(TARGETS[1:], examples, strict=True):
        path = EXAMPLES / f"{name}.png"
        sample = {"path": path, "orig_name": f"Synthetic film {path.name}"}
        button.click(functools.partial(show, sample), settings, page, **private)
    private |= {"show_progress": "hidden", "trigger_mode": "always_last"}
    gr.on([target.input, opacity.input], redraw, [held, *settings], overlay, **private)
demo.queue(default_concurrency_limit=2, max_size=32)


def main() -> int:
    """Loads and warms up the model, then serves the page; the exit code."""
    try:
        classifier().predict(EXAMPLES / "normal.png")
    except WeightsError as error:
        print(f"fracture: {error.message} [{error.code}]", file=sys.stderr)
        return 1
    demo.launch(**LAUNCH)
    return 0


if __name__ == "__main__":
    sys.exit(main())
