"""The process that reads films for `ReaderPool`: requests in, answers out, by pipes."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import warnings
from typing import BinaryIO

import numpy as np

from fracture.radiograph import dicom, raster  # noqa: F401  before the first film
from fracture.radiograph.radiograph import NeedsProcess, RadiographError
from fracture.radiograph.reader import read_radiograph, read_tags


def serve(seconds: float, megabytes: int) -> None:
    """Answers requests until there are no more.

    A request is a line of JSON, `size`, `limits` and `tags`, and a file of so many
    bytes. The answer is a line of JSON: `code` and `message` of the error; or, where
    tags were named, what was found of them, `tags`; or `metadata` and `notices` of the
    film, and after these its pixels row by row.

    Args:
        seconds: most time for one film, should nobody else keep watch.
        megabytes: most address space in MiB.
    """
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):  # libraries print there
        os.dup2(nowhere, stream)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who reads the answers
    warnings.simplefilter("ignore")
    logging.disable()
    NeedsProcess.met = True
    _limit_memory(megabytes)
    answers.write(b"ready\n")
    answers.flush()
    while line := requests.readline():
        request = json.loads(line)
        _set_alarm(seconds + 1)
        _answer(answers, requests.read(request["size"]), request)
        _set_alarm(0)
        answers.flush()


def _answer(answers: BinaryIO, data: bytes, request: dict) -> None:
    max_pixels, max_bytes = request["limits"]
    try:
        if tags := request["tags"]:
            found = {"tags": read_tags(data, tags, max_bytes)}
            answers.write(json.dumps(found).encode() + b"\n")
            return
        film = read_radiograph(data, max_pixels=max_pixels, max_bytes=max_bytes)
    except RadiographError as error:
        answers.write(json.dumps(error.to_dict()).encode() + b"\n")
        return
    notices = [(notice.code, notice.message) for notice in film.warnings]
    answer = {"metadata": film.metadata, "notices": notices}
    answers.write(json.dumps(answer).encode() + b"\n")
    answers.write(np.ascontiguousarray(film.pixels).data)


def _limit_memory(megabytes: int) -> None:
    try:
        import resource
    except ImportError:  # Windows knows no such limit
        return
    most = megabytes * 2**20
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    with contextlib.suppress(OSError, ValueError):  # macOS does not take it
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    # What a crash leaves on the disk would hold the film.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _set_alarm(seconds: float) -> None:
    """Has the system end this process after so long, even if its parent is gone."""
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, seconds)
