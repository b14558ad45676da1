"""A base model and adapters behind an OpenAI-compatible address: the task `serve`.

After its request, a Setup, it prints Listening once the models are loaded, then Handled for each
request and Figures every second, and Ended as the last. A Stop, a signal or the end of its stdin
ends it, after the answers that are being given or a few seconds. A Failure ends it too.
"""

from __future__ import annotations

from msgspec import Struct

from farense_worker.protocol.messages.evaluation import Adapter
from farense_worker.protocol.settings.profile import Dtype

LOOPBACK = "127.0.0.1"
PORTS = tuple(range(8080, 8090))
CONTEXT = 8192


class Setup(Struct, tag="serve", frozen=True, kw_only=True):
    """What is served, where, and to whom.

    base: the name that the base model is asked by; adapters go by their own. system: what goes
    before a conversation that has no system message of its own, None for nothing. ports: the first
    that is free is taken; 0 is any. key: what requests must bear, empty for none. origins: of web
    pages that may ask. context: the most tokens of a question and its answer together.
    """

    repo: str
    base: str
    adapters: tuple[Adapter, ...] = ()
    revision: str = ""
    trust_remote_code: bool = False
    dtype: Dtype = "auto"
    system: str | None = None
    host: str = LOOPBACK
    ports: tuple[int, ...] = PORTS
    key: str = ""
    origins: tuple[str, ...] = ()
    context: int = CONTEXT


class Stop(Struct, tag="stop", frozen=True):
    """Take no more requests, and end."""


class Listening(Struct, tag="listening", frozen=True, kw_only=True):
    """Requests are answered at this address now, by these names.

    takes_system: whether the chat template has a place for a system message.
    """

    host: str
    port: int
    models: tuple[str, ...]
    context: int
    takes_system: bool = True

    @property
    def address(self) -> str:
        """What an OpenAI client takes as its base_url."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/v1"


class Handled(Struct, tag="handled", frozen=True, kw_only=True):
    """A request, answered or refused. status: of HTTP; fault: why it was refused.

    ignored: what it asked for and is not done here, as the settings of other servers.
    """

    time: float
    path: str
    status: int
    seconds: float
    model: str = ""
    prompt_tokens: int = 0
    tokens: int = 0
    fault: str = ""
    ignored: tuple[str, ...] = ()


class Figures(Struct, tag="figures", frozen=True, kw_only=True):
    """How it is. Bytes, seconds; rates are of the last ten seconds.

    running: requests that are being answered. memory: of the process, as the system counts it.
    limit: what the machine lets MLX use well.
    """

    up: float
    requests: int
    refused: int
    running: int
    tokens: int
    requests_per_second: float
    tokens_per_second: float
    memory: int
    active_memory: int
    cache_memory: int
    peak_memory: int
    limit: int


class Ended(Struct, tag="ended", frozen=True, kw_only=True):
    """It has ended because it was asked to."""

    requests: int
    broken_off: int


Said = Listening | Handled | Figures | Ended
