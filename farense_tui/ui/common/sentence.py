"""A sentence with styled parts, translated as a whole."""

from __future__ import annotations

import re

from textual.content import Content

_PLACE = re.compile(r"\{(\w+)\}")


def sentence(template: str, **parts: Content | str) -> Content:
    """Put the parts in the places of `template`, which is translated already: `{name}`."""
    pieces = _PLACE.split(template)  # text, name, text, name, ...
    return Content.assemble(*(parts[piece] if at % 2 else piece for at, piece in enumerate(pieces)))
