"""The hub on loopback that takes models too: new repositories, large files apart, one commit.

It knows a token that may write and one that may not, can keep a large file waiting, and writes
down what arrived.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hub.loopback import COMMIT, Handler, Hub

OWNER, WRITES, READS = "owner", "hf_that_writes", "hf_that_reads"


@dataclass
class UploadHub(Hub):
    """What it has taken. public: repositories that everybody sees; place: where new ones lie."""

    place: Path = Path()
    public: set[str] = field(default_factory=set)
    stored: dict[str, bytes] = field(default_factory=dict)  # large files by their SHA-256
    arrived: list[str] = field(default_factory=list)  # SHA-256 of each large file that was sent
    verified: list[str] = field(default_factory=list)
    commits: list[list[str]] = field(default_factory=list)
    hold: threading.Event | None = None  # large files wait for it before they are read
    waiting: bool = False

    def handler(self) -> type[Handler]:
        return _Takes


class _Takes(Handler):
    hub: UploadHub

    @property
    def _token(self) -> str:
        return self.headers.get("Authorization", "").removeprefix("Bearer ")

    def do_GET(self) -> None:
        if self.path != "/api/whoami-v2":
            super().do_GET()
        elif self._token in (WRITES, READS):
            role = "write" if self._token == WRITES else "read"
            auth = {"type": "access_token", "accessToken": {"role": role}}
            self._json({"name": OWNER, "type": "user", "orgs": [], "auth": auth})
        else:
            self._error(401, "Unauthorized", "Invalid credentials")

    def info(self, repo: str, folder: Path) -> dict[str, Any]:
        return super().info(repo, folder) | {"private": repo not in self.hub.public}

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = self.path.partition("?")[0]
        if path.startswith("/api/") and self._token != WRITES:
            self._error(403, "Forbidden", "You don't have the required permissions")
        elif path == "/api/repos/create":
            self._create(json.loads(body))
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        elif path.endswith("/info/lfs/objects/batch"):
            self._json({"objects": [self._wanted(each) for each in json.loads(body)["objects"]]})
        elif path == "/verify":
            oid = json.loads(body)["oid"]
            self.hub.verified.append(oid)
            self._json({}) if oid in self.hub.stored else self._error(404, "NotFound", "no such")
        elif "/preupload/" in path:
            self._json({"files": [self._mode(path, each) for each in json.loads(body)["files"]]})
        else:
            self._commit(path, [json.loads(line) for line in body.splitlines()])

    def do_PUT(self) -> None:
        hub = self.hub
        if hub.hold:
            hub.waiting = True
            hub.hold.wait(600)
        data = self.rfile.read(int(self.headers["Content-Length"]))
        oid = hashlib.sha256(data).hexdigest()
        hub.stored[oid] = data
        hub.arrived.append(oid)
        self._json({})

    def _create(self, asked: dict[str, Any]) -> None:
        repo = f"{asked.get('organization') or OWNER}/{asked['name']}"
        if not repo.startswith(f"{OWNER}/"):
            self._error(403, "Forbidden", f"You don't have the rights to create {repo}")
            return
        folder = self.hub.place / repo
        folder.mkdir(parents=True)
        self.hub.repos[repo] = folder
        if not (asked.get("private") or asked.get("visibility") == "private"):
            self.hub.public.add(repo)
        self._json({"url": f"{self.hub.endpoint}/{repo}"})

    def _wanted(self, each: dict[str, Any]) -> dict[str, Any]:
        if each["oid"] in self.hub.stored:
            return each
        there = self.hub.endpoint
        actions = {
            "upload": {"href": f"{there}/lfs/{each['oid']}?X-Signature=secret"},
            "verify": {"href": f"{there}/verify"},
        }
        return each | {"actions": actions}

    def _folder(self, path: str) -> Path:
        return self.hub.repos["/".join(path.split("/")[3:5])]

    def _mode(self, path: str, each: dict[str, Any]) -> dict[str, Any]:
        large = each["path"].endswith((".safetensors", ".gguf"))
        there = self._folder(path) / each["path"]
        oid = None
        if there.is_file():
            data = there.read_bytes()
            git = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
            oid = hashlib.sha256(data).hexdigest() if large else git
        mode = "lfs" if large else "regular"
        return {"path": each["path"], "uploadMode": mode, "shouldIgnore": False, "oid": oid}

    def _commit(self, path: str, lines: list[dict[str, Any]]) -> None:
        folder, names = self._folder(path), []
        for line in lines:
            value = line["value"]
            if line["key"] == "header":
                continue
            large = line["key"] == "lfsFile"
            data = self.hub.stored[value["oid"]] if large else base64.b64decode(value["content"])
            (folder / value["path"]).write_bytes(data)
            names.append(value["path"])
        self.hub.commits.append(names)
        repo = folder.relative_to(folder.parents[1])
        url = f"{self.hub.endpoint}/{repo}/commit/{COMMIT}"
        self._json({"commitUrl": url, "commitOid": COMMIT})
