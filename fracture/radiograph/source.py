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
            `empty_file` or `too_many_bytes`.
        Exception: whatever a stream or the system raises.
    """
    if isinstance(source, (bytes, bytearray, memoryview)):
        data = bytes(memoryview(source).cast("B")[: limit + 1])
    elif isinstance(source, (str, os.PathLike)):
        if not os.path.exists(source):
            name = os.path.basename(os.fsdecode(source))[-80:]
            message = f"There is no file {name!r} at that place; check the path."
            raise RadiographError("file_not_found", message)
        if not os.path.isfile(source):
            message = "That is a folder or a device; choose the file of one film."
            raise RadiographError("not_a_file", message)
        with open(source, "rb") as stream:
            data = stream.read(limit + 1)
    elif hasattr(source, "read"):
        buffer = bytearray()
        # Raw streams hand over less than asked for before their end.
        while len(buffer) <= limit and (block := source.read(limit + 1 - len(buffer))):
            buffer += block
        data = bytes(buffer)
    else:
        message = f"A {type(source).__name__} is no picture; pass a path or bytes."
        raise RadiographError("unsupported_source", message)
    if not data:
        raise RadiographError("empty_file", "The file is empty; export it again.")
    if len(data) > limit:
        message = f"The file is over {limit / 2**20:g} MiB; send a single film."
        raise RadiographError("too_many_bytes", message)
    return data
