"""Files over HTTP, as any static host gives them."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

_TYPES = {
    ".mjs": "text/javascript",
    ".js": "text/javascript",
    ".wasm": "application/wasm",
}
# What makes a page cross-origin isolated, so that it has threads.
ISOLATED = {
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
}
_BLANK = b"<!doctype html><meta charset=utf-8>"


@contextlib.contextmanager
def serve_files(
    folders: Mapping[str, Path],
    pages: Mapping[str, bytes] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Iterator[str]:
    """Serves folders below their names, and pages; `/` is an empty one.

    Yields:
        The address, which ends in a slash.
    """
    made = {"": _BLANK, "favicon.ico": b"", **(pages or {})}

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self):
            if (name := self.path[1:]) not in made:
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(made[name])))
            self.end_headers()
            self.wfile.write(made[name])

        def end_headers(self):
            for header, value in (headers or {}).items():
                self.send_header(header, value)
            super().end_headers()

        def translate_path(self, path):
            name, _, rest = path.split("?")[0].strip("/").partition("/")
            folder = folders.get(name)
            return str(folder / rest) if folder and ".." not in rest else "/nowhere"

        def log_message(self, *_):
            pass

    Handler.extensions_map = {**Handler.extensions_map, **_TYPES}
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
