"""A static host, as simple as they come, that remembers what it was asked for."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class StaticHost(ThreadingHTTPServer):
    """Serves a folder.

    Attributes:
        url: of the folder, which ends in a slash.
        asked: method, path and length of the body of each request.
        sent: bytes of files that went out.
        once: path -> a script to send in place of that file, the first time.
    """

    daemon_threads = True

    def __init__(self, folder: Path):
        super().__init__(
            ("127.0.0.1", 0), functools.partial(_Handler, directory=folder)
        )
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"
        self.asked: list[tuple[str, str, int]] = []
        self.sent = 0
        self.once: dict[str, str] = {}


class _Handler(SimpleHTTPRequestHandler):
    server: StaticHost

    def do_GET(self):
        if text := self.server.once.pop(self.path, None):
            self.send_response(200)
            self.send_header("Content-Type", "text/javascript")
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(text.encode())
        else:
            super().do_GET()

    def parse_request(self):
        parsed = super().parse_request()
        if parsed:
            length = int(self.headers.get("Content-Length") or 0)
            self.server.asked.append((self.command, self.path, length))
        return parsed

    def copyfile(self, source, outputfile):
        self.server.sent += os.fstat(source.fileno()).st_size
        super().copyfile(source, outputfile)

    def log_message(self, *_):
        """Keeps the tests' output clean."""


@contextlib.contextmanager
def host(folder: Path) -> Iterator[StaticHost]:
    """A host that serves until the end of the block."""
    with StaticHost(folder) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
