"""Rows become tokens, and it is known which of them are labels.

Rows are read as mlx_lm reads them (mlx_lm/tuner/datasets.py) and give the same tokens, but for
three things that mlx_lm leaves to chance:

- With mask_prompt a row must end in an answer; mlx_lm would train on a question.
- mlx_lm takes as many tokens for the prompt as the prompt alone has. Where the template writes the
  prompt otherwise once the answer follows, that cuts into the answer or trains on the question.
  Here the labels begin where the two part if that is in what asks for the answer (`<think>` and
  the like), which is told; if they part before, nobody can say where the answer begins: a fault.
- A bos or eos that stands in the text and is added as well is kept once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from farense_worker.model.tokenizer import LightTokenizer
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.language import gettext as _

_BATCH = 256


@dataclass(frozen=True)
class Encoded:
    """A row as tokens. first: index of the first label, at least 1, as nothing predicts token 0.

    parted: the template writes the prompt otherwise when the answer follows.
    """

    tokens: Sequence[int]
    first: int
    parted: bool = False


class NoLabels(ValueError):
    """It cannot be told which tokens of a row are labels; says why."""


def encode(tokenizer: Any, row: Row, mask_prompt: bool) -> Encoded:
    """Tokenise one row.

    tokenizer: mlx_lm's wrapper. Raises NoLabels, or what the chat template raises.
    """
    if row.kind == "text":
        return _text(tokenizer, tokenizer.encode(row.values["text"]))
    whole, prompt = _render(tokenizer, row, mask_prompt, tokenize=True)
    return _labelled(tokenizer, row, whole, prompt, mask_prompt)


def encode_all(
    tokenizer: Any, rows: Iterable[Row], mask_prompt: bool
) -> Iterator[tuple[Row, Encoded | str]]:
    """Tokenise rows, many at a time where that is possible; a string says what is wrong."""
    fast = _Fast(tokenizer) if _is_plain(tokenizer) else None
    rows = iter(rows)
    while batch := list(islice(rows, _BATCH)):
        found = fast.encode(batch, mask_prompt) if fast else None
        if found is None:
            found = [_attempt(tokenizer, row, mask_prompt) for row in batch]
        yield from zip(batch, found, strict=True)


def _attempt(tokenizer: Any, row: Row, mask_prompt: bool) -> Encoded | str:
    try:
        return encode(tokenizer, row, mask_prompt)
    except NoLabels as error:
        return str(error)
    except template_errors() as error:
        return _("the chat template refuses the row: {error}").format(error=error)


def template_errors() -> tuple[type[Exception], ...]:
    """What chat templates raise for a conversation that they cannot write."""
    from jinja2 import TemplateError

    return (TemplateError, ValueError, TypeError, KeyError, IndexError, AttributeError)


def _render(tokenizer: Any, row: Row, mask_prompt: bool, *, tokenize: bool) -> tuple[Any, Any]:
    """Give the whole row and, where it is masked, its prompt; as tokens or as text."""
    messages, tools = row.conversation()
    asked: dict[str, Any] = {"tools": tools, "tokenize": tokenize, "return_dict": False}
    whole = tokenizer.apply_chat_template(messages, **asked)
    if not mask_prompt or messages[-1]["role"] != "assistant":
        return whole, None
    if len(messages) == 1:
        raise NoLabels(_("the answer has no question before it: where it begins cannot be told"))
    return whole, tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True, **asked)


def _text(tokenizer: Any, tokens: Sequence[int]) -> Encoded:
    eos = tokenizer.eos_token_id
    tokens = _once(tokenizer, tokens)
    if eos is not None and (not tokens or tokens[-1] != eos):
        tokens.append(eos)
    return Encoded(tokens, 1)


def _labelled(
    tokenizer: Any, row: Row, whole: Sequence[int], prompt: Sequence[int] | None, mask_prompt: bool
) -> Encoded:
    tokens = _once(tokenizer, whole)
    if prompt is None:  # every token is a label, or none if the row ends in no answer
        return Encoded(tokens, len(tokens) if mask_prompt else 1)
    prompt = _once(tokenizer, prompt)
    if tokens[: len(prompt)] == prompt:
        return Encoded(tokens, max(1, len(prompt)))
    parts = next(
        (i for i, (a, b) in enumerate(zip(tokens, prompt, strict=False)) if a != b), len(tokens)
    )
    messages, tools = row.conversation()
    asked: dict[str, Any] = {"tools": tools, "return_dict": False}
    question = _once(tokenizer, tokenizer.apply_chat_template(messages[:-1], **asked))
    if tokens[: len(question)] == question:
        parts = max(parts, len(question))
    else:
        whole_text, prompt_text = _render(tokenizer, row, mask_prompt, tokenize=False)
        if not whole_text.startswith(prompt_text):  # else a token spans the end of the prompt
            raise NoLabels(
                _(
                    "the chat template writes the question otherwise when the answer follows, from "
                    "token {token} on: where the answer begins cannot be told"
                ).format(token=parts + 1)
            )
    return Encoded(tokens, max(1, parts), parted=True)


def _once(tokenizer: Any, tokens: Sequence[int]) -> list[int]:
    """Keep one bos at the beginning and one eos at the end."""
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    begin, end = 0, len(tokens)
    while bos is not None and end - begin > 1 and tokens[begin] == tokens[begin + 1] == bos:
        begin += 1
    while eos is not None and end - begin > 1 and tokens[end - 1] == tokens[end - 2] == eos:
        end -= 1
    return list(tokens[begin:end])


def _is_plain(tokenizer: Any) -> bool:
    """Whether it is one of Hugging Face's own fast tokenizers, with nothing overridden."""
    if isinstance(tokenizer, LightTokenizer):
        return True
    from transformers import TokenizersBackend

    kind = type(tokenizer._tokenizer)
    names = ("apply_chat_template", "encode", "__call__", "_encode_plus")
    return issubclass(kind, TokenizersBackend) and all(
        getattr(kind, name) is getattr(TokenizersBackend, name) for name in names
    )


