"""The pages of the app, one function each; they add themselves to a `gr.Blocks`."""

from __future__ import annotations

import functools
import io
import re
import time
import zipfile
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import gradio as gr

from fracture.batch import row
from fracture.radiograph import RadiographError
from fracture.rendering.fragments import piece
from fracture.rendering.pictures import data_uri, heatmap_png, thumbnail
from fracture.result import Result
from fracture.web import html, words
from fracture.web.service import Service, uploaded
from fracture.web.words import EXAMPLES, Example

_HEATMAP_SIDE = 512  # pixels; maps are smooth
_PACE = 1.0  # seconds between two pictures of a batch's progress
# Raw files: gr.File's own step refuses unknown names before anybody can say what is
# wrong with the film, and leaves an empty temporary file behind for each one.
_EVENT = {
    "api_visibility": "private",
    "preprocess": False,
    "trigger_mode": "always_last",
}


def _session(asked: gr.Request) -> str | None:
    """The page that asks; each one that is opened is another."""
    return getattr(asked, "session_hash", None)


def _box(label: str, many: bool = False) -> gr.File:
    count = "multiple" if many else "single"
    return gr.File(
        label=label, file_count=count, elem_classes="drop", height=150, interactive=True
    )


def _hint(text: str) -> None:
    gr.HTML(html.paragraph(words.hint(text), "small"))


def read(service: Service, examples: Path) -> None:
    """One film: its finding, and the film under its heatmap."""

    page = functools.partial(html.film, guidance=service.settings.guidance)

    async def show(file: dict | None, asked: gr.Request) -> tuple[None, str]:
        # An empty box takes the next film at once.
        try:
            return None, await service.predict(*uploaded(file), page, _session(asked))
        except RadiographError as error:
            return None, piece("alert", "The film", error)

    def example(known: Example) -> Callable[[gr.Request], Awaitable[str]]:
        labelled = functools.partial(page, label=known.label)

        async def show_example(asked: gr.Request) -> str:
            source, session = examples / known.file, _session(asked)
            try:
                return await service.predict(known.name, source, labelled, session)
            except RadiographError as error:
                return piece("alert", "The film", error)

        return show_example

    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            film = _box(words.BOXES["read"])
            _hint(words.HINTS["read"])
            gr.HTML(f'<h2 class="try">{words.TRY}</h2>')
            with gr.Row(elem_classes="examples"):
                buttons = [
                    gr.Button(known.title, icon=_icon(known.file)) for known in EXAMPLES
                ]
            _hint(words.CREDIT)
            _hint(words.ON_SERVER)
        with gr.Column(scale=3, min_width=330):
            waiting = html.paragraph(words.WAITING["read"], "empty")
            result = gr.HTML(waiting, elem_classes="result")
    event = {**_EVENT, "show_progress": "minimal"}
    film.upload(show, film, [film, result], **event)
    for known, button in zip(EXAMPLES, buttons, strict=True):
        button.click(example(known), None, result, **event)


def _icon(name: str) -> dict:
    """The thumbnail of an example, by an address that tells no place on the disk."""
    file = {"path": name, "url": f"/examples/{name}"}
    return {**file, "meta": {"_type": "gradio.FileData"}}


def study(service: Service) -> None:
    """Several views of one patient: a finding for each and one for all."""

    page = functools.partial(html.study, guidance=service.settings.guidance)

    async def show(files: list | None, asked: gr.Request) -> tuple[None, str]:
        # An empty box: the next films are the next study, never a part of this one.
        try:
            sent = [uploaded(file) for file in files or ()]
            return None, await service.study(sent, page, _session(asked))
        except RadiographError as error:
            return None, piece("alert", "The study", error)

    views = _box(words.BOXES["study"], many=True)
    _hint(words.HINTS["study"])
    waiting = html.paragraph(words.WAITING["study"], "empty")
    result = gr.HTML(waiting, elem_classes="result")
    event = {**_EVENT, "show_progress": "minimal"}
    views.upload(show, views, [views, result], **event)


