"""Rows become tokens, and it is known which of them are labels.

Rows are read as mlx_lm reads them (mlx_lm/tuner/datasets.py) and give the same tokens, but for
what mlx_lm leaves to chance:

- The context is the prompt's own tokens, those that the model is asked with, and then come the
  answer's; see data/conversation.py.
- With mask_prompt there must be an answer; mlx_lm would train on a question.
- All answers of a conversation are labels (train.answers), not the last alone.
- An answer that the template writes no end after is ended by the eos; see data/answer_ends.py.
- A bos or eos that stands in a text and is added as well is kept once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from farense_worker.data import answer_ends, unknown_characters
from farense_worker.data.conversation import Conversation, NoLabels, Remark, Spans
from farense_worker.model import compat
from farense_worker.model.light_tokenizer import LightTokenizer, NoTokens, telling
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.profile import Answers

__all__ = ["Encoded", "NoLabels", "Remark", "encode", "encode_all", "template_errors"]

_BATCH = 256


@dataclass(frozen=True)
class Encoded:
    """A row as tokens.

    spans: first and end of each run of labels, in order; the first token is in none, as nothing
    predicts it. remarks: what the owner of the row should know of it.
    """

    tokens: Sequence[int]
    spans: Spans
    remarks: tuple[Remark, ...] = ()

    @property
    def first(self) -> int:
        """Index of the first label; the number of tokens where there is none."""
        return self.spans[0][0] if self.spans else len(self.tokens)

    def labels(self, most: int | None = None) -> int:
        """Count the labels, of the first `most` tokens."""
        end = len(self.tokens) if most is None else most
        return sum(max(0, min(last, end) - first) for first, last in self.spans)


def encode(
    tokenizer: Any,
    row: Row,
    mask_prompt: bool,
    answers: Answers = "all",
    append_end: bool = True,
) -> Encoded:
    """Tokenise one row.

    tokenizer: mlx_lm's wrapper. append_end: see data/answer_ends.py. Raises NoLabels, or what
    the chat template raises.
    """
    if row.kind == "text":
        return _text(tokenizer, tokenizer.encode(row.values["text"]))
    return _chat(tokenizer, Conversation(tokenizer, row, mask_prompt, answers), append_end)


def encode_all(
    tokenizer: Any,
    rows: Iterable[Row],
    mask_prompt: bool,
    answers: Answers = "all",
    append_end: bool = True,
) -> Iterator[tuple[Row, Encoded | str]]:
    """Tokenise rows, many at a time where that is possible; a string says what is wrong."""
    backend = _backend(tokenizer)
    fast = None if backend is None else _Fast(tokenizer, backend)
    rows = iter(rows)
    while batch := list(islice(rows, _BATCH)):
        found = fast.encode(batch, mask_prompt, answers, append_end) if fast else None
        if found is None:
            found = [_attempt(tokenizer, row, mask_prompt, answers, append_end) for row in batch]
        for row, each in zip(batch, found, strict=True):
            yield row, each if isinstance(each, str) else _looked_at(tokenizer, row, each)


def _looked_at(tokenizer: Any, row: Row, found: Encoded) -> Encoded:
    """Remark characters that are in no token."""
    lost = unknown_characters.find(tokenizer, row.strings)
    if not lost:
        return found
    what = _("the tokenizer does not know {characters}").format(characters=lost)
    return replace(found, remarks=(*found.remarks, Remark("unknown", what)))


def _attempt(
    tokenizer: Any, row: Row, mask_prompt: bool, answers: Answers, append_end: bool
) -> Encoded | str:
    try:
        return encode(tokenizer, row, mask_prompt, answers, append_end)
    except template_errors() as error:  # NoLabels and NoTokens are ValueErrors
        return _refusal(error)


def _refusal(error: Exception) -> str:
    if isinstance(error, NoLabels | NoTokens):
        return str(error)
    return _("the chat template refuses the row: {error}").format(error=error)


def template_errors() -> tuple[type[Exception], ...]:
    """What chat templates raise for a conversation that they cannot write."""
    from jinja2 import TemplateError

    kinds = (TemplateError, ValueError, TypeError, LookupError, AttributeError)
    return (*kinds, ArithmeticError, RecursionError)


def _chat(tokenizer: Any, conversation: Conversation, append_end: bool) -> Encoded:
    tokens, spans = conversation.tokens_and_labels()
    conversation.look_at_text()
    remarks = list(conversation.remarks)
    if conversation.ends_in_answer and spans and spans[-1][1] == len(tokens):
        end, remark = answer_ends.missing(tokenizer, tokens, append_end)
        remarks += [remark] if remark else []
        if end is not None:
            tokens = [*tokens, end]
            spans = (*spans[:-1], (spans[-1][0], len(tokens)))
    return Encoded(tokens, spans, tuple(remarks))


def _text(tokenizer: Any, tokens: Sequence[int]) -> Encoded:
    """Keep one bos at the beginning and one eos at the end; all but the first are labels."""
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    begin, end = 0, len(tokens)
    while bos is not None and end - begin > 1 and tokens[begin] == tokens[begin + 1] == bos:
        begin += 1
    while eos is not None and end - begin > 1 and tokens[end - 1] == tokens[end - 2] == eos:
        end -= 1
    kept = list(tokens[begin:end])
    if eos is not None and (not kept or kept[-1] != eos):
        kept.append(eos)
    remarks: tuple[Remark, ...] = ()
    if eos is None:
        what = _("the tokenizer names no eos: the model does not learn to stop")
        remarks = (Remark("endless", what),)
    return Encoded(kept, ((1, len(kept)),) if len(kept) > 1 else (), remarks)


def _backend(tokenizer: Any) -> Any:
    """The tokenizers library's object; None where it alone does not give the same."""
    light = isinstance(tokenizer, LightTokenizer)
    return tokenizer.backend if light else compat.plain_backend(tokenizer)


