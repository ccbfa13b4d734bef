"""A small Hub: the endpoints that `huggingface_hub` uses to push and to pull.

Repositories live in memory. `faults` maps a pattern of `METHOD /path` to the status it
is answered with, or to None: the connection is cut in the middle of the request.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

TOKEN = "hf_secretsecretsecret"
_BINARY = (".onnx", ".h5", ".png", ".wasm")


class Repository:
    """Commits (sha -> files), and what the names stand for."""

    def __init__(self):
        self.gated = False
        self.commits: dict[str, dict[str, bytes]] = {}
        self.branch = self.commit({})
        self.tags: dict[str, str] = {}
        self.variables: dict[str, str] = {}

    def commit(self, files: dict[str, bytes]) -> str:
        sha = hashlib.sha1(repr((len(self.commits), files)).encode()).hexdigest()
        self.commits[sha], self.branch = files, sha
        return sha

    @property
    def files(self) -> dict[str, bytes]:
        """Of the newest commit."""
        return self.commits[self.branch]

    def find(self, revision: str) -> str | None:
        """Branch, tag or commit -> commit."""
        names = {"main": self.branch, **self.tags} | {sha: sha for sha in self.commits}
        return names.get(revision)


def describe(path: str, data: bytes) -> dict:
    """A file as the Hub's tree lists it."""
    blob = hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()
    entry = {"type": "file", "path": path, "size": len(data), "oid": blob}
    if path.endswith(_BINARY):
        digest = hashlib.sha256(data).hexdigest()
        entry["lfs"] = {"oid": digest, "size": len(data), "pointerSize": 134}
    return entry


