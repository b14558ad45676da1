"""The address: taken before a model is loaded, with so many connections at once and no more."""

from __future__ import annotations

import errno
import ipaddress
import logging
import socket
import socketserver
import threading
from collections.abc import Callable, Sequence
from http.server import ThreadingHTTPServer
from typing import Any

from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _

_MOST = 64  # connections at once
_BUSY = (
    b"HTTP/1.0 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 1\r\n\r\n"
    b'{"error": {"message": "too many connections", "type": "server_error", "code": "busy"}}'
)


class Server(ThreadingHTTPServer):
    """Listens from the start; connections wait until `answer_with`, then each has a thread."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, address: tuple[Any, ...], family: socket.AddressFamily) -> None:
        """Take the address. Raises OSError where that is not to be had."""
        self.address_family = family
        self._room = threading.BoundedSemaphore(_MOST)
        super().__init__(address, None)  # type: ignore[arg-type]

    def server_bind(self) -> None:
        """Bind without asking for the machine's name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def answer_with(self, handler: Callable[..., Any]) -> None:
        """Answer in threads, from now on."""
        self.RequestHandlerClass = handler
        threading.Thread(target=self.serve_forever, args=(0.1,), daemon=True).start()

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Turn away whoever comes while there are too many."""
        if self._room.acquire(blocking=False):
            return True
        try:
            request.settimeout(0.1)
            request.sendall(_BUSY)
        except OSError:
            pass
        return False

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep what went wrong with one request for the log."""
        logging.exception("a request ended by an error")  # not translated: for the log


def take(host: str, ports: Sequence[int]) -> Server:
    """Take the first of the ports that is free. Raises FarenseError (refused) if none is."""
    last: OSError | None = None
    for port in ports:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            family, _kind, _protocol, _name, address = found[0]
            return Server(address, family)
        except UnicodeError as error:  # no name can be written so
            last = OSError(str(error))
            break
        except OSError as error:
            last = error
            if error.errno != errno.EADDRINUSE:
                break
    assert last is not None
    taken = last.errno == errno.EADDRINUSE
    named = str(ports[0]) if len(ports) == 1 else f"{ports[0]} - {ports[-1]}"
    raise refused(
        _("port {port} is taken").format(port=named)
        if taken
        else _("the address {host}, port {port}, is not to be had").format(host=host, port=named),
        "" if taken else (last.strerror or str(last)),
        _("Give another one by --port; 0 is any that is free.") if taken else "",
        kind="port",
    ) from last


def is_loopback(host: str) -> bool:
    """Whether an address (a number) is reached from this machine alone."""
    return ipaddress.ip_address(host.partition("%")[0]).is_loopback
