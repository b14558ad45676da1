"""A small hub on loopback: the few routes that huggingface_hub needs, serving folders as models.

It can cut a connection after so many bytes, ask for access, and know nothing of a repository.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote, urlparse

COMMIT = "0123456789abcdef0123456789abcdef01234567"
_LFS = 1 << 20


@dataclass
class Hub:
    """What the hub serves, and what it was asked for."""

    repos: dict[str, Path]
    gated: set[str] = field(default_factory=set)
    cut_after: int = 0  # bytes of a large file, each time it is asked for; 0 for never
    pause: threading.Event | None = None  # large files wait for it before their second half
    stalls: int = 0  # so often it says nothing any more in the middle of one
    ranges: list[str] = field(default_factory=list)
    sent: int = 0
    elsewhere: str = ""  # another hub's endpoint, where its large files are
    sums: str = ""  # what it says that the SHA-256 of its large files is
    too_much: int = 0  # bytes that it sends after the end of a large file
    answer: bytes = b""  # what it says of a repository in place of what a hub says
    requests: int = 0
    tokens: set[str] = field(default_factory=set)  # that it was shown
    _server: ThreadingHTTPServer | None = None

    @property
    def endpoint(self) -> str:
        """For HF_ENDPOINT."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def handler(self) -> type[Handler]:
        """What answers a request; `hub` is set on it."""
        return Handler

    def __enter__(self) -> Self:
        hub = self

        kind = type("_Bound", (self.handler(),), {"hub": hub})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), kind)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._server is not None
        if self.pause:
            self.pause.set()
        self._server.shutdown()
        self._server.server_close()


class Handler(BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def handle(self) -> None:
        with contextlib.suppress(ConnectionError):  # whoever asked has gone away
            super().handle()

    def _answer(self, body: bool) -> None:
        path = unquote(urlparse(self.path).path)
        self.hub.requests += 1
        self.hub.tokens.add(self.headers.get("Authorization", ""))
        api = re.fullmatch(
            r"/api/(?:models|datasets)/([^/]+/[^/]+)(?:/(revision|tree)/(.+?))?/?", path
        )
        file = re.fullmatch(r"/(?:datasets/)?([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        repo = (api or file or [None, ""])[1]
        folder = self.hub.repos.get(str(repo))
        if folder is None:
            self._error(401, "RepoNotFound", "Repository not found")
        elif api and (api[3] or COMMIT) not in (COMMIT, "main"):
            self._error(404, "RevisionNotFound", f"Invalid rev id: {api[3]}")
        elif api:
            if self.hub.answer:
                self._send_json(self.hub.answer)
            else:
                self._json(_tree(folder) if api[2] == "tree" else self.info(str(repo), folder))
        elif file and repo in self.hub.gated:
            self._error(403, "GatedRepo", f"Access to model {repo} is restricted")
        elif file and body and self.hub.elsewhere and (folder / file[3]).stat().st_size >= _LFS:
            self.send_response(302)
            self.send_header("Location", f"{self.hub.elsewhere}{path}")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif file and (folder / file[3]).is_file():
            self._file(folder / file[3], body)
        else:
            self._error(404, "EntryNotFound", "Entry not found")

    def info(self, repo: str, folder: Path) -> dict[str, Any]:
        found = _info(repo, folder)
        for each in found["siblings"]:
            if self.hub.sums and "lfs" in each:
                each["lfs"]["sha256"] = self.hub.sums
        return found

    def _file(self, path: Path, body: bool) -> None:
        data = path.read_bytes()
        more = self.hub.too_much if body and len(data) >= _LFS else 0
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if asked and body:
            start = int(asked[1])
            self.hub.ranges.append(asked[0])
        self.send_response(206 if asked else 200)
        self.send_header("Content-Length", str(len(data) - start + more))
        self.send_header("ETag", f'"{_etag(data)}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if asked:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        if body:
            self._send(data[start:] + b"x" * more, large=len(data) >= _LFS)

    def _send(self, data: bytes, large: bool) -> None:
        if large and self.hub.cut_after and len(data) > self.hub.cut_after:
            self.wfile.write(data[: self.hub.cut_after])
            self.hub.sent += self.hub.cut_after
            self.wfile.flush()
            self.close_connection = True
            self.connection.close()
            return
        if large and self.hub.stalls:
            self.hub.stalls -= 1
            self.wfile.write(data[: len(data) // 2])
            self.rfile.read()  # until the other side has gone
            self.close_connection = True
            return
        if large and self.hub.pause:
            half = len(data) // 2
            self.wfile.write(data[:half])
            self.wfile.flush()
            self.hub.sent += half
            self.hub.pause.wait(600)
            data = data[half:]
        self.wfile.write(data)
        self.hub.sent += len(data)

    def _json(self, value: Any) -> None:
        self._send_json(json.dumps(value).encode())

    def _send_json(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _error(self, code: int, name: str, message: str) -> None:
        self.send_response(code)
        self.send_header("X-Error-Code", name)
        self.send_header("X-Error-Message", message)
        self.send_header("Content-Length", "0")
        self.end_headers()


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _etag(data: bytes) -> str:
    """The SHA-256 of a large file, git's SHA-1 of a small one."""
    if len(data) >= _LFS:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()


def _info(repo: str, folder: Path) -> dict[str, Any]:
    siblings = []
    for path in _files(folder):
        data = path.read_bytes()
        entry: dict[str, Any] = {
            "rfilename": str(path.relative_to(folder)),
            "size": len(data),
            "blobId": "0" * 40,
        }
        if len(data) >= _LFS:
            entry["lfs"] = {"sha256": _etag(data), "size": len(data), "pointerSize": 134}
        siblings.append(entry)
    return {"_id": "1", "id": repo, "modelId": repo, "sha": COMMIT, "siblings": siblings}


def _tree(folder: Path) -> list[dict[str, Any]]:
    entries = []
    for path in _files(folder):
        data = path.read_bytes()
        entry = {
            "type": "file",
            "path": str(path.relative_to(folder)),
            "size": len(data),
            "oid": _etag(data),
        }
        if len(data) >= _LFS:
            entry["lfs"] = {"oid": _etag(data), "size": len(data), "pointerSize": 134}
        entries.append(entry)
    return entries
