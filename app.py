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
import shutil
import signal
import sys
import tempfile
import threading
from pathlib import Path

from fracture.web import privacy

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in fracture/__main__.py
# Gradio asks at its import.
os.environ["GRADIO_TEMP_DIR"] = str(
    privacy.own_folder(
        os.environ.get("GRADIO_TEMP_DIR") or f"{tempfile.gettempdir()}/fracture-uploads"
    )
)

import gradio as gr
from gradio.utils import get_upload_folder
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles

from fracture import EngineError, WeightsError
from fracture.rendering import fragments
from fracture.web import api, endpoint, html, memory, tabs, words
from fracture.web.doors import Doors
from fracture.web.openapi import AnswerTypes
from fracture.web.service import Service
from fracture.web.settings import Settings, SettingsError

UPLOADS = Path(get_upload_folder())
HERE = Path(__file__).parent
EXAMPLES = HERE / "examples"
_GRACE = 3  # seconds to finish what runs; Gradio takes up to five more
_FONT = ["system-ui", "sans-serif"]  # nothing that a font server would have to send


def launch_options(settings: Settings) -> dict:
    """How the page is served: nothing is recorded, shared or sent elsewhere."""
    return {
        "theme": gr.themes.Default(
            primary_hue="teal", neutral_hue="slate", font=_FONT, font_mono=["monospace"]
        ).set(body_text_color_subdued="*neutral_600"),
        "css_paths": [
            fragments.TEMPLATES / "finding.css",
            html.ASSETS / "films.css",
            html.ASSETS / "app.css",
        ],
        "js": html.script(),
        "footer_links": ["api", "settings"],
        "max_file_size": f"{settings.max_upload_mb}mb",
        "run_history": False,
        "enable_monitoring": False,
        "share": False,
        "ssr_mode": False,
        "mcp_server": False,
        "allowed_paths": [],
        "app_kwargs": {
            "middleware": [
                Middleware(TrustedHostMiddleware, allowed_hosts=settings.allowed_hosts),
                Middleware(Doors, demo),
                Middleware(AnswerTypes),
            ],
            "routes": [
                *endpoint.routes(service),
                Mount("/examples", StaticFiles(directory=EXAMPLES)),
            ],
        },
        # Gradio keeps a copy of the page for each, 0.2 MB, and these hold no state.
        "state_session_capacity": 16,
        # A request that has to wait must not keep others from being turned away.
        "max_threads": settings.workers + settings.queue + 40,
    }


def build(service: Service) -> gr.Blocks:
    """The app over a service."""
    with gr.Blocks(title=words.TITLE, analytics_enabled=False) as demo:
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
        EngineError, WeightsError: the model cannot be loaded.
    """
    show = functools.partial(html.film, guidance=True)
    asyncio.run(service.predict("warm-up", EXAMPLES / "normal.png", show))


def import_later() -> None:
    """Imports what the first answer does not need, while the app serves already.

    Gradio wants it in its first event where it is installed, which takes a second.
    """
    with contextlib.suppress(ImportError):
        importlib.import_module("matplotlib.pyplot")


def main() -> int:
    """Loads and warms up the model, then serves the page until told to stop.

    Returns:
        The exit code; 0 after Ctrl-C or SIGTERM, within ten seconds.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    memory.bound_heaps()  # before there are threads
    try:
        warm_up()
        privacy.keep_sweeping(UPLOADS)
        demo.launch(prevent_thread_lock=True, **launch_options(service.settings))
        threading.Thread(target=import_later, daemon=True).start()
        threading.Event().wait()
    except (EngineError, WeightsError) as error:
        print(f"fracture: {error.message} [{error.code}]", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        for number in (signal.SIGINT, signal.SIGTERM):  # once is enough
            signal.signal(number, signal.SIG_IGN)
        print("fracture: stopping", file=sys.stderr)
        service.close(_GRACE)
        demo.close(verbose=False)
    finally:
        shutil.rmtree(UPLOADS, ignore_errors=True)
    return 0


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    os._exit(code)  # a film that is still being read must not hold up the end
