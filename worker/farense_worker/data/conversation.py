"""A conversation as tokens, turn by turn: what the model is asked with, and what it is to answer.

For each answer there are two texts: the prompt, as `ask`, `evaluate`, mlx_lm and every server send
it, and the conversation with the answer. The row is the prompt's own tokens followed by those of
the answer. Where the two texts tokenised apart do not follow on, because the last token of the
prompt merges with the first of the answer, the answer is tokenised by itself, in such a way that
what comes out decodes to the same text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from farense_worker.data import row_text
from farense_worker.data.last_answer import follows
from farense_worker.model import stops
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.settings.profile import Answers

_TOLD = {
    "closed_thought": _("message {number} ({role}) closes the thought that the prompt opens"),
    "parted": _(
        "message {number} ({role}) follows the prompt that it is asked with; the template writes "
        "it otherwise"
    ),
}
_MOST_NAMED = 8  # keys
Spans = tuple[tuple[int, int], ...]


class NoLabels(ValueError):
    """It cannot be told which tokens of a row are labels; says why."""


@dataclass(frozen=True)
class Remark:
    """Something about a row that trains all the same; `code` is one of data_check.CODES."""

    code: str
    what: str


class Passage(NamedTuple):
    """The first `end` messages, with the template's request for an answer or without it."""

    end: int
    asks: bool


