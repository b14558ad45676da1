"""Base models and adapters measured on the same rows: loss, and answers against references."""

from __future__ import annotations

import math
import random
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx.nn as nn

from farense_worker.data import batching, labels, row_text, shared_prefix
from farense_worker.data.examples import Builder, Examples
from farense_worker.data.prepare import needs_template, unusable
from farense_worker.data.shared_prefix import Shared
from farense_worker.generate import decoding
from farense_worker.loop.shares import Shares
from farense_worker.model import inference, loss, model, prefix_check, split_forward
from farense_worker.model import tokenizer as tokenizers
from farense_worker.model.chat_template import DAY
from farense_worker.protocol import dataset
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.evaluation import (
    Adapter,
    Answer,
    Candidate,
    Report,
    Request,
    Score,
    Turn,
)
from farense_worker.protocol.messages.evaluation import Row as Asked
from farense_worker.protocol.messages.task import Progress, Tell
from farense_worker.protocol.rows.row_faults import Fault
from farense_worker.protocol.settings.profile import Model
from farense_worker.tasks import answer_metrics
from farense_worker.tasks.questions import Question, questions_of

_MOST_REASONS = 5


def evaluate(asked: Request, tell: Tell) -> Report:
    """Measure every base model and every adapter on it, one after the other.

    Raises FarenseError (refused) where there is no row to ask; a row that one of the models
    cannot be asked is left out for all, so that they are measured on the same.
    """
    with DAY.kept(asked.day):
        return _evaluate(asked, tell)


def _evaluate(asked: Request, tell: Tell) -> Report:
    rows, reasons = _rows(asked)
    bases = [_Base.of(each) for each in asked.candidates]
    for base in bases:
        rows = base.encode(rows, asked, reasons)
    left_out = len(reasons)
    if not rows:
        raise refused(
            _("there is no row in {file} that can be asked").format(file=f"{asked.split}.jsonl"),
            "\n".join(reasons[:_MOST_REASONS]),
            _("farense-tui data check shows what is wrong."),
            kind="data",
        )
    if asked.rows and asked.rows < len(rows):
        rows = sorted(random.Random(0).sample(rows, asked.rows), key=lambda row: row.line)
    scores: list[Score] = []
    columns: list[list[Answer]] = []
    which = asked.answers if asked.mask_prompt else "last"
    questions = [each for row in rows for each in questions_of(row, which)]
    most = asked.max_tokens or max(base.room(rows, questions, asked.mask_prompt) for base in bases)
    for base in bases:
        for adapter in (Adapter("", ""), *base.candidate.adapters):
            score, given = _measure(base, adapter, rows, questions, most, asked, tell)
            scores.append(score)
            columns.append(given)
    return Report(
        data=asked.data,
        split=asked.split,
        time=time.time(),
        max_tokens=most,
        scores=tuple(scores),
        rows=tuple(
            Asked(each.row.line, each.text, each.reference, tuple(given), each.turn)
            for each, *given in zip(questions, *columns, strict=True)
        ),
        measured=len(rows),
        only_loss=len(rows) - len({each.row.line for each in questions}),
        left_out=left_out,
        reasons=tuple(reasons[:_MOST_REASONS]),
    )


def _rows(asked: Request) -> tuple[list[Row], list[str]]:
    """Read the split; what is no row is a reason, with its place."""
    path = Path(asked.data) / f"{asked.split}.jsonl"
    rows, reasons = [], []
    try:
        for found in dataset.scan(path, asked.features):
            if isinstance(found, Fault):
                reasons.append(str(found))
            else:
                rows.append(found)
    except OSError as error:
        raise refused(
            _("there is no {split} set").format(split=asked.split),
            f"{path}: {error.strerror}",
            _elsewhere(path),
            kind="data",
        ) from error
    return rows, reasons


def _elsewhere(missing: Path) -> str:
    """Say where there are rows in place of a file that is not there."""
    valid = missing.with_name("valid.jsonl")
    if valid != missing and valid.exists():
        return _("--split valid takes the rows the runs were validated on, --data another folder.")
    return _(
        "Put rows aside as test.jsonl, which no training reads, or name another folder with "
        "--data. Rows that data.valid_fraction took out of train.jsonl cannot be taken."
    )


@dataclass
class _Base:
    """A base model, with the rows as its tokenizer has them, by their line."""

    candidate: Candidate
    settings: Model
    folder: Path
    tokenizer: Any
    encoded: dict[int, labels.Encoded]

    @classmethod
    def of(cls, candidate: Candidate) -> _Base:
        settings = Model(
            repo=candidate.repo,
            revision=candidate.revision,
            dtype=candidate.dtype,
            trust_remote_code=candidate.trust_remote_code,
        )
        folder = inference.find(settings)
        return cls(candidate, settings, folder, tokenizers.load(folder, settings), {})

    def encode(self, rows: list[Row], asked: Request, reasons: list[str]) -> list[Row]:
        """Tokenise the rows; those that cannot be measured are left out, with the reason."""
        path = Path(asked.data) / f"{asked.split}.jsonl"
        if rows:
            needs_template(self.tokenizer, rows[0], path)
        kept = []
        how = (asked.mask_prompt, asked.answers, asked.append_end)
        for row, found in labels.encode_all(self.tokenizer, rows, *how):
            _code, fault = unusable(found, asked.max_seq_length)
            if fault:
                reasons.append(f"{path}:{row.line}: {fault}")
            elif isinstance(found, labels.Encoded):
                self.encoded[row.line] = found
                kept.append(row)
        return kept

    def prompt(self, asked: Question) -> list[int]:
        """Tokens of a question, with all that came before it."""
        messages, tools = asked.row.conversation()
        return list(
            self.tokenizer.apply_chat_template(
                messages[: asked.at], tools=tools, add_generation_prompt=True, return_dict=False
            )
        )

    def room(self, rows: list[Row], questions: list[Question], mask_prompt: bool) -> int:
        """Tokens that an answer may have: half as many again as the longest reference.

        A reference is counted as its labels are: with its thoughts, what the template writes around
        those, and its end. Where the question is a label too, its own words have to do.
        """
        longest = 0
        for each in questions:
            reference = self.tokenizer.encode(each.reference, add_special_tokens=False)
            longest = max(longest, len(reference))
        if mask_prompt:
            spans = (span for row in rows for span in self.encoded[row.line].spans)
            # Not all that is asked is a label: Qwen 3 writes earlier answers without a thought.
            longest = max([longest, *(last - first for first, last in spans)])
        return longest + longest // 2 + 1

    def examples(self, rows: list[Row], max_seq_length: int) -> Examples:
        """Put the rows together as the training does."""
        builder = Builder(max_seq_length)
        for row in rows:
            builder.add(self.encoded[row.line])
        return builder.build()


