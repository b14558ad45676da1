"""Something sent to an address that its owner has set, and what is answered there.

It goes there and nowhere else: urllib follows to whatever host an answer names, with the key, and
sends what is for this machine to the proxy that it was told of. It takes as long as its caller has:
urllib's own time begins anew with each byte.
"""

from __future__ import annotations

import contextlib
import errno
import os
import threading

_MOST = 1 << 20  # bytes of an answer


class NotTaken(OSError):
    """A server's refusal, one that names another address among them."""

    def __init__(self, status: int, reason: str, words: str) -> None:
        """Words: what it says of it, as far as one reads that."""
        super().__init__(f"{status} {reason}\n{words}".rstrip())
        self.status = status


def post(url: str, data: bytes, headers: dict[str, str], patience: float) -> bytes:
    """Give the answer. patience: seconds for all of it.

    Raises NotTaken, another OSError where nobody answers, not in time or not as a web server does;
    ValueError for no address.
    """
    said: list[bytes | Exception] = []

    def ask() -> None:
        try:
            said.append(_answer(url, data, headers, patience))
        except Exception as error:  # noqa: BLE001 - raised where it was asked
            said.append(error)

    asking = threading.Thread(target=ask, daemon=True)  # nobody's exit waits for it
    asking.start()
    asking.join(patience)
    if not said:
        raise TimeoutError(os.strerror(errno.ETIMEDOUT))
    if isinstance(said[0], Exception):
        raise said[0]
    return said[0]


def _answer(url: str, data: bytes, headers: dict[str, str], patience: float) -> bytes:
    from http.client import HTTPException  # these are not needed for the first paint
    from urllib.error import HTTPError
    from urllib.parse import urlsplit
    from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

    class Stays(HTTPRedirectHandler):
        def redirect_request(self, *_: object) -> None:
            return None

    here = urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")  # no proxy's business
    ways = [Stays(), ProxyHandler({})] if here else [Stays()]
    try:  # http or https: whoever sets an address looks
        with build_opener(*ways).open(Request(url, data, headers), timeout=patience) as answer:
            said: bytes = answer.read(_MOST)
            return said
    except HTTPError as error:
        words = b""
        with contextlib.suppress(OSError, ValueError, HTTPException):
            words = error.read(500)
        raise NotTaken(error.code, error.reason, words.decode("utf-8", "replace")) from error
    except HTTPException as error:
        raise OSError(str(error) or type(error).__name__) from error
