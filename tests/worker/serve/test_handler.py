"""Who asks slowly: the address takes so many at once, and keeps none of them waiting for ever."""

from __future__ import annotations

import socket
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
from farense_worker.protocol.messages.serving import Handled
from farense_worker.serve import server
from farense_worker.serve.door import Door
from farense_worker.serve.handler import Handler


class _Hurried(Handler):
    """Waits for the next byte as long as it takes, so that only the time of all bytes counts."""

    timeout: Any = None
    whole = 0.2


@pytest.mark.parametrize(
    "begin",
    [
        b"POST /v1/chat/comple",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Slow: ",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{",
    ],
)
def test_a_request_that_does_not_arrive_holds_no_place(begin: bytes) -> None:
    told: list[Handled] = []
    models: Any = SimpleNamespace()
    door = Door(loopback=True, key="", origins=())
    generator = SimpleNamespace(is_healthy=True)
    with server.take("127.0.0.1", (0,)) as taken:
        taken.answer_with(partial(_Hurried, models, door, told.append, generator))
        address: Any = taken.server_address[:2]
        with socket.create_connection(address, timeout=120.0) as caller:
            caller.sendall(begin)
            while caller.recv(1 << 16):  # a word of refusal, if it came as far; then the end
                pass
        taken.shutdown()