def _measure(
    base: _Base,
    adapter: Adapter,
    rows: list[Row],
    questions: list[Question],
    most: int,
    asked: Request,
    tell: Tell,
) -> tuple[Score, list[Answer]]:
    began = time.perf_counter()
    named = adapter.name or _("base model")
    tell(Progress(_("{model}: loading").format(model=named)))
    network = inference.load(base.folder, base.settings, adapter.name, adapter.folder)
    value, tokens = _loss(network, base.examples(rows, asked.max_seq_length), asked, named, tell)
    given: list[Answer] = []
    pairs: list[tuple[str, str]] = []
    cut_off = 0
    if questions:
        answering = _("{model}: answers").format(model=named)
        found = decoding.answers(
            network,
            base.tokenizer,
            [base.prompt(each) for each in questions],
            batch_size=asked.batch_size,
            max_tokens=most,
            tell=lambda done: tell(Progress(answering, done, len(questions), "rows")),
        )
        # A model without tokens for thoughts writes their marks in letters, as the rows do.
        pairs = [
            (row_text.answer_of({"content": answer.said}), each.said)
            for answer, each in zip(found, questions, strict=True)
        ]
        given = [
            answer_metrics.compare(answer.text, reference, said)
            for answer, (said, reference) in zip(found, pairs, strict=True)
        ]
        cut_off = sum(each.cut_off for each in found)
    return Score(
        name=adapter.name,
        model=base.candidate.repo,
        loss=value if math.isfinite(value) else None,
        perplexity=math.exp(min(value, 700.0)) if math.isfinite(value) else None,
        tokens=tokens,
        exact_match=_mean([a.exact for a in given]),
        token_f1=_mean([a.token_f1 for a in given]),
        chrf=answer_metrics.corpus_chrf(pairs) if pairs else None,
        cut_off=cut_off,
        turns=_by_turn(questions, given, pairs),
        seconds=time.perf_counter() - began,
    ), given


def _by_turn(
    questions: list[Question], given: list[Answer], pairs: list[tuple[str, str]]
) -> tuple[Turn, ...]:
    """Score each turn by itself, where rows have more than one. pairs: of what is compared."""
    turns: dict[int, list[tuple[Answer, tuple[str, str]]]] = defaultdict(list)
    for question, answer, pair in zip(questions, given, pairs, strict=True):
        turns[question.turn].append((answer, pair))
    if len(turns) < 2:
        return ()
    return tuple(
        Turn(
            turn=turn,
            answers=len(found),
            exact_match=_mean([answer.exact for answer, _ in found]),
            token_f1=_mean([answer.token_f1 for answer, _ in found]),
            chrf=answer_metrics.corpus_chrf([pair for _, pair in found]),
        )
        for turn, found in sorted(turns.items())
    )


def _loss(
    network: nn.Module, examples: Examples, asked: Request, named: str, tell: Tell
) -> tuple[float, int]:
    """Token mean over all labels, as the validation has it, and how many labels there are."""
    model.check_tokens(network, int(examples.tokens.max()))
    model.check_positions(network, max(examples.lengths))
    total, tokens, done = 0.0, 0, 0
    parts = split_forward.apart(network, examples.example(0).tolist())
    label_loss = loss.LabelLoss(network, parts)
    shared = _shared(label_loss, examples)
    budget = asked.batch_size * max(examples.lengths)
    shares = Shares(label_loss)
    for batch in batching.batches(examples, range(len(examples)), int(budget), shared):
        total += shares.value(batch, batch.arguments())
        tokens += batch.label_tokens
        done += len(batch.rows)
        what = _("{model}: loss").format(model=named)
        tell(Progress(what, done, len(examples), "rows"))
    return total / tokens, tokens


def _shared(label_loss: loss.LabelLoss, examples: Examples) -> Shared | None:
    """Find what the rows begin with alike, where the model computes that once."""
    found = shared_prefix.find(examples, shared_prefix.AT_ONCE)
    if not len(found):
        return None
    rows, length = found.longest(examples)
    length = prefix_check.part(label_loss.model, length)
    tokens = [examples.example(row) for row in rows]
    return found if prefix_check.agrees(label_loss, tokens, length, gradient=False) else None


def _mean(values: list[bool] | list[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
