"""The web page and the API: `python app.py`, then open http://127.0.0.1:7860.

The environment sets the weights, limits and address: see the table in README.md.
Programs call `/predict`, `/predict_study`, `/predict_batch` and `/model`. What is shown
and answered lies in `fracture/web`; this file puts it together.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib
import os
import sys
import tempfile
from pathlib import Path

# A folder of our own, for what lies in it is ours to delete; Gradio asks at its import.
os.environ.setdefault("GRADIO_TEMP_DIR", f"{tempfile.gettempdir()}/fracture-uploads")

import gradio as gr
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware

from fracture import WeightsError
from fracture.rendering import fragments
from fracture.web import api, html, privacy, tabs
from fracture.web.openapi import AnswerTypes
from fracture.web.service import Service
from fracture.web.settings import Settings, SettingsError

HERE = Path(__file__).parent
EXAMPLES = HERE / "examples"
_FONT = ["system-ui", "sans-serif"]  # nothing that a font server would have to send


def launch_options(settings: Settings) -> dict:
    """How the page is served: nothing is recorded, shared or sent elsewhere."""
    return {
        "theme": gr.themes.Default(
            primary_hue="teal", neutral_hue="slate", font=_FONT, font_mono=["monospace"]
        ).set(body_text_color_subdued="*neutral_600"),
        "css_paths": [fragments.TEMPLATES / "finding.css", html.ASSETS / "app.css"],
        "js": (html.ASSETS / "app.js").read_text(encoding="utf-8"),
        "footer_links": ["api", "settings"],
        "max_file_size": f"{settings.max_upload_mb}mb",
        "run_history": False,
        "enable_monitoring": False,
        "share": False,
        "ssr_mode": False,
        "mcp_server": False,
        "allowed_paths": [],
        "app_kwargs": {"middleware": [Middleware(AnswerTypes)]},
        "state_session_capacity": 200,
        # A request that has to wait must not keep others from being turned away.
        "max_threads": settings.concurrency + settings.queue + 40,
    }


def build(service: Service) -> gr.Blocks:
    """The app over a service."""
    # Thumbnails from where they lie: in the uploads they would not outlive the hour.
    gr.set_static_paths([EXAMPLES])
    title = "Is there a fracture?"
    with gr.Blocks(title=title, analytics_enabled=False) as demo:
        gr.HTML(html.fill("intro"))
        with gr.Tab("Read"):
            tabs.read(service, EXAMPLES)
        with gr.Tab("Study"):
            tabs.study(service)
        with gr.Tab("Batch"):
            tabs.batch(service)
        with gr.Tab("About") as about:
            tabs.about(service, HERE / "MODEL_CARD.md", about)
        api.add_endpoints(service, demo)
    # The service bounds the work, whatever door it comes through, and what may wait.
    return demo.queue(default_concurrency_limit=None)


try:
    service = Service(Settings.from_environment(), HERE / "weights")
except SettingsError as error:
    sys.exit(f"fracture: {error.message} [{error.code}]")
demo = build(service)


def warm_up() -> None:
    """Does once what the first visitor would wait for.

    Raises:
        WeightsError: the model cannot be loaded.
    """
    show = functools.partial(html.film, guidance=True)
    asyncio.run(service.predict("warm-up", EXAMPLES / "normal.png", show))
    # Gradio imports it in its first event where it is installed, which takes a second.
    with contextlib.suppress(ImportError):
        importlib.import_module("matplotlib.pyplot")


def main() -> int:
    """Loads and warms up the model, then serves the page; the exit code."""
    try:
        warm_up()
    except WeightsError as error:
        print(f"fracture: {error.message} [{error.code}]", file=sys.stderr)
        return 1
    uploads = Path(get_upload_folder())
    privacy.keep_sweeping(uploads)
    try:
        demo.launch(**launch_options(service.settings))
    finally:
        privacy.sweep(uploads, 0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
