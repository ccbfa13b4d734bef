"""Where a film comes from: a path, a file's bytes or an open file -> bytes, bounded."""

from __future__ import annotations

import os
from typing import BinaryIO

from fracture.radiograph.radiograph import RadiographError

File = str | os.PathLike | bytes | bytearray | memoryview | BinaryIO
MAX_PIXELS = 40_000_000
MAX_BYTES = 64 * 2**20


def read_bytes(source: File, limit: int) -> bytes:
    """Returns the source's bytes; never more than `limit` + 1 of them are read.

    Raises:
        RadiographError: `file_not_found`, `not_a_file`, `unsupported_source`,
            `unreadable_file`, `empty_file` or `too_many_bytes`.
    """
    try:
        data = _take(source, limit + 1)
    except RadiographError:
        raise
    except Exception:  # streams raise anything at all
        message = "The file could not be read; check that it is open and permitted."
        raise RadiographError("unreadable_file", message) from None
    if not data:
        raise RadiographError("empty_file", "The file is empty; export it again.")
    if len(data) > limit:
        message = f"The file is over {limit / 2**20:g} MiB; send a single film."
        raise RadiographError("too_many_bytes", message)
    return data


def _take(source: File, most: int) -> bytes:
    if isinstance(source, (bytes, bytearray, memoryview)):
        return bytes(memoryview(source).cast("B")[:most])
    if isinstance(source, (str, os.PathLike)):
        if not os.path.exists(source):
            name = os.path.basename(os.fsdecode(source))[-80:]
            message = f"There is no file {name!r} at that place; check the path."
            raise RadiographError("file_not_found", message)
        if not os.path.isfile(source):
            message = "That is a folder or a device; choose the file of one film."
            raise RadiographError("not_a_file", message)
        with open(source, "rb") as stream:
            return stream.read(most)
    if hasattr(source, "read"):
        buffer = bytearray()
        # Raw streams hand over less than asked for before their end.
        while len(buffer) < most and (block := source.read(most - len(buffer))):
            buffer += block
        return bytes(buffer)
    message = f"A {type(source).__name__} is no picture; pass a path or bytes."
    raise RadiographError("unsupported_source", message)