class HubServer(ThreadingHTTPServer):
    """Serves until the end of its `with` block; `endpoint` is its address."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.faults: dict[str, int | None] = {}
        self.requests: list[str] = []

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or every answer's body waits for 40 ms
    server: HubServer

    def handle_request(self):
        path = unquote(urlsplit(self.path).path)
        line = f"{self.command} {path}"
        self.server.requests.append(line)
        faults = self.server.faults.items()
        fault = [status for pattern, status in faults if re.search(pattern, line)]
        size = int(self.headers.get("Content-Length") or 0)
        if fault == [None]:
            self.rfile.read(size // 2)
            self.close_connection = True
            return self.connection.close()
        body = self.rfile.read(size)  # or the client may miss the answer
        if fault:
            return self.fail(fault[0])
        for pattern, route in _ROUTES:
            if match := re.fullmatch(pattern, line):
                return route(self, body, *match.groups())
        return self.fail(404)

    do_GET = do_HEAD = do_POST = do_PUT = handle_request

    def fail(self, status: int, code: str = "", message: str = ""):
        headers = {"X-Error-Code": code, "X-Error-Message": message}
        return self.answer({"error": message}, status, headers)

    def answer(self, content, status=200, headers=None):
        data = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {
            "Content-Length": str(len(data)),
            **(headers or {}),
        }.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_):
        """Keeps the tests' output clean."""

    # --- what is asked for, or the answer that there is none ---

    def writable(self) -> bool:
        sent = self.headers.get("Authorization")
        if sent == f"Bearer {TOKEN}":
            return True
        self.fail(401, message="Invalid credentials in Authorization header")
        return False

    def repository(self, name: str, revision: str = "main"):
        found = self.server.repositories.get(name)
        if found is None:
            self.fail(404, "RepoNotFound")
        elif (sha := found.find(revision)) is None:
            self.fail(404, "RevisionNotFound")
        else:
            return found, sha
        return None, None

    # --- routes ---

    def create(self, body):
        asked = json.loads(body)
        name = f"{asked['organization']}/{asked['name']}"
        if not self.writable():
            return
        kind = "spaces/" if asked.get("type") == "space" else ""
        known = name in self.server.repositories
        self.server.repositories.setdefault(name, Repository())
        url = f"{self.server.endpoint}/{kind}{name}"
        self.answer({"url": url}, 409 if known else 200)

    def validate(self, _):
        self.answer({"errors": [], "warnings": []})

    def info(self, _, name, revision="main"):
        found, sha = self.repository(name, revision)
        if found:
            siblings = [{"rfilename": path} for path in found.commits[sha]]
            self.answer({"id": name, "sha": sha, "siblings": siblings})

    def tree(self, _, name, revision):
        found, sha = self.repository(name, revision)
        if found:
            self.answer([describe(*item) for item in found.commits[sha].items()])

    def refs(self, _, name):
        found, sha = self.repository(name)
        if found:
            tags = [
                {"name": tag, "ref": f"refs/tags/{tag}", "targetCommit": commit}
                for tag, commit in found.tags.items()
            ]
            main = {"name": "main", "ref": "refs/heads/main", "targetCommit": sha}
            self.answer({"branches": [main], "converts": [], "tags": tags})

    def preupload(self, body, name, revision):
        found, sha = self.repository(name, revision)
        if not (found and self.writable()):
            return
        answers = []
        for path in (file["path"] for file in json.loads(body)["files"]):
            mode, data = path.endswith(_BINARY), found.commits[sha].get(path)
            entry = None if data is None else describe(path, data)
            oid = entry and (entry["lfs"]["oid"] if mode else entry["oid"])
            mode = "lfs" if mode else "regular"
            answer = {"path": path, "uploadMode": mode, "shouldIgnore": False}
            answers.append({**answer, "oid": oid})
        self.answer({"files": answers})

    def batch(self, body, name):
        if not self.writable():
            return
        answers = []
        for wanted in json.loads(body)["objects"]:
            if wanted["oid"] not in self.server.objects:
                href = f"{self.server.endpoint}/objects/{wanted['oid']}"
                wanted["actions"] = {"upload": {"href": href}}
            answers.append(wanted)
        self.answer({"transfer": "basic", "objects": answers})

    def upload(self, body, oid):
        if hashlib.sha256(body).hexdigest() != oid:
            return self.fail(400)
        self.server.objects[oid] = body
        self.answer({})

    def commit(self, body, name, revision):
        found, sha = self.repository(name, revision)
        if not (found and self.writable()):
            return
        header, *operations = map(json.loads, body.splitlines())
        if header["value"].get("parentCommit", sha) != sha:
            return self.fail(412, message="A commit has happened since.")
        files = dict(found.commits[sha])
        for operation in operations:
            value = operation["value"]
            if operation["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif operation["key"] == "lfsFile":
                files[value["path"]] = self.server.objects[value["oid"]]
            else:
                del files[value["path"]]
        oid = found.commit(files)
        url = f"{self.server.endpoint}/{name}/commit/{oid}"
        self.answer({"success": True, "commitOid": oid, "commitUrl": url})

    def tag(self, body, name, revision):
        found, sha = self.repository(name, revision)
        if not (found and self.writable()):
            return
        tag = json.loads(body)["tag"]
        if tag in found.tags:
            return self.fail(409, message="Tag reference exists already")
        found.tags[tag] = sha
        self.answer({})

    def variable(self, body, name):
        found, _ = self.repository(name)
        if found and self.writable():
            asked = json.loads(body)
            found.variables[asked["key"]] = asked["value"]
            self.answer({asked["key"]: {"value": asked["value"]}})

    def resolve(self, _, name, revision, path):
        found, sha = self.repository(name, revision)
        if not found:
            return
        if found.gated:
            return self.fail(403, "GatedRepo", "Access is restricted.")
        if path not in found.commits[sha]:
            return self.fail(404, "EntryNotFound")
        data = found.commits[sha][path]
        entry = describe(path, data)
        etag = entry.get("lfs", entry)["oid"]
        self.answer(data, headers={"ETag": f'"{etag}"', "X-Repo-Commit": sha})


_API = r"/api/(?:model|space)s/([^/]+/[^/]+)"
_ROUTES = [
    (r"POST /api/repos/create", _Handler.create),
    (r"POST /api/validate-yaml", _Handler.validate),
    (rf"GET {_API}", _Handler.info),
    (rf"GET {_API}/revision/(.+)", _Handler.info),
    (rf"GET {_API}/tree/([^/]+)", _Handler.tree),
    (rf"GET {_API}/refs", _Handler.refs),
    (rf"POST {_API}/preupload/(.+)", _Handler.preupload),
    (rf"POST {_API}/commit/(.+)", _Handler.commit),
    (rf"POST {_API}/tag/(.+)", _Handler.tag),
    (rf"POST {_API}/variables", _Handler.variable),
    (r"POST /(?:spaces/)?(.+)\.git/info/lfs/objects/batch", _Handler.batch),
    (r"PUT /objects/(\w+)", _Handler.upload),
    (r"(?:GET|HEAD) /([^/]+/[^/]+)/resolve/([^/]+)/(.+)", _Handler.resolve),
]