def batch(service: Service) -> None:
    """Many films or a zip: progress, a table, its CSV and the heatmaps."""

    def show(result: Result) -> tuple[dict, str | None, bytes | None]:
        """A film's row, its thumbnail and, if it was judged, its heatmap."""
        film = result.prediction
        cells = row({"name": result.name, **result.to_dict()})
        picture = film and data_uri(thumbnail(film), "image/jpeg")
        heat = result.judged and heatmap_png(film, "fracture", _HEATMAP_SIDE)
        return cells, picture, heat or None

    async def run(files: list | None, asked: gr.Request) -> AsyncIterator[tuple]:
        """Yields the box, progress, table and the cancel button."""
        idle, films, unread, rows, pictures = gr.Button(interactive=False), 0, 0, [], []
        content, shown = io.BytesIO(), time.monotonic()
        archive = zipfile.ZipFile(content, "w")
        try:
            sent = [uploaded(file) for file in files or ()]
            async for films, found in service.batch(sent, show, _session(asked)):
                if not found:
                    begun = html.progress(0, films, 0)
                    yield None, begun, "", gr.Button(interactive=True)
                    continue
                rows.append(found[0])
                pictures.append(found[1])
                unread += found[1] is None
                if found[2]:
                    archive.writestr(_member(len(rows), rows[-1]["name"]), found[2])
                if time.monotonic() - shown > _PACE:
                    now = html.progress(len(rows), films, unread)
                    yield gr.skip(), now, html.table(rows, pictures), gr.skip()
                    shown = time.monotonic()
        except RadiographError as error:
            yield None, piece("alert", "The batch", error), "", idle
            return
        archive.close()
        heatmaps = content.getvalue() if archive.namelist() else None
        end = html.progress(films, films, unread)
        yield gr.skip(), end, html.table(rows, pictures, heatmaps), idle

    def cancelled() -> tuple:
        text = "Cancelled; the films read so far are below."
        return html.paragraph(text, "progress"), gr.Button(interactive=False)

    box = _box("Films or zip archives", many=True)
    _hint(
        f"Up to {service.settings.max_films} films, {{formats}}, or zip archives of "
        f"them; no file over {service.settings.max_upload_mb} MB."
    )
    stop = gr.Button("Cancel", interactive=False, size="sm")
    progress = gr.HTML(elem_classes="result")
    waiting = "One row for each film appears here, with its finding or its reason."
    table = gr.HTML(html.paragraph(waiting, "empty"))
    event = {**_EVENT, "show_progress": "minimal"}
    outputs = [box, progress, table, stop]
    running = box.upload(run, box, outputs, show_progress_on=progress, **event)
    stop.click(
        cancelled, None, [progress, stop], cancels=running, queue=False, **_EVENT
    )


def _member(number: int, name: str) -> str:
    """A heatmap's name in the archive: ordered, unique, and never a path."""
    stem = re.sub(r"[^\w.-]+", "_", Path(name).stem)
    return f"{number:03}-{stem}.png"


def about(service: Service, card: Path, tab: gr.Tab) -> None:
    """The model card with its figures, fetched when the page is opened."""
    text = gr.Markdown("The model card appears here.", elem_classes="card")
    show = functools.partial(model_card, service, card)
    tab.select(show, None, text, api_visibility="private", show_progress="minimal")


def model_card(service: Service, card: Path) -> str:
    """The card of the model that answers, its figures inside.

    Args:
        service: whose model it must be.
        card: of the app's own weights; a folder from the Hub has its own.
    """
    config = service.classifier.config
    for path in (config.folder / "README.md", config.folder / "MODEL_CARD.md", card):
        if path.is_file() and config.model_version in (text := path.read_text("utf-8")):
            break
    else:
        return f"There is no card of `{config.model_version}` beside its weights."

    def embed(match: re.Match) -> str:
        figure = (path.parent / match[2]).resolve()
        if not figure.is_file() or figure.suffix != ".png":
            return match[0]
        return f"![{match[1]}]({data_uri(figure.read_bytes(), 'image/png')})"

    body = re.sub(r"\A---\n.*?\n---\n", "", text, flags=re.DOTALL)
    return re.sub(r"!\[([^]]*)\]\(([^)]+)\)", embed, body)
