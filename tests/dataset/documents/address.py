"""A model behind an address on loopback that answers as OpenAI's does."""

from __future__ import annotations

import http.client
import http.server
import json
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tests.dataset.documents.papers import Scripted

Body = dict[str, Any]


@contextmanager
def behind_an_address(refused: Callable[[Body], int] = lambda _body: 0) -> Iterator[str]:
    """Scripted's answers; `refused` gives the status of an error for a body, or 0."""
    model = Scripted()

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if status := refused({**body, "key": self.headers.get("Authorization")}):
                self.send_error(status)
                return
            said = model.ask(body["messages"][0]["content"], 0)
            raw = json.dumps({"choices": [{"message": {"content": said}}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}/v1"
        served.shutdown()


@contextmanager
def says(answer: bytes) -> Iterator[str]:
    """Something that answers each caller with these bytes, whatever it is asked."""

    class Sayer(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            headers = http.client.parse_headers(self.rfile)
            self.rfile.read(int(headers["Content-Length"] or 0))
            self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Sayer) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_address[1]}/v1"
        served.shutdown()
