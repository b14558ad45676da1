"""One answer of mlx_lm's server, put right where it says something else than was asked for."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from farense_worker.model import compat
from farense_worker.serve.stop_words import StopWords


@dataclasses.dataclass(frozen=True)
class Likely:
    """A token with its log probability, and those that were likeliest in its place."""

    token: int
    chance: float
    others: tuple[tuple[int, float], ...]


class Answer:
    """mlx_lm's ResponseGenerator for one request: it counts tokens and finds where to stop."""

    def __init__(self, generator: Any) -> None:
        """Take the one of all requests."""
        self._generator = generator
        self.stops: Sequence[str] = ()
        self.prompt_tokens = self.tokens = 0
        self.likely: list[Likely] = []
        self.fault = ""
        self._unread: list[str] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)

    def generate(self, request: Any, *args: Any, **more: Any) -> tuple[Any, Iterator[Any]]:
        try:
            context, responses = self._generator.generate(request, *args, **more)
        except Exception as error:
            self.fault = str(error)  # of which mlx_lm's handler tells whoever asked
            raise
        self.prompt_tokens = len(context.prompt)
        if request.request_type == "text":  # goes on as it is, thoughts and calls of tools too
            context.text_sm = compat.serving().TextStateMachine()
        if context.tool_parser:
            context.tool_parser = self._reading(context.tool_parser)
        return context, self._said(responses)

    def unread(self) -> list[str]:
        """Give the calls of tools that are none, once: they are what was said."""
        found, self._unread = self._unread, []
        return found

    def _said(self, responses: Iterator[Any]) -> Iterator[Any]:
        """Hand on what is said up to the end or a stop word.

        mlx_lm throws away what it holds back as the possible beginning of a mark when an answer
        ends; where it was cut off it is said. So the last piece is given as one that is cut off.
        """
        words = StopWords(self.stops)
        for response in responses:
            self.tokens += 1
            text, stopped = words.take(response.text)
            ended = response.finish_reason == "stop"
            if not ended:
                self.likely.append(_likely(response))
            if response.finish_reason and not stopped:
                text += words.rest()
            if ended or stopped:
                yield dataclasses.replace(response, text=text, finish_reason="length")
                yield dataclasses.replace(response, text="", finish_reason="stop")
                return
            yield dataclasses.replace(response, text=text)

    def _reading(self, parser: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
        """Read calls of tools; what is none is kept as text: mlx_lm drops it, or breaks off."""

        def read(text: str, tools: Any) -> list[dict[str, Any]]:
            try:
                found = parser(text, tools)
                return [_call(each) for each in (found if isinstance(found, list) else [found])]
            except Exception:  # noqa: BLE001 - a parser may raise anything of what a model writes
                self._unread.append(text)
                return []

        return read


def _likely(response: Any) -> Likely:
    others = sorted((-each["logprob"], each["id"]) for each in response.top_tokens)
    return Likely(
        response.token, response.logprob, tuple((token, -chance) for chance, token in others)
    )


def _call(found: Any) -> dict[str, Any]:
    """Give a call with its arguments as an object; raises for what is none."""
    made = dict(found)
    arguments = made.get("arguments") or {}
    if isinstance(arguments, str):  # as in a row whose arguments are JSON in a string
        arguments = json.loads(arguments)
    if not isinstance(made["name"], str) or not isinstance(arguments, dict):
        raise TypeError
    return made | {"arguments": arguments}


def chat_chances(found: Sequence[Likely], text_of: Callable[[int], str]) -> dict[str, Any]:
    """Give log probabilities as OpenAI has them for chats: of the tokens that were said."""

    def told(token: int, chance: float) -> dict[str, Any]:
        text = text_of(token)
        whole = "\N{REPLACEMENT CHARACTER}" not in text
        return {
            "token": text, "logprob": chance, "bytes": list(text.encode()) if whole else None
        }  # fmt: skip

    return {
        "content": [
            told(each.token, each.chance) | {"top_logprobs": [told(*one) for one in each.others]}
            for each in found
        ]
    }


def text_chances(found: Sequence[Likely], text_of: Callable[[int], str]) -> dict[str, Any]:
    """Give them as OpenAI has them for plain completions."""
    texts = [text_of(each.token) for each in found]
    return {
        "tokens": texts,
        "token_logprobs": [each.chance for each in found],
        "top_logprobs": [{text_of(one): chance for one, chance in each.others} for each in found],
        "text_offset": list(itertools.accumulate(map(len, texts[:-1]), initial=0)),
    }