class Conversation:
    """A chat or completion row in the words of a model's chat template."""

    def __init__(self, tokenizer: Any, row: Row, mask_prompt: bool, answers: Answers) -> None:
        """Find the answers that are labels. Raises NoLabels for one that no question precedes."""
        self.remarks: list[Remark] = []
        self._tokenizer = tokenizer
        self._messages, self._tools = row.conversation()
        self._words_behind = stops.words_behind(tokenizer)
        self._mask_prompt = mask_prompt
        self._texts: dict[Passage, str] = {}
        self._answers: dict[int, str] = {}  # what is said in the labels, by message
        self._row_text = ""  # where that is not the text of the whole conversation
        self._tokens: dict[Passage, list[int]] = {}
        roles = [message["role"] for message in self._messages]
        found = [at for at, role in enumerate(roles) if role == "assistant"]
        self._unweighted = [at for at in found if at in row.unweighted]
        if mask_prompt:
            found = [at for at in found if at not in row.unweighted]
        if answers == "last" or not mask_prompt:
            found = [at for at in found if at == len(roles) - 1]
        self._turns = [at for at in found if at]
        if mask_prompt and found and not self._turns:
            raise NoLabels(
                _("the answer has no question before it: where it begins cannot be told")
            )
        # What comes after the last label would only be computed.
        end = self._turns[-1] + 1 if mask_prompt and self._turns else len(roles)
        self._whole = Passage(end, False)

    @property
    def ends_in_answer(self) -> bool:
        """Whether the last of what is tokenised is an answer."""
        return bool(self._messages[self._whole.end - 1]["role"] == "assistant")

    @property
    def _passages(self) -> list[Passage]:
        prompts = [Passage(at, True) for at in self._turns]
        ends = [Passage(at + 1, False) for at in self._turns]
        return list(dict.fromkeys([self._whole, *prompts, *ends]))

    def write(self) -> None:
        """Put all that will be needed into words. Raises what the chat template raises."""
        for passage in self._passages:
            self._text(passage)

    @property
    def texts(self) -> list[str]:
        """What `write` made, to be tokenised elsewhere."""
        return [self._text(passage) for passage in self._passages]

    def take_tokens(self, tokens: Iterator[list[int]]) -> None:
        """Take the tokens of `texts`, in their order."""
        for passage in self._passages:
            self._tokens[passage] = next(tokens)

    def look_at_text(self) -> None:
        """Remark what of the row is not in its tokens, and what of its words became others.

        Raises NoLabels where an answer's words are not among the labels.
        """
        messages = self._messages[: self._whole.end]
        if self._words_behind and self.ends_in_answer:
            what = _(
                "the template goes on in words of its own after the answer: they are left away"
            )
            self.remarks.append(Remark("words_behind", what))
        for at, answer in self._answers.items():
            if not row_text.says(messages[at], answer):
                what = _("the chat template leaves out the answer in message {number}")
                raise NoLabels(what.format(number=at + 1))
        text = self._row_text or self._text(self._whole)
        if row_text.leaves_out_tools(self._tools, text):
            self.remarks.append(Remark("left_out", _("the template leaves out the tools")))
        found = row_text.left_out(
            self._tokenizer, messages, self._tools, text, probe=not self._row_text
        )
        for at, lost in found.items():
            what = _("message {number} ({role}): the template leaves out its {parts}")
            self._remark("left_out", what, at, parts=", ".join(lost))
        for at in range(self._whole.end, len(self._messages)):
            what = _("message {number} ({role}) comes after the last answer that is trained on")
            self._remark("left_out", what, at)
        for at, message in enumerate(messages):
            if keys := row_text.unread_keys(self._tokenizer, message):
                what = _("message {number} ({role}): {keys}")
                said = ", ".join(f'"{key[:80]}"' for key in keys[:_MOST_NAMED])
                self._remark("beside", what, at, keys=said)
        for at, written in row_text.control_tokens(self._tokenizer, messages).items():
            what = _("message {number} ({role}) has {tokens} in its text")
            self._remark("control_token", what, at, tokens=" ".join(written))

    def _remark(self, code: str, what: str, at: int, **more: str) -> None:
        role = str(self._messages[at]["role"])
        self.remarks.append(Remark(code, what.format(number=at + 1, role=role, **more)))

    def tokens_and_labels(self) -> tuple[list[int], Spans]:
        """Give the row's tokens, and the spans of them that are labels.

        Raises NoLabels where it cannot be told where an answer begins.
        """
        if not self._turns:  # every token is a label, or none if there is no answer
            tokens = self._ids(self._whole)
            return tokens, () if self._mask_prompt else self._but_the_unweighted(tokens)
        try:
            tokens, first = self._last_turn()
        except NoLabels:
            if self._mask_prompt:
                raise
            tokens, first, self._row_text = self._ids(self._whole), 1, ""
        if not self._mask_prompt:
            self.remarks.clear()
            return tokens, self._but_the_unweighted(tokens)
        spans = self._earlier_turns(tokens)
        if first < len(tokens):
            spans.append((first, len(tokens)))
        return tokens, tuple(spans)

    def _last_turn(self) -> tuple[list[int], int]:
        """Give all tokens and where those of the last answer begin."""
        asked, whole = Passage(self._turns[-1], True), self._whole
        prompt, tokens = self._ids(asked), self._ids(whole)
        before = self._text(asked)
        found = follows(self._said, self._messages[: whole.end], before, self._text(whole))
        if found is None:
            return self._parted(prompt, tokens)
        answer, code = found
        self._answers[asked.end] = answer
        if code:
            self._remark(code, _TOLD[code], asked.end)
            self._row_text = before + answer
            tokens = list(self._tokenizer.encode(before + answer, add_special_tokens=False))
        if tokens[: len(prompt)] == prompt:
            return self._ended(tokens), max(1, len(prompt))
        for ids in self._ways(answer):
            if self._decoded([*prompt, *ids]) == self._decoded(tokens):
                return self._ended([*prompt, *ids]), max(1, len(prompt))
        raise NoLabels(
            _(
                "the prompt and the answer share a token, and the answer has no tokens of its "
                "own that read as it does: the model would be trained on what it is never asked"
            )
        )

    def _ways(self, answer: str) -> Iterator[list[int]]:
        """Tokenise an answer by itself, and as it is after the end of a line.

        Tokenizers that put a space mark before a text do so at its beginning alone.
        """
        encode = self._tokenizer.encode
        yield list(encode(answer, add_special_tokens=False))
        before = list(encode("\n", add_special_tokens=False))
        joined = list(encode("\n" + answer, add_special_tokens=False))
        if joined[: len(before)] == before:
            yield joined[len(before) :]

    def _parted(self, prompt: list[int], tokens: list[int]) -> tuple[list[int], int]:
        """Begin the labels where prompt and row part, if that is in what asks for the answer."""
        pairs = enumerate(zip(tokens, prompt, strict=False))
        parts = next((at for at, (a, b) in pairs if a != b), min(len(tokens), len(prompt)))
        question = self._ids(Passage(self._turns[-1], False))
        if tokens[: len(question)] != question:
            raise NoLabels(
                _(
                    "the chat template writes the question otherwise when the answer follows, from "
                    "token {token} on: where the answer begins cannot be told"
                ).format(token=parts + 1)
            )
        first = max(1, parts, len(question))
        what = _("the labels begin at token {token}, where prompt and row part")
        self.remarks.append(Remark("parted", what.format(token=first + 1)))
        said = self._text(Passage(self._turns[-1], False))
        self._answers[self._turns[-1]] = self._text(self._whole).removeprefix(said)
        return self._ended(tokens), first

    def _earlier_turns(self, tokens: list[int]) -> list[tuple[int, int]]:
        """Give the spans of the answers before the last one.

        One that the template writes otherwise once the conversation goes on is no label: it would
        be trained as it is never asked.
        """
        spans, left = list[tuple[int, int]](), list[str]()
        for at in self._turns[:-1]:
            prompt, answered = self._ids(Passage(at, True)), self._ids(Passage(at + 1, False))
            end = self._agree(tokens, prompt, answered)
            if end:
                spans.append((max(1, len(prompt)), end))
                self._answers[at] = self._text(Passage(at + 1, False))[
                    len(self._text(Passage(at, True))) :
                ]
            else:
                left.append(str(at + 1))
        if left:
            what = ngettext(
                "message {numbers} is no label: it is written otherwise once the conversation "
                "goes on",
                "messages {numbers} are no labels: they are written otherwise once the "
                "conversation goes on",
                len(left),
            )
            self.remarks.append(Remark("rewritten", what.format(numbers=", ".join(left))))
        return spans

    def _agree(self, tokens: list[int], prompt: list[int], answered: list[int]) -> int:
        """Give the end of an earlier answer in the row; 0 where it is not written as it is asked.

        What is added at the very end of a conversation, as an eos after the end of the turn, may
        be missing.
        """
        pairs = enumerate(zip(tokens, answered, strict=False))
        end = next((at for at, (a, b) in pairs if a != b), min(len(tokens), len(answered)))
        if answered[: len(prompt)] != prompt or end <= len(prompt):
            return 0
        special = row_text.special_ids(self._tokenizer)
        ended = not special.isdisjoint(answered[max(len(prompt), end - 2) : end])
        rest = [token for token in answered[end:] if token not in special]
        return end if end == len(answered) or (ended and not self._decoded(rest).strip()) else 0

    def _but_the_unweighted(self, tokens: list[int]) -> Spans:
        """Give all tokens as labels but those of answers of weight 0."""
        spans, begin = list[tuple[int, int]](), 1
        for at in self._unweighted:
            prompt, answered = self._ids(Passage(at, True)), self._ids(Passage(at + 1, False))
            if tokens[: len(answered)] != answered or answered[: len(prompt)] != prompt:
                what = _("message {number} has weight 0, but its tokens cannot be told apart")
                raise NoLabels(what.format(number=at + 1))
            spans.append((begin, len(prompt)))
            begin = len(answered)
        return tuple(span for span in [*spans, (begin, len(tokens))] if span[0] < span[1])

    def _ended(self, tokens: Sequence[int]) -> list[int]:
        """Keep one eos at the end."""
        eos, end = self._tokenizer.eos_token_id, len(tokens)
        while eos is not None and end > 1 and tokens[end - 1] == tokens[end - 2] == eos:
            end -= 1
        return list(tokens[:end])

    def _ids(self, passage: Passage) -> list[int]:
        if passage not in self._tokens:
            self._tokens[passage] = (
                list(self._tokenizer.encode(self._text(passage), add_special_tokens=False))
                if self._words_behind
                else list(self._render(passage, tokenize=True))
            )
        return self._tokens[passage]

    def _text(self, passage: Passage) -> str:
        if passage not in self._texts:
            text = self._render(passage, tokenize=False)
            last = self._messages[passage.end - 1]
            self._texts[passage] = text if passage.asks else self._to_the_answer(text, last)
        return self._texts[passage]

    def _to_the_answer(self, text: str, last: dict[str, Any]) -> str:
        """Leave away the words that the template writes behind an answer."""
        return text.removesuffix(self._words_behind) if last["role"] == "assistant" else text

    def _render(self, passage: Passage, *, tokenize: bool) -> Any:
        return self._tokenizer.apply_chat_template(
            self._messages[: passage.end],
            tools=self._tools,
            add_generation_prompt=passage.asks,
            tokenize=tokenize,
            return_dict=False,
        )

    def _said(self, messages: Sequence[dict[str, Any]]) -> str:
        text = self._tokenizer.apply_chat_template(
            list(messages), tools=self._tools, tokenize=False, return_dict=False
        )
        return self._to_the_answer(str(text), messages[-1])

    def _decoded(self, tokens: Sequence[int]) -> str:
        return str(self._tokenizer.decode(list(tokens), skip_special_tokens=False))