class _Fast:
    """Tokenises many rows at once, on all cores and without offsets: over twice as fast.

    The first row of each batch is tokenised the slow way as well; where the two differ, the slow
    way is taken.
    """

    def __init__(self, tokenizer: Any, backend: Any) -> None:
        """Take a light tokenizer or mlx_lm's wrapper, and the tokenizers library's object in it."""
        self._tokenizer = tokenizer
        self._backend = backend

    def encode(
        self, rows: list[Row], mask_prompt: bool, answers: Answers, append_end: bool
    ) -> list[Encoded | str] | None:
        """Tokenise a batch; None where each row has to be looked at by itself."""
        try:
            return self._whole(rows, mask_prompt, answers, append_end)
        except NoTokens:
            return None

    def _whole(
        self, rows: list[Row], mask_prompt: bool, answers: Answers, append_end: bool
    ) -> list[Encoded | str] | None:
        tokenizer = self._tokenizer
        if rows[0].kind == "text":
            tokens = self._tokens([row.values["text"] for row in rows], special=True)
            found: list[Encoded | str] = [_text(tokenizer, each) for each in tokens]
        else:
            made = [self._written(row, mask_prompt, answers) for row in rows]
            texts = [text for each in made if not isinstance(each, str) for text in each.texts]
            left = iter(self._tokens(texts, special=False))
            for each in made:
                if not isinstance(each, str):
                    each.take_tokens(left)
            found = [
                each if isinstance(each, str) else _finished(tokenizer, each, append_end)
                for each in made
            ]
        slow = _attempt(tokenizer, rows[0], mask_prompt, answers, append_end)
        return found if found[0] == slow else None

    def _written(self, row: Row, mask_prompt: bool, answers: Answers) -> Conversation | str:
        try:
            made = Conversation(self._tokenizer, row, mask_prompt, answers)
            made.write()
        except template_errors() as error:
            return _refusal(error)
        return made

    def _tokens(self, texts: list[str], *, special: bool) -> list[list[int]]:
        self._backend.no_truncation()  # a tokenizer.json may ask for both
        self._backend.no_padding()
        with telling():
            found = self._backend.encode_batch_fast(texts, add_special_tokens=special)
        return [encoding.ids for encoding in found]


def _finished(tokenizer: Any, conversation: Conversation, append_end: bool) -> Encoded | str:
    try:
        return _chat(tokenizer, conversation, append_end)
    except template_errors() as error:
        return _refusal(error)
