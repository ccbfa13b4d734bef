"""A static host, as simple as they come, that remembers what it was asked for."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

# What makes a page cross-origin isolated, so that it has threads.
ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
_BLANK = b"<!doctype html><meta charset=utf-8>"


class StaticHost(ThreadingHTTPServer):
    """Serves a folder, or several below their names.

    Attributes:
        url: of the folder, which ends in a slash.
        asked: method, path and length of the body of each request.
        sent: bytes of files that went out.
        once: path -> a script to send in place of that file, the first time.
    """

    daemon_threads = True

    def __init__(
        self,
        folders: Path | Mapping[str, Path],
        page: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ):
        """Starts to listen.

        Args:
            folders: the folder, or the first part of a path -> a folder.
            page: what `/` is, with several folders; else it is empty.
            headers: sent with everything.
        """
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"
        self.folders, self.headers = folders, headers or {}
        self.pages: dict[str, bytes] = {}
        if not isinstance(folders, Path):
            self.pages = {"/": page or _BLANK, "/favicon.ico": b""}
        self.asked: list[tuple[str, str, int]] = []
        self.sent = 0
        self.once: dict[str, str] = {}

    def place(self, path: str) -> str:
        """Where the file at a path lies."""
        parts = path.split("?")[0].strip("/").split("/")
        if ".." in parts:
            return "/nowhere"
        if isinstance(self.folders, Path):
            return str(self.folders.joinpath(*parts))
        folder = self.folders.get(parts[0])
        return str(folder.joinpath(*parts[1:])) if folder else "/nowhere"


class _Handler(SimpleHTTPRequestHandler):
    server: StaticHost
    extensions_map = {  # noqa: RUF012
        **SimpleHTTPRequestHandler.extensions_map,
        ".mjs": "text/javascript",
        ".js": "text/javascript",
        ".wasm": "application/wasm",
    }

    def do_GET(self):
        if text := self.server.once.pop(self.path, None):
            self._send(text.encode(), "text/javascript")
        elif (page := self.server.pages.get(self.path)) is not None:
            self._send(page, "text/html")
        else:
            super().do_GET()

    def _send(self, content: bytes, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(content)

    def translate_path(self, path):
        return self.server.place(path)

    def end_headers(self):
        for header, value in self.server.headers.items():
            self.send_header(header, value)
        super().end_headers()

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
def host(
    folders: Path | Mapping[str, Path],
    page: bytes | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[StaticHost]:
    """A host that serves until the end of the block; see `StaticHost`."""
    with StaticHost(folders, page, headers) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()
