"""The models that are served: what mlx_lm's server calls a ModelProvider, with ours in it.

Its own loads whatever a request names, anew at every change of the name. Here the base is loaded
once, each adapter on it shares its weights, and no other name is known.
"""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import mlx.core as mx

from farense_worker.data import row_text
from farense_worker.data.labels import template_errors
from farense_worker.generate import prompts
from farense_worker.model import compat, inference, tokenizer
from farense_worker.model import model as network
from farense_worker.model.as_trained import positions
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.serving import Setup
from farense_worker.protocol.rows import chat_rows
from farense_worker.protocol.settings.profile import Model
from farense_worker.serve.requests import Chat, Refusal, Text

_ANSWER = 512  # tokens, where a request names no number


class Models:
    """Loaded by the thread that answers: MLX's streams belong to threads."""

    def __init__(self, setup: Setup, cache_bytes: int) -> None:
        """Read the tokenizer. cache_bytes: of what conversations leave behind for their next turn.

        Raises FarenseError for a model that cannot be had.
        """
        self._setup = setup
        self._settings = Model(
            repo=setup.repo,
            revision=setup.revision,
            dtype=setup.dtype,
            trust_remote_code=setup.trust_remote_code,
        )
        self._folder = inference.find(self._settings)
        self.names = (*(adapter.name for adapter in setup.adapters), setup.base)
        self._words = tokenizer.load(self._folder, self._settings)  # for requests' threads
        self._lock = threading.Lock()
        self.takes_system = prompts.takes_system(self._words)
        self.has_template = bool(self._words.chat_template)
        self.context = min(setup.context, positions.longest(self._folder) or setup.context)
        self.vocabulary = 0
        self.loaded = threading.Event()
        self._networks: dict[str, Any] = {}
        # What mlx_lm's server asks a provider for.
        self.cli_args = _arguments(setup, cache_bytes)
        self.model_key: tuple[str, None, None] | None = None
        self.model: Any = None
        self.tokenizer: Any = None
        self.processor = self.draft_model = None
        self.is_batchable = False

    def load_default(self) -> None:
        """Load all of them; called by mlx_lm's thread before its first request."""
        self.tokenizer = compat.serving_tokenizer(
            tokenizer.load_by_mlx_lm(self._folder, self._settings)
        )
        base = inference.load(self._folder, self._settings)
        network.read_weights(base, self._settings)
        self._networks[self._setup.base] = base
        for adapter in self._setup.adapters:
            self._networks[adapter.name] = inference.load(
                self._folder, self._settings, adapter.name, adapter.folder, shares=base
            )
        self.vocabulary = int(base(mx.array([[0]])).shape[-1])
        self.load(self.names[0])
        self.loaded.set()

    def load(
        self, name: str, _adapter: object = None, _draft_model: object = None
    ) -> tuple[Any, Any]:
        """Give the model of a name, which `check` has seen, and the tokenizer."""
        self.model = self._networks[name]
        self.model_key = (name, None, None)
        caches = compat.make_prompt_cache(self.model)
        self.is_batchable = all(hasattr(cache, "merge") for cache in caches)
        return self.model, self.tokenizer

    def reset(self) -> None:
        """Let go of them; called by mlx_lm's thread at its end."""
        self.model = None
        self._networks.clear()

    def named(self, name: str) -> str:
        """Give the model that a request means: the first run, where it names none."""
        if name in ("", *self.names):
            return name or self.names[0]
        said = _("there is no model {name} here; there are {names}")
        raise Refusal(404, "model_not_found", said.format(name=name, names=", ".join(self.names)))

    def messages(self, asked: Chat) -> list[dict[str, Any]]:
        """Give a conversation as the chat template is to have it, under the system prompt."""
        made = [message.plain() for message in asked.messages]
        if wrong := chat_rows.fault(made):
            raise Refusal(400, "bad_request", wrong)
        made, _tools = chat_rows.conversation(made, None)
        system = any(message["role"] == "system" for message in made)
        if system and not self.takes_system:
            said = _("the model takes no system prompt: write it into the question")
            raise Refusal(400, "unsupported", said)
        if not system and self.takes_system and self._setup.system is not None:
            made.insert(0, prompts.turn("system", self._setup.system))
        return made

    def text_of(self, token: int) -> str:
        """Give a token as it stands in an answer."""
        with self._lock:
            return str(self._words.decode([token]))

    def as_called(self, text: str) -> str:
        """Give what was said as a call of a tool, between its marks."""
        marks = self.tokenizer.tool_call_start, self.tokenizer.tool_call_end
        return "".join((marks[0] or "", text, marks[1] or ""))

    def answer_length(self, asked: Chat | Text, messages: list[dict[str, Any]]) -> int:
        """Give how many tokens an answer may have; Refusal where the question has no room.

        It is refused as well where the chat template refuses the conversation.
        """
        try:
            with self._lock:
                tokens = self._tokens(asked, messages)
        except template_errors() as error:
            said = _("the chat template refuses the conversation: {error}").format(error=error)
            raise Refusal(400, "template", said) from error
        except FarenseError as error:  # of a template that takes too much, or is none
            raise Refusal(400, "template", f"{error.title}: {error.detail}") from error
        length = len(tokens)
        if length and max(tokens) >= self.vocabulary:
            said = _("the tokenizer gives a token that the model has not: {token}")
            raise Refusal(400, "vocabulary", said.format(token=max(tokens)))
        room = self.context - length
        if room < 1 or not length:
            said = _("the question has {n} tokens; question and answer have room for {most}")
            code = "context_length_exceeded" if length else "empty"
            raise Refusal(400, code, said.format(n=length, most=self.context))
        return min(asked.most or _ANSWER, room)

    def _tokens(self, asked: Chat | Text, messages: list[dict[str, Any]]) -> list[int]:
        if isinstance(asked, Text):
            return list(self._words.encode(asked.prompt))
        if not self.has_template:
            if len(messages) > 1:
                said = _("the model has no chat template: it takes one message, no conversation")
                raise Refusal(400, "unsupported", said)
            return prompts.prompt_tokens(self._words, messages)
        self._check_all_is_said(messages, asked.tools)
        found = self._words.apply_chat_template(
            messages, tools=asked.tools, add_generation_prompt=True
        )
        return list(found)

    def _check_all_is_said(self, messages: list[dict[str, Any]], tools: Any) -> None:
        """Refuse what the model would not see: a template may leave it out without a word."""
        text = self._words.apply_chat_template(
            messages, tools=tools, tokenize=False, add_generation_prompt=True
        )
        if row_text.leaves_out_tools(tools, text):
            raise Refusal(400, "unsupported", _("the chat template has no place for tools"))
        for number, message in enumerate(messages, 1):
            # Of a message that calls, the calls count: some templates leave out the words before.
            counts = {**message, "content": ""} if message.get("tool_calls") else message
            if not row_text.says(counts, text):
                said = _("the chat template leaves out message {number} ({role})")
                told = said.format(number=number, role=message["role"])
                raise Refusal(400, "unsupported", told)


def _arguments(setup: Setup, cache_bytes: int) -> SimpleNamespace:
    """Give what mlx_lm.server's command line would have, in few and small pieces."""
    return SimpleNamespace(
        model=None,
        adapter_path=None,
        draft_model=None,
        num_draft_tokens=0,
        allowed_origins=setup.origins,
        trust_remote_code=False,
        chat_template_args={},
        temp=0.0,
        top_p=1.0,
        top_k=0,
        min_p=0.0,
        max_tokens=_ANSWER,
        decode_concurrency=4,
        prompt_concurrency=2,
        prefill_step_size=512,
        prompt_cache_size=8,
        prompt_cache_bytes=cache_bytes,
        kv_bits=None,
        kv_group_size=64,
        quantized_kv_start=0,
        pipeline=False,
    )
