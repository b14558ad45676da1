"""The task `evaluate`: models and adapters measured on rows that none was trained on."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from farense_worker.protocol.settings.profile import Answers, Dtype, Features


class Adapter(Struct, frozen=True):
    """An adapter to measure: the name it goes by, and its folder."""

    name: str
    folder: str


class Candidate(Struct, frozen=True):
    """A base model with the adapters that were trained on it."""

    repo: str
    adapters: tuple[Adapter, ...] = ()
    revision: str = ""
    trust_remote_code: bool = False
    dtype: Dtype = "auto"


class Request(Struct, tag="evaluate", frozen=True, kw_only=True):
    """What is to be measured, and on which rows.

    rows: at most so many, drawn by lot with seed 0; 0 takes all. max_tokens: of an answer; 0 takes
    half as many again as the longest reference has. day: whose date templates write, as a moment
    in Unix seconds; 0 is today.
    """

    candidates: tuple[Candidate, ...]
    data: str
    split: str = "test"
    rows: int = 0
    max_tokens: int = 0
    max_seq_length: int = 512
    mask_prompt: bool = True
    answers: Answers = "all"
    append_end: bool = True
    features: Features = Features()
    batch_size: int = 4
    day: float = 0.0


class Turn(Struct, frozen=True, kw_only=True):
    """What the answers of one turn of the conversations came to; units as in Score."""

    turn: int
    answers: int
    exact_match: float | None
    token_f1: float | None
    chrf: float


class Score(Struct, frozen=True, kw_only=True):
    """What one model came to. `name` is empty for a base model.

    Without references (rows of plain text) only loss and perplexity are known.
    """

    name: str
    model: str
    loss: Annotated[float | None, Meta(description="mean over label tokens, natural log")]
    perplexity: Annotated[float | None, Meta(description="exp(loss)")]
    tokens: Annotated[int, Meta(description="label tokens")]
    exact_match: Annotated[float | None, Meta(description="share of answers, 0 to 1")] = None
    token_f1: Annotated[float | None, Meta(description="mean over answers, 0 to 1")] = None
    chrf: Annotated[float | None, Meta(description="chrF2 over all answers, 0 to 100")] = None
    cut_off: Annotated[int, Meta(description="answers that reached max_tokens")] = 0
    turns: Annotated[
        tuple[Turn, ...], Meta(description="by turn, where rows have more than one")
    ] = ()
    seconds: float = 0.0


class Answer(Struct, frozen=True):
    """What a model answered to a row, and how near that is; units as in Score."""

    text: str
    exact: bool
    token_f1: float
    chrf: float


class Row(Struct, frozen=True):
    """A question with its reference; an answer for each score, in that order.

    turn: which answer of the row it is, from 1; it is asked after what the data says before it.
    """

    line: int
    question: str
    reference: str
    answers: tuple[Answer, ...]
    turn: int = 1


class Report(Struct, tag="evaluation", frozen=True, kw_only=True):
    """All of it. `left_out`: rows of the split that could not be asked, with the first reasons.

    only_loss: rows measured that have no answer to compare with, as they end in calls of tools.
    """

    data: str
    split: str
    time: float
    max_tokens: int
    scores: tuple[Score, ...]
    rows: tuple[Row, ...]
    measured: int
    left_out: int = 0
    reasons: tuple[str, ...] = ()
    only_loss: int = 0

    @property
    def questions(self) -> int:
        """How many answers each model gave."""
        return len(self.rows) or self.measured

    def base_of(self, score: Score) -> int:
        """Index of the base model that a score is to be compared with."""
        return next(
            at for at, each in enumerate(self.scores) if not each.name and each.model == score.model
        )
