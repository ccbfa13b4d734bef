"""`POST /predict`: a film in a request and its answer in the same one; the probes.

A film is held in memory and never lies on the disk. What all requests hold together is
bounded, and so is the time that a body may take.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from fracture.prediction.field import answer
from fracture.radiograph import RadiographError
from fracture.radiograph.source import MAX_BYTES
from fracture.result import ERROR
from fracture.web.api import check_parameters, film_answer
from fracture.web.openapi import RAW_TYPES, STATUS
from fracture.web.service import Service

_ENVELOPE = 64 * 2**10  # bytes that multipart may add to a film
_HELD = 4 * MAX_BYTES  # bytes of all bodies together
_SECONDS = 60  # for a body to come
_RETRY = 2  # seconds after which a place may be free


def routes(service: Service) -> list[Route]:
    """`/predict`, `/healthz` (the server lives) and `/readyz` (it takes films)."""

    async def healthz(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    async def readyz(_: Request) -> JSONResponse:
        status, word = (200, "ready") if service.ready else (503, "not_ready")
        return JSONResponse({"status": word}, status)

    return [
        Route("/predict", _Predict(service), methods=["POST"]),
        Route("/healthz", healthz),
        Route("/readyz", readyz),
    ]


class _Predict:
    """The endpoint, as Starlette calls it."""

    def __init__(self, service: Service):
        self._service, self._left = service, _HELD

    async def __call__(self, scope, receive, send) -> None:
        response = await self._respond(Request(scope, receive))
        await response(scope, receive, send)

    async def _respond(self, request: Request) -> Response:
        try:
            asked = dict(request.query_params)
            check_parameters(asked)
            show = functools.partial(film_answer, **asked)
            with self._held() as hold:
                taken = self._take(request, hold)
                name, film = await asyncio.wait_for(taken, _SECONDS)
                found = await self._service.predict(name, film, show)
        except RadiographError as error:
            found = answer(error, ERROR)
        except (TimeoutError, asyncio.TimeoutError):  # two types before Python 3.11
            message = f"The request took over {_SECONDS} seconds to come."
            found = answer(RadiographError("too_slow", message), ERROR)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody is there to read it
        status = STATUS.get(found["error_code"], 422) if "error_code" in found else 200
        headers = {"Retry-After": str(_RETRY)} if status in (429, 503) else None
        return JSONResponse(found, status, headers)

    @contextlib.contextmanager
    def _held(self) -> Iterator[Callable[[int], None]]:
        """Counts what a request holds among what all hold, for as long as it does."""
        mine = 0

        def hold(size: int) -> None:
            nonlocal mine
            if size > self._left:
                message = "Too many films are being sent; send it again in a minute."
                raise RadiographError("busy", message)
            mine += size
            self._left -= size

        try:
            yield hold
        finally:
            self._left += mine

    async def _take(
        self, request: Request, hold: Callable[[int], None]
    ) -> tuple[str, bytes]:
        """The film's name and bytes."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind in RAW_TYPES:
            body = _bounded(request, MAX_BYTES, hold)
            film = b"".join([block async for block in body])
            return "film", film
        if kind != "multipart/form-data":
            message = f"Send multipart/form-data, {' or '.join(RAW_TYPES)}."
            raise RadiographError("unsupported_media_type", message)
        body = _bounded(request, MAX_BYTES + _ENVELOPE, hold)
        parser = MultiPartParser(request.headers, body, max_files=1, max_fields=0)
        parser.spool_max_size = MAX_BYTES + _ENVELOPE  # in memory throughout
        try:
            form = await parser.parse()
        except (MultiPartException, KeyError, ValueError):
            message = "The form must hold one file called film, and nothing else."
            raise RadiographError("bad_request", message) from None
        file = form.get("film")
        if not isinstance(file, UploadFile):
            raise RadiographError("no_film", "The form has no file called film.")
        return file.filename or "film", await file.read()


async def _bounded(
    request: Request, most: int, hold: Callable[[int], None]
) -> AsyncIterator[bytes]:
    """A body, as far as it may go."""
    message = f"A film has at most {MAX_BYTES / 2**20:g} MiB; send a single film."
    declared = request.headers.get("content-length", "0")
    size = 0
    async for block in request.stream():
        size += len(block)
        if max(size, int(declared) if declared.isdecimal() else 0) > most:
            raise RadiographError("too_many_bytes", message)
        hold(len(block))
        yield block
