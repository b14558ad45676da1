"""What may be asked: requests in OpenAI's shapes, checked before mlx_lm's server sees them.

mlx_lm's server trusts what it is sent: a number out of bounds ends the thread that all answers
come from, `model`, `adapters` and `draft_model` load whatever they name, from the network too, and
pictures are fetched from any address. So a request is decoded by its type, and only what is named
here is handed on.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from farense_worker.protocol.language import gettext as _

LONGEST = 8 << 20  # bytes of a request
_TOLD = 1000  # characters of what is wrong: it may hold what was sent

_MOST_IGNORED = 8  # names that are told
# What requests say for a program of somebody else's: the answer is the same.
_OF_NO_MATTER = (
    "user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key",
    "prompt_cache_retention", "parallel_tool_calls", "keep_alive", "cache_prompt",
)  # fmt: skip
# By what others hold an answer to a form, which whoever asks relies on.
_FORMS = (
    "format", "grammar", "guided_choice", "guided_grammar", "guided_json", "guided_regex",
    "json_schema", "structured_outputs",
)  # fmt: skip

_Word = Annotated[str, Meta(min_length=1, max_length=1000)]
_Share = Annotated[float, Meta(ge=0, le=1)]
_Penalty = Annotated[float, Meta(ge=-2, le=2)]
_Count = Annotated[int, Meta(ge=0, le=1 << 20)]


class Refusal(Exception):
    """A request that is not answered, in OpenAI's words for it."""

    def __init__(self, status: int, code: str, message: str) -> None:
        """Status of HTTP, a machine-readable code, and what is wrong."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message[:_TOLD]

    def body(self) -> bytes:
        kind = "invalid_request_error" if self.status < 500 else "server_error"
        told = {"message": self.message, "type": kind, "param": None, "code": self.code}
        return msgspec.json.encode({"error": told})


class Part(Struct):
    """A piece of a message; text is all that these models read."""

    type: Literal["text"]
    text: str


class Message(Struct, omit_defaults=True):
    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: str | list[Part] | None = None
    name: str | None = None
    tool_calls: list[dict[str, Any]] | None = None
    tool_call_id: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None  # as the answers here have it
    function_call: None = None

    def plain(self) -> dict[str, Any]:
        """Give it as chat templates take it."""
        made = {key: value for key, value in msgspec.to_builtins(self).items() if value is not None}
        if isinstance(self.content, list):
            made["content"] = "".join(part.text for part in self.content)
        made.setdefault("content", "")
        if self.role == "developer":  # OpenAI's newer name, which templates do not know
            made["role"] = "system"
        return made


class StreamOptions(Struct):
    include_usage: bool = False


class ResponseFormat(Struct):
    type: str = "text"


class _Common(Struct, kw_only=True):
    model: str = ""
    stream: bool = False
    stream_options: StreamOptions | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=5)] | None = None
    top_p: _Share | None = None
    top_k: _Count | None = None
    min_p: _Share | None = None
    repetition_penalty: Annotated[float, Meta(ge=0, le=10)] | None = None
    repetition_context_size: _Count | None = None
    presence_penalty: _Penalty | None = None
    frequency_penalty: _Penalty | None = None
    logit_bias: dict[str, float] | None = None
    seed: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)] | None = None
    stop: _Word | Annotated[list[_Word], Meta(max_length=16)] | None = None
    n: Literal[1] | None = None
    ignored: tuple[str, ...] = ()

    @property
    def stops(self) -> list[str]:
        """The words at which the answer ends."""
        return [self.stop] if isinstance(self.stop, str) else self.stop or []

    @property
    def wants_chances(self) -> bool:
        """Whether log probabilities are asked for."""
        return False

    @property
    def most(self) -> int | None:
        """The most tokens of the answer, None where nothing is said of it."""
        return self.max_tokens


class Chat(_Common, kw_only=True):
    """A request to /v1/chat/completions."""

    messages: Annotated[list[Message], Meta(min_length=1, max_length=10_000)]
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Meta(ge=0, le=11)] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Literal["auto", "none"] | None = None
    functions: None = None  # OpenAI's older names of tools
    function_call: None = None
    response_format: ResponseFormat | None = None
    chat_template_kwargs: dict[str, Any] | None = None

    @property
    def most(self) -> int | None:
        return self.max_completion_tokens or self.max_tokens

    @property
    def wants_chances(self) -> bool:
        return bool(self.logprobs)


class Text(_Common, kw_only=True):
    """A request to /v1/completions: the prompt goes on, without a chat template."""

    prompt: _Prompt
    logprobs: Annotated[int, Meta(ge=0, le=11)] | None = None
    echo: Literal[False] | None = None
    suffix: Literal[""] | None = None
    best_of: Literal[1] | None = None

    @property
    def wants_chances(self) -> bool:
        return self.logprobs is not None


_Prompt = Annotated[str, Meta(min_length=1)]
KINDS: dict[str, type[Chat] | type[Text]] = {
    "/v1/chat/completions": Chat,
    "/chat/completions": Chat,
    "/v1/completions": Text,
}


def read(body: bytes, kind: type[Chat] | type[Text]) -> Chat | Text:
    """Decode a request. Raises Refusal for what is none, or asks for what there is not."""
    try:
        found: Chat | Text = msgspec.json.decode(body, type=kind)
        found.ignored = _ignored(msgspec.json.decode(body), kind)
    except RecursionError:
        raise Refusal(400, "bad_json", _("the request is nested too deeply")) from None
    except ValueError as error:  # ValidationError is one
        raise Refusal(400, "bad_request", str(error)) from error
    if isinstance(found, Chat):
        if found.response_format and found.response_format.type != "text":
            raise Refusal(400, "unsupported", _("response_format can only be text here"))
        if found.chat_template_kwargs:
            said = _("chat_template_kwargs are not taken: the template is asked as in the training")
            raise Refusal(400, "unsupported", said)
        found.tools = (found.tools if found.tool_choice != "none" else None) or None
    for value in (found.logit_bias or {}).values():
        if not math.isfinite(value):
            raise Refusal(400, "bad_request", _("logit_bias has a number that is none"))
    return found


def _ignored(request: dict[str, Any], kind: type[Chat] | type[Text]) -> tuple[str, ...]:
    """Name what a request asks for and is not read; Refusal where the answer could not be used."""
    known = {*kind.__struct_fields__} - {"ignored"} | {*_OF_NO_MATTER}
    more = [name for name, value in request.items() if name not in known and value is not None]
    if forms := sorted({*more} & {*_FORMS}):
        said = _("answers are not held to a form here: {name}").format(name=forms[0])
        raise Refusal(400, "unsupported", said)
    return tuple(name[:80] for name in more[:_MOST_IGNORED])


def handed_on(asked: Chat | Text, vocabulary: int) -> dict[str, Any]:
    """Give what mlx_lm's server may see of a request, but for messages and the most tokens.

    Where to stop is looked for here, in the text: see stop_words.py.
    """
    as_they_are = (
        "stream", "temperature", "top_p", "min_p", "repetition_penalty", "repetition_context_size",
        "presence_penalty", "frequency_penalty", "seed",
    )  # fmt: skip
    body = {name: getattr(asked, name) for name in as_they_are}
    if asked.top_k:
        body["top_k"] = min(asked.top_k, vocabulary - 1)
    if asked.stream_options:
        body["stream_options"] = {"include_usage": asked.stream_options.include_usage}
    if asked.logit_bias:
        tokens = {
            key for key in asked.logit_bias if key.isascii() and key.isdigit() and len(key) < 20
        }
        if len(tokens) < len(asked.logit_bias) or max(map(int, tokens)) >= vocabulary:
            raise Refusal(400, "bad_request", _("logit_bias names tokens that there are not"))
        body["logit_bias"] = asked.logit_bias
    if isinstance(asked, Chat):
        body["logprobs"] = asked.logprobs
        body["top_logprobs"] = asked.top_logprobs if asked.logprobs else None
        body["tools"] = asked.tools
    elif asked.logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": asked.logprobs}
    return {name: value for name, value in body.items() if value is not None}
