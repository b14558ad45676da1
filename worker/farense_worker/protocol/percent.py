"""Parts of a whole as people read them."""

from __future__ import annotations

from farense_worker.protocol.language import gettext as _


def percent(share: float, digits: int = 0, *, sign: str = "") -> str:
    """Say a share of 1: `42%`; in Portuguese `42 %`, as its typography has it (ISO 80000-1).

    sign: `+` writes it before what is not negative too.
    """
    return _("{n}%").format(n=f"{share:{sign}.{digits}%}"[:-1])