class _Fast:
    """Tokenises many rows at once, on all cores and without offsets: over twice as fast.

    The first row of each batch is tokenised the slow way as well; where the two differ, the slow
    way is taken.
    """

    def __init__(self, tokenizer: Any) -> None:
        """Take a light tokenizer, or mlx_lm's wrapper of a plain one."""
        self._tokenizer = tokenizer
        light = isinstance(tokenizer, LightTokenizer)
        self._backend = tokenizer.backend if light else tokenizer._tokenizer.backend_tokenizer

    def encode(self, rows: list[Row], mask_prompt: bool) -> list[Encoded | str] | None:
        """Tokenise a batch; None where each row has to be looked at by itself."""
        tokenizer = self._tokenizer
        text = rows[0].kind == "text"
        try:
            if text:
                pairs: list[tuple[Any, Any]] = [(row.values["text"], None) for row in rows]
            else:
                pairs = [_render(tokenizer, row, mask_prompt, tokenize=False) for row in rows]
            wholes = self._tokens([whole for whole, _ in pairs], special=text)
            prompts = iter(self._tokens([p for _, p in pairs if p is not None], special=text))
            found: list[Encoded | str] = []
            for row, whole, (_, prompt) in zip(rows, wholes, pairs, strict=True):
                if text:
                    found.append(_text(tokenizer, whole))
                    continue
                tokens = None if prompt is None else next(prompts)
                found.append(_labelled(tokenizer, row, whole, tokens, mask_prompt))
        except template_errors():  # NoLabels is a ValueError
            return None
        return found if found[0] == encode(tokenizer, rows[0], mask_prompt) else None

    def _tokens(self, texts: list[str], *, special: bool) -> list[list[int]]:
        self._backend.no_truncation()  # a tokenizer.json may ask for both
        self._backend.no_padding()
        found = self._backend.encode_batch_fast(texts, add_special_tokens=special)
        return [encoding.ids for encoding in found]
