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
_BLANK = b"<!doctype html><meta charset=utf-8><link rel=icon href=data:,>"


@contextlib.contextmanager
def serve_files(
    folders: Mapping[str, Path], pages: Mapping[str, bytes] | None = None
) -> Iterator[str]:
    """Serves folders below their names, and pages; `/` is an empty one.

    Yields:
        The address, which ends in a slash.
    """
    made = {"": _BLANK, **(pages or {})}

    class Handler(http.server.SimpleHTTPRequestHandler):
        extensions_map = {
            **http.server.SimpleHTTPRequestHandler.extensions_map,
            **_TYPES,
        }

        def do_GET(self):
            if (name := self.path[1:]) not in made:
                return super().do_GET()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(made[name])))
            self.end_headers()
            self.wfile.write(made[name])

        def translate_path(self, path):
            name, _, rest = path.split("?")[0].strip("/").partition("/")
            folder = folders.get(name)
            return str(folder / rest) if folder and ".." not in rest else "/nowhere"

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
