"""The types of the answers, for the API page and for `openapi.json`."""

import json
from collections.abc import Sequence
from typing import Literal

from gradio_client.utils import python_type_to_json_schema
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fracture import study
from fracture.prediction import FIELDS, Field
from fracture.result import ERROR, NAME

Heatmap = Literal["none", "png", "array"]
Target = Literal["fracture", "normal", "hairline", "displaced"]
PARAMETERS = {"heatmap": Heatmap, "target": Target}
# What `POST /predict` takes as a body that is the film itself.
RAW_TYPES = (
    "application/octet-stream",
    "application/dicom",
    "image/bmp",
    "image/jpeg",
    "image/png",
    "image/tiff",
    "image/webp",
)
# Code of an error -> status of `POST /predict`; the others say that the film is bad.
STATUS = {
    "bad_request": 400,
    "too_slow": 408,
    "too_many_bytes": 413,
    "too_many_pixels": 413,
    "unsupported_format": 415,
    "unsupported_media_type": 415,
    "busy": 429,
    "stopping": 503,
}
STRENGTH = "log-odds per cell of the network's map, from 0 on"
# What an answer holds besides if a heatmap is asked for and the film was judged.
_HEATMAP = (
    Field("heatmap_target", Target, "What it is evidence of."),
    Field("heatmap_unit", str, "Unit of its strength."),
    Field("heatmap_width", int, "It covers the film.", "pixels"),
    Field("heatmap_height", int, "It covers the film.", "pixels"),
    Field("heatmap", list[list[float]], "If array: its rows.", STRENGTH),
    Field("heatmap_png", str, "If png: 8-bit, in base64; its indices are linear."),
    Field("heatmap_index_255", float, "If png: that of index 255, at least.", STRENGTH),
)


def _description(field: Field) -> str:
    return f"{field.text} Unit: {field.unit}." if field.unit else field.text


def _object(fields: Sequence[Field], optional: Sequence[Field] = ()) -> dict:
    """The type of an answer that has these fields, and may have the optional ones."""
    kinds = {}
    for field in (*fields, *optional):
        known = isinstance(field.kind, dict)
        kind = field.kind if known else python_type_to_json_schema(field.kind)
        kinds[field.name] = {**kind, "description": _description(field)}
    required = [field.name for field in fields]
    return {"type": "object", "properties": kinds, "required": required}


_FILM = [_object((NAME, *FIELDS), _HEATMAP), _object((NAME, *ERROR))]
_FILMS = {"type": "array", "items": {"oneOf": _FILM}}
_EACH = "For each film its name and the answer of /predict, in the order sent."
_STUDY = (*study.FIELDS, Field("views", _FILMS, _EACH))
_BATCH = (
    Field("model_version", str, "Name, version and checksum of the weights."),
    Field("films", int, "How many there were."),
    Field("unread", int, "How many of them could not be read."),
    Field("rows", _FILMS, _EACH),
)
# Endpoint -> the fields of its answer, and those that it may have.
_FIELDS = {
    "predict": (FIELDS, _HEATMAP),
    "predict_study": (_STUDY, ()),
    "predict_batch": (_BATCH, ()),
}
# Endpoint -> the type of its answer, an error among what it may be.
ANSWERS = {
    name: {"oneOf": [_object(*fields), _object(ERROR)]}
    for name, fields in _FIELDS.items()
}


def describe(endpoint: str) -> str:
    """The fields of an answer in words."""
    fields = (field for part in (*_FIELDS[endpoint], ERROR) for field in part)
    return " ".join(f"{field.name}: {_description(field)}" for field in fields)


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
    document["openapi"] = "3.1.0"  # the first that knows null, as Gradio's types do
    for name, kind in ANSWERS.items():
        sent = document["paths"][f"/gradio_api/call/v2/{name}"]["post"]
        sent["description"] = sent["description"].partition(" Returns an array")[0]
        body = sent["requestBody"]["content"]["application/json"]["schema"]
        for key in body["properties"].keys() & {"film", "films"}:
            files = {"type": "array", "items": _UPLOADED}
            body["properties"][key] = _UPLOADED if key == "film" else files
        got = document["paths"][f"/gradio_api/call/{name}/{{event_id}}"]["get"]
        stream = got["responses"]["200"]["content"]["text/event-stream"]
        stream["schema"] = {"type": "array", "prefixItems": [kind], "maxItems": 1}
    document["paths"] |= _direct_paths()
    document.setdefault("components", {}).setdefault("schemas", {}).update(_SCHEMAS)
    return document


# Gradio calls the type of a file `filepath`, which no schema knows.
_UPLOADED = {
    "type": "object",
    "description": "A file that was uploaded.",
    "properties": {
        "path": {"type": "string", "description": "As the upload was answered."},
        "meta": {
            "type": "object",
            "properties": {"_type": {"type": "string", "enum": ["gradio.FileData"]}},
            "required": ["_type"],
        },
    },
    "required": ["path", "meta"],
}
_SCHEMAS = {
    "Film": _object(FIELDS, _HEATMAP),
    "Error": _object(ERROR),
    "Status": {
        "type": "object",
        "properties": {"status": {"type": "string"}},
        "required": ["status"],
    },
}
_REASONS = {
    200: "What is said of the film.",
    400: "The request is not understood.",
    408: "The film took too long to come.",
    413: "The film is too large.",
    415: "The request or the file is of a type that is not read.",
    422: "The film cannot be read, or a parameter is wrong.",
    429: "Too many requests wait; try again after the seconds of Retry-After.",
    503: "The server is being stopped.",
}


def _direct_paths() -> dict:
    """The paths that Gradio does not know of."""
    film = {"type": "string", "format": "binary"}
    form = {"type": "object", "properties": {"film": film}, "required": ["film"]}
    bodies = {"multipart/form-data": form} | dict.fromkeys(RAW_TYPES, film)
    parameters = [
        {
            "name": name,
            "in": "query",
            "schema": {**python_type_to_json_schema(kind), "default": kind.__args__[0]},
        }
        for name, kind in PARAMETERS.items()
    ]
    predict = {
        "operationId": "predict_film",
        "summary": "Classifies one radiograph, in one request.",
        "description": "PNG, JPEG, TIFF, WebP, BMP or DICOM, as a form's file `film` "
        "or as the body itself.",
        "parameters": parameters,
        "requestBody": {
            "required": True,
            "content": {kind: {"schema": schema} for kind, schema in bodies.items()},
        },
        "responses": {
            str(status): _reply(reason, "Film" if status == 200 else "Error")
            for status, reason in _REASONS.items()
        },
    }
    for status in ("429", "503"):
        seconds = {"description": "Seconds to wait.", "schema": {"type": "integer"}}
        predict["responses"][status]["headers"] = {"Retry-After": seconds}
    lives, ready = _reply("It lives.", "Status"), _reply("It takes films.", "Status")
    return {
        "/predict": {"post": predict},
        "/healthz": {"get": {"operationId": "healthz", "responses": {"200": lives}}},
        "/readyz": {
            "get": {
                "operationId": "readyz",
                "responses": {"200": ready, "503": _reply("Not now.", "Status")},
            }
        },
    }


def _reply(description: str, schema: str) -> dict:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    return {"description": description, "content": {"application/json": content}}
