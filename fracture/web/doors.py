"""What comes in, made plain before Gradio sees it; what goes wrong there, explained.

Gradio answers a malformed request with a traceback in the log and no reason. Here
each request becomes one that it understands, or an answer with a reason code.
"""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import re
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import route_utils
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fracture.prediction.field import answer
from fracture.radiograph import RadiographError
from fracture.result import ERROR
from fracture.web.openapi import ANSWERS
from fracture.web.service import uploaded

_CALL = re.compile(r".*/gradio_api/(?:(call/v2|call|run|api)/(\w+)|queue/join)/?")
_UPLOAD = re.compile(r".*/gradio_api/upload/?")
_MOST = 4 * 2**20  # bytes of a request that names films; they come as uploads before
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_META = {"meta": {"_type": "gradio.FileData"}}  # by which Gradio knows a file
_DEFAULTS = (None, "none", "fracture")  # film or films, heatmap and target
_STATUS = {"too_many_bytes": 413, "unknown_endpoint": 404, "disk_full": 507}


class Doors:
    """ASGI middleware in front of everything that takes a visitor's request."""

    def __init__(self, app: ASGIApp, demo: gr.Blocks):
        """`app` is what answers, `demo` what it serves."""
        self._app, self._demo = app, demo

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Leaves everything else alone."""
        path, begun = scope.get("path", ""), False
        call = _CALL.fullmatch(path)
        if scope.get("method") != "POST" or not (call or _UPLOAD.fullmatch(path)):
            return await self._app(scope, receive, send)

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            if call:
                body = json.loads(await _body(receive))
                plain = self._plain(*call.groups(), body)
                scope, receive = _again(scope, receive, json.dumps(plain).encode())
            return await self._app(scope, receive, watched)
        except ClientDisconnect:  # nobody is left to be answered
            return
        except RadiographError as refused:
            error = refused
        except (OSError, ValueError, TypeError, LookupError, RecursionError) as failed:
            if isinstance(failed, OSError) and failed.errno not in _FULL:
                raise
            logging.getLogger(__name__).warning("%s failed: %.200r", path, failed)
            error = RadiographError("bad_request", "That request is not understood.")
            if isinstance(failed, OSError):
                message = "The server has no space for the file now; try again later."
                error = RadiographError("disk_full", message)
        if not begun:
            status = _STATUS.get(error.code, 400)
            await JSONResponse(answer(error, ERROR), status)(scope, receive, send)

    def _plain(self, door: str | None, name: str | None, body: dict) -> dict:
        """A request's body with as many parameters as there are, each of a plain type.

        Args:
            door: through which an endpoint is called; None for the queue, through
                which the pages and Gradio's clients come.
            name: of the endpoint; None for the queue.
            body: as it was sent.

        Raises:
            RadiographError: `bad_request`, `unknown_endpoint`, `bad_parameter` or
                `not_uploaded`.
        """
        if not isinstance(body, dict):
            raise RadiographError("bad_request", "The request must be a JSON object.")
        # Pages name their functions by number, whatever the address says.
        number = None if door == "call/v2" else body.get("fn_index")
        for fn in self._demo.fns.values():
            if number is not None and fn._id == number:
                break
            named = fn.api_name == name and fn.api_visibility != "private"
            if number is None and named:
                break
        else:
            raise RadiographError("unknown_endpoint", "There is no such endpoint here.")
        if door == "call/v2":
            names = ("film" if name == "predict" else "films", "heatmap", "target")
            names = names[: len(fn.inputs)]
            if strange := [key for key in body if key not in names]:
                message = f"There is no parameter {strange[0][:80]!r}."
                raise RadiographError("bad_parameter", message)
            data = [body.get(*pair) for pair in zip(names, _DEFAULTS, strict=False)]
            return dict(zip(names, _parameters(data), strict=True))
        data = body["data"]
        if not isinstance(data, list) or len(data) > len(fn.inputs):
            message = f"data must be a list of at most {len(fn.inputs)} parameters."
            raise RadiographError("bad_parameter", message)
        if fn.api_name in ANSWERS:
            data = _parameters([*data, *_DEFAULTS[len(data) :]])
        else:
            data = [_boxed(*pair) for pair in zip(fn.inputs, data, strict=True)]
        return {"data": data} if number is None else {**body, "data": data}


def _parameters(data: list) -> list:
    """Film or films, heatmap and target; what is of no known type is null."""
    if not data:
        return []
    films, *words = data
    films = [_file(film) for film in films] if isinstance(films, list) else _file(films)
    return [films, *(word if isinstance(word, str) else None for word in words)]


def _boxed(box: gr.File, value: Any) -> dict | list[dict] | None:
    """What a page's box for files may hold: that which was uploaded."""
    files = [_file(item) for item in (value if isinstance(value, list) else [value])]
    for file in (files := [file for file in files if file]):
        uploaded(file)
    files = [{**file, **_META} for file in files]
    return files if box.file_count == "multiple" else next(iter(files), None)


def _file(value: Any) -> dict[str, str] | None:
    """A file's path and name alone: Gradio would look into the rest of it."""
    value = {"path": value} if isinstance(value, str) else value
    if not isinstance(value, dict):
        return None
    return {
        key: value[key].encode(errors="replace").decode()
        for key in ("path", "orig_name")
        if isinstance(value.get(key), str)
    }


async def _body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > _MOST:
            message = "The request is too large; upload films, then name them."
            raise RadiographError("too_many_bytes", message)
    return body


def _again(scope: Scope, receive: Receive, body: bytes) -> tuple[Scope, Receive]:
    """The request with another body."""
    replaced = (b"content-length", b"content-type", b"content-encoding")
    headers = [pair for pair in scope["headers"] if pair[0] not in replaced]
    headers += [
        (b"content-length", str(len(body)).encode()),
        (b"content-type", b"application/json"),
    ]
    messages = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return messages.pop() if messages else await receive()

    return {**scope, "headers": headers}, again


class _TidyParser(route_utils.GradioMultiPartParser):
    """Gradio's reader of uploads, which leaves nothing of one that fails."""

    async def parse(self) -> Any:
        try:
            return await super().parse()
        except BaseException:  # a full disk or a broken connection, for example
            for file in self._files_to_close_on_error:
                with contextlib.suppress(OSError):  # closing writes what is left
                    file.close()
                Path(file.name).unlink(missing_ok=True)
            raise


route_utils.GradioMultiPartParser = _TidyParser
