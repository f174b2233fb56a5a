"""Repositories kept in memory: who asks, what may be read, files over LFS, commits, downloads.

Source of the addresses and bodies: huggingface_hub 2.4.0 (hf_api.py, lfs.py, _commit_api.py).
"""

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

TOKEN = "hf_" + "aB3dE5gH7jK9mN1pQ2rS4tU6"
ACCOUNT = "ada"
# The Hub keeps these as LFS objects, everything else in git.
LARGE = (".safetensors", ".json.lfs")


@dataclass
class Repository:
    """One model: its files by name, the commit they stand at, and who may see it."""

    files: dict[str, bytes] = field(default_factory=dict)
    commits: list[str] = field(default_factory=list)
    private: bool = False
    gated: bool = False


@dataclass
class Answer:
    """What a request gets."""

    status: int
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)


class Hub:
    """What the Hub holds and was asked; ``refuse`` is used up first, request by request."""

    def __init__(self) -> None:
        self.url = ""
        self.tokens = {TOKEN: ACCOUNT}
        # Accounts that were granted access to gated models.
        self.granted: set[str] = set()
        self.repositories: dict[str, Repository] = {}
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.refuse: dict[str, list[int]] = {}
        # Parts of this size, where it is set: as the Hub does for large files.
        self.part_bytes = 0
        self._parts: dict[str, dict[int, bytes]] = {}

    def put(self, name: str, files: dict[str, bytes], **more: Any) -> Repository:
        """Keep a model."""
        commit = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()
        self.repositories[name] = Repository(dict(files), [commit], **more)
        return self.repositories[name]

    def uploads(self) -> list[str]:
        """Return which objects were sent, in order."""
        return [line for line in self.asked if line.startswith("PUT ")]

    def answer(self, method: str, path: str, body: bytes, token: str) -> Answer:
        """Answer one request."""
        self.asked.append(f"{method} {path}")
        for start, statuses in self.refuse.items():
            if f"{method} {path}".startswith(start) and statuses:
                return Answer(statuses.pop(0), b'{"error": "The Hub has a bad day."}')
        if path.startswith("/objects/"):
            return self._object(method, path, body)
        who = self.tokens.get(token)
        if token and who is None:
            return Answer(401, b'{"error": "Invalid user token."}')
        if path == "/api/whoami-v2":
            return _json({"name": who, "type": "user"}) if who else Answer(401)
        if path == "/api/repos/create":
            return self._create(json.loads(body), who)
        if path == "/api/validate-yaml":
            is_card = json.loads(body)["content"].startswith("---\n")
            return _json({"errors": [] if is_card else [{"message": "no front matter"}]})
        if path.endswith(".git/info/lfs/objects/batch"):
            return self._batch(json.loads(body), who)
        if path.startswith("/api/models/"):
            return self._model(method, path.removeprefix("/api/models/"), body, who)
        return self._file(path, who)

    def _create(self, asked: dict[str, Any], who: str | None) -> Answer:
        owner = asked.get("organization") or who
        if who is None or owner != who:
            return Answer(403, b'{"error": "You have no rights in this namespace."}')
        name = f"{owner}/{asked['name']}"
        found = name in self.repositories
        if not found:
            self.put(name, {}, private=asked.get("visibility") == "private")
        return _json({"url": f"{self.url}/{name}"}, status=409 if found else 200)

    def _model(self, method: str, rest: str, body: bytes, who: str | None) -> Answer:
        owner, name, *what = rest.split("/")
        repository = self.repositories.get(f"{owner}/{name}")
        if repository is None or (repository.private and who != owner):
            return Answer(404, headers={"X-Error-Code": "RepoNotFound"})
        if what[:1] == ["preupload"]:
            return _json({"files": [_mode(file, repository) for file in json.loads(body)["files"]]})
        if what[:1] == ["commit"]:
            if who != owner:
                return Answer(403, b'{"error": "You may not write here."}')
            return self._commit(f"{owner}/{name}", repository, body)
        if what[:1] == ["tree"]:
            return _json([_entry(*file) for file in repository.files.items()])
        siblings = [_sibling(*file) for file in repository.files.items()]
        told = {"id": f"{owner}/{name}", "sha": repository.commits[-1], "siblings": siblings}
        return _json({**told, "private": repository.private, "gated": repository.gated})

    def _commit(self, name: str, repository: Repository, body: bytes) -> Answer:
        for line in body.splitlines():
            entry = json.loads(line)
            value = entry["value"]
            if entry["key"] == "file":
                repository.files[value["path"]] = base64.b64decode(value["content"])
            elif entry["key"] == "lfsFile":
                repository.files[value["path"]] = self.objects[value["oid"]]
        commit = hashlib.sha1(body, usedforsecurity=False).hexdigest()
        repository.commits.append(commit)
        return _json({"commitUrl": f"{self.url}/{name}/commit/{commit}", "commitOid": commit})

    def _batch(self, asked: dict[str, Any], who: str | None) -> Answer:
        if who is None:
            return Answer(401)
        objects = []
        for each in asked["objects"]:
            if each["oid"] not in self.objects:
                each["actions"] = {"upload": self._upload_of(each["oid"], each["size"])}
            objects.append(each)
        return _json({"transfer": "basic", "objects": objects})

    def _upload_of(self, oid: str, size: int) -> dict[str, Any]:
        address = f"{self.url}/objects/{oid}"
        if not self.part_bytes:
            return {"href": address}
        count = -(-size // self.part_bytes)
        parts = {str(number): f"{address}/{number}" for number in range(1, count + 1)}
        return {"href": f"{address}/whole", "header": {"chunk_size": str(self.part_bytes), **parts}}

    def _object(self, method: str, path: str, body: bytes) -> Answer:
        _, _, oid, *part = path.split("/")
        if part == ["whole"]:
            parts = self._parts.pop(oid)
            body = b"".join(parts[number] for number in sorted(parts))
        elif part:
            self._parts.setdefault(oid, {})[int(part[0])] = body
            return Answer(200, headers={"ETag": f'"{part[0]}"'})
        if hashlib.sha256(body).hexdigest() != oid:
            return Answer(400, b'{"error": "These bytes are not that object."}')
        self.objects[oid] = body
        return Answer(200)

    def _file(self, path: str, who: str | None) -> Answer:
        """Answer ``/owner/name/resolve/commit/file``."""
        _, owner, name, _, commit, file = path.split("/", 5)
        repository = self.repositories.get(f"{owner}/{name}")
        if repository is None or file not in repository.files:
            return Answer(404, headers={"X-Error-Code": "EntryNotFound"})
        if repository.gated and who not in self.granted:
            said = f"Access to model {owner}/{name} is restricted."
            return Answer(403, headers={"X-Error-Code": "GatedRepo", "X-Error-Message": said})
        content = repository.files[file]
        etag = hashlib.sha256(content).hexdigest()
        return Answer(200, content, {"ETag": f'"{etag}"', "X-Repo-Commit": commit})


def _mode(file: dict[str, Any], repository: Repository) -> dict[str, Any]:
    """Say how a file is to be sent, and its id in git where the same name is there already."""
    is_large = file["path"].endswith(LARGE)
    there = repository.files.get(file["path"])
    oid = None if there is None else _oid(there, is_large=is_large)
    mode = "lfs" if is_large else "regular"
    return {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}


def _oid(content: bytes, *, is_large: bool) -> str:
    if is_large:
        return hashlib.sha256(content).hexdigest()
    head = b"blob %d\0" % len(content)
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()


def _entry(name: str, content: bytes) -> dict[str, Any]:
    oid = _oid(content, is_large=False)
    return {"type": "file", "path": name, "size": len(content), "oid": oid}


def _sibling(name: str, content: bytes) -> dict[str, Any]:
    return {"rfilename": name, "size": len(content), "blobId": _oid(content, is_large=False)}


def _json(content: object, *, status: int = 200) -> Answer:
    return Answer(status, json.dumps(content).encode())


@contextmanager
def running_hub() -> Iterator[Hub]:
    """Serve a Hub on loopback."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            token = self.headers.get("Authorization", "").removeprefix("Bearer ")
            answer = hub.answer(self.command, urlsplit(self.path).path, body, token)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        def do_HEAD(self) -> None:
            self.do_GET()

        def do_POST(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

        def log_message(self, *_arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
