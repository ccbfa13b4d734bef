"""The types of the answers, and `openapi.json` with them in it."""

import json
from collections.abc import Sequence
from typing import Literal, get_args

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fracture import study
from fracture.prediction import FIELDS
from fracture.prediction.field import (
    INTEGER,
    NUMBER,
    TEXT,
    Field,
    list_of,
    one_of,
    schema,
)
from fracture.result import ERROR, NAME

Target = Literal["fracture", "normal", "hairline", "displaced"]
STRENGTH = "log-odds per cell of the network's map, from 0 on"

# What an answer holds besides if a heatmap is asked for and the film was judged.
_HEATMAP = (
    Field("heatmap_target", one_of(get_args(Target)), "What it is evidence of."),
    Field("heatmap_unit", TEXT, "Unit of its strength."),
    Field("heatmap_width", INTEGER, "It covers the film.", "pixels"),
    Field("heatmap_height", INTEGER, "It covers the film.", "pixels"),
    Field("heatmap", list_of(list_of(NUMBER)), "If array: its rows.", STRENGTH),
    Field("heatmap_png", TEXT, "If png: an 8-bit PNG in base64; index 0 is 0."),
    Field(
        "heatmap_index_255",
        NUMBER,
        "If png: the strength of index 255 and beyond; between the two it is linear.",
        STRENGTH,
    ),
)


def _or_error(
    fields: Sequence[Field],
    optional: Sequence[Field] = (),
    always: Sequence[Field] = (),
) -> dict:
    """The type of an answer with these fields, or an error in their place."""
    kinds = schema((*always, *fields), optional), schema((*always, *ERROR))
    return {"oneOf": list(kinds)}


_FILMS = list_of(_or_error(FIELDS, _HEATMAP, always=[NAME]))
_FILM = "For each film its name and the answer of /predict, in the order sent."
_STUDY = (*study.FIELDS, Field("views", _FILMS, _FILM))
_BATCH = (
    Field("model_version", TEXT, "Name, version and checksum of the weights."),
    Field("films", INTEGER, "How many there were."),
    Field("unread", INTEGER, "How many of them could not be read."),
    Field("rows", _FILMS, _FILM),
)
# Endpoint -> the type of its answer, and the fields that its documentation lists.
ANSWERS = {
    "predict": (_or_error(FIELDS, _HEATMAP), (*FIELDS, *_HEATMAP, *ERROR)),
    "predict_study": (_or_error(_STUDY), (*_STUDY, *ERROR)),
    "predict_batch": (_or_error(_BATCH), (*_BATCH, *ERROR)),
}


class AnswerTypes:
    """ASGI middleware that types the answers in `openapi.json`.

    Gradio's document types what is sent and calls every answer a text.
    """

    def __init__(self, app: ASGIApp):
        """`app` is what answers."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Leaves every other request alone."""
        if not scope.get("path", "").endswith("/gradio_api/openapi.json"):
            return await self._app(scope, receive, send)
        messages = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        if messages[0]["status"] == 200:
            body = b"".join(message.get("body", b"") for message in messages)
            return await JSONResponse(_typed(json.loads(body)))(scope, receive, send)
        for message in messages:  # an app behind a login refuses strangers
            await send(message)


def _typed(document: dict) -> dict:
    for name, (kind, _) in ANSWERS.items():
        sent = document["paths"][f"/gradio_api/call/v2/{name}"]["post"]
        sent["description"] = sent["description"].partition(" Returns an array")[0]
        got = document["paths"][f"/gradio_api/call/{name}/{{event_id}}"]["get"]
        stream = got["responses"]["200"]["content"]["text/event-stream"]
        stream["schema"] = {**list_of(kind), "minItems": 1, "maxItems": 1}
    return document
