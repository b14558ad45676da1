"""What is sent goes where its owner has said, and nowhere else."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from farense_tui.engine.post import post


class _Says(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "4")
        self.end_headers()
        self.wfile.write(b"here")

    def log_message(self, *_: object) -> None:
        pass


def test_what_is_for_this_machine_goes_to_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The documents of a draft and the key of its server went there."""
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # where nobody is
    with HTTPServer(("127.0.0.1", 0), _Says) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            for host in ("127.0.0.1", "localhost"):
                url = f"http://{host}:{server.server_address[1]}/v1"
                assert post(url, b"secret", {}, 60.0) == b"here"
        finally:
            server.shutdown()
    with pytest.raises(OSError, match="refused"):
        post("http://models.example/v1", b"", {}, 60.0)
