"""Who is asked for a draft, and for how many pairs: the bounds, checks and words of each."""

from __future__ import annotations

from farense_worker.protocol.errors import refused, usage
from farense_worker.protocol.language import gettext as _

QUESTIONS = range(1, 11)
USUAL = 3


def words() -> dict[str, str]:
    """Explain each, by its name: on the command line, and on a form without it."""
    return {
        "model": _(
            "the model that writes: a folder, a repository (owner/name) or 'embedded'; "
            "default: the profile's"
        ),
        "address": _(
            "ask an OpenAI-compatible server in place of a model here; the passages go there"
        ),
        "name": _("what that server calls its model, from its own list"),
        "questions": _("pairs for each passage, at most; default 3"),
    }


def check(address: str, name: str) -> None:
    """Raise FarenseError where one of both is missing, or the address is none."""
    if bool(address) != bool(name):
        raise usage(
            _("a server's address and the name of its model are named together"),
            hint=_("For example http://127.0.0.1:8080/v1, and a name from its list of models."),
        )
    if address and not address.startswith(("http://", "https://")):
        raise refused(
            _("{url} is no address").format(url=address),
            hint=_("For example http://127.0.0.1:8080/v1."),
            kind="address",
        )
