"""Who may ask a port of this machine."""

from __future__ import annotations

import hmac
from typing import Any
from urllib.parse import urlsplit

from farense_worker.protocol.language import gettext as _
from farense_worker.serve.requests import Refusal

_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Door:
    """Who may ask. Everybody on this machine can reach a port, and so can every web page."""

    def __init__(self, *, loopback: bool, key: str, origins: tuple[str, ...]) -> None:
        """loopback: it is reached from this machine alone. key: empty for none."""
        self._loopback = loopback
        self._key = key.encode()
        self._origins = origins

    def allowance(self, headers: Any) -> list[tuple[str, str]]:
        """Give the headers by which a browser lets the page that asks read the answer."""
        origin = headers.get("Origin")
        if not {origin, "*"} & set(self._origins):
            return []
        return [("Access-Control-Allow-Origin", origin or "*"), ("Vary", "Origin")]

    def check(self, headers: Any) -> None:
        """Raise Refusal for a page of another origin, a name that is not ours, a wrong key."""
        origin = headers.get("Origin")
        if origin is not None and not {origin, "*"} & set(self._origins):
            said = _("pages of {origin} may not ask; --allow-origin allows it")
            raise Refusal(403, "origin", said.format(origin=origin[:200]))
        named = headers.get("Host", "")
        try:
            name = urlsplit(f"//{named}").hostname or "localhost"
        except ValueError:  # a bracket that does not close
            name = named
        if self._loopback and name not in _LOOPBACK:  # a page whose name was led here
            said = _("this address is not {name}")
            raise Refusal(403, "host", said.format(name=name[:200]))
        given = headers.get("Authorization", "").removeprefix("Bearer ").encode()
        if self._key and not hmac.compare_digest(given, self._key):
            raise Refusal(401, "invalid_api_key", _("the key is missing or wrong"))
