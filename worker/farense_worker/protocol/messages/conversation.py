"""Questions to models: the task `ask`, the one that converses.

After its request, a Setup, it reads Questions until its stdin ends; a Stop breaks off the answers
to what was asked before it, begun or not. It prints Piece and Answered for each model that is
asked, the base model's name being empty, then Ready. A Failure ends it.
"""

from __future__ import annotations

from msgspec import Struct

from farense_worker.protocol.messages.evaluation import Adapter
from farense_worker.protocol.settings.profile import Dtype


class Setup(Struct, tag="setup", frozen=True):
    """The base model, and the adapters to be asked beside it."""

    repo: str
    adapters: tuple[Adapter, ...] = ()
    revision: str = ""
    trust_remote_code: bool = False
    dtype: Dtype = "auto"


class Question(Struct, tag="question", frozen=True, kw_only=True):
    """What every model is asked, each after its own answers so far unless it is a fresh one.

    system: the system message before all of it; None for none, which is not the same as an empty
    one: without any, some chat templates put in one of their own. Refused where Ready says that
    the model takes none. temperature: 0 takes the likeliest token, else tokens are drawn, with
    this seed, of those that top_p and min_p leave; repetition above 1 holds back what was said.
    before: what a fresh one goes on after, for each model (role, content).
    """

    text: str
    system: str | None = None
    fresh: bool = False
    max_tokens: int = 100
    temperature: float = 0.0
    top_p: float = 1.0
    min_p: float = 0.0
    repetition: float = 1.0
    seed: int = 0
    before: dict[str, list[tuple[str, str]]] = {}


class Stop(Struct, tag="stop", frozen=True):
    """Break off the answers to what was asked before; never those to what is asked after."""


class Piece(Struct, tag="piece", frozen=True):
    """A piece of the answer of one model."""

    name: str
    text: str


class Answered(Struct, tag="answered", frozen=True):
    """The end of an answer; cut_off: by max_tokens or by a Stop."""

    name: str
    tokens: int
    seconds: float
    cut_off: bool


class Ready(Struct, tag="ready", frozen=True):
    """The models are loaded, or all have answered: another question may come.

    takes_system: whether the chat template has a place for a system message; some refuse it, some
    leave it out without a word, and a model without a template has none.
    """

    takes_system: bool = True


Said = Piece | Answered | Ready
