"""The task `data_check`: what a data set is found to be before it is trained on."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.profile import Answers, Features

Level = Literal["error", "warning", "info"]

# What each code means, and whether a data set that has it can be trained on.
CODES: dict[str, tuple[Level, str]] = {
    "file": ("error", _("files that cannot be read or are not there")),
    "not_utf8": ("error", _("lines that are not UTF-8")),
    "not_json": ("error", _("lines that are not JSON")),
    "too_many": ("error", _("too many rows that cannot be trained on")),
    "no_template": ("error", _("rows that the model has no chat template for")),
    "row": ("warning", _("lines that are no rows")),
    "kind": ("warning", _("rows of another kind than the first of the file")),
    "template": ("warning", _("rows that have no labels or that the chat template refuses")),
    "no_label": ("warning", _("rows without a label")),
    "labels_cut": ("warning", _("rows whose labels are all cut off")),
    "test_label": ("warning", _("rows of test.jsonl that cannot be evaluated")),
    "leak": ("warning", _("rows that another split has as well")),
    "truncated": ("warning", _("rows that are cut off")),
    "beyond": ("warning", _("rows longer than what the model was made for")),
    "parted": ("warning", _("rows whose template does not go on as its prompt ends")),
    "left_out": ("warning", _("rows with text that the chat template leaves out")),
    "unknown": ("warning", _("rows with characters that the tokenizer does not know")),
    "control_token": ("warning", _("rows whose text has control tokens in it, which become real")),
    "closed_thought": (
        "info",
        _("rows without thoughts, which close the one that the prompt opens"),
    ),
    "rewritten": (
        "warning",
        _("rows with answers that are no labels, as the template changes them"),
    ),
    "unread": ("warning", _("rows with keys that are not read")),
    "beside": ("info", _("rows with more keys, which nothing reads")),
    "label": ("warning", _("rows whose label says that the answer is a bad one")),
    "role": ("warning", _("rows with roles that are not those of questions and answers")),
    "unasked": ("warning", _("rows that begin with an answer, which is no label")),
    "empty_answer": ("warning", _("empty answers")),
    "open_thought": ("warning", _("thoughts that are not ended")),
    "mojibake": ("warning", _("rows with text that was decoded wrongly")),
    "replacement": ("warning", _("rows with replacement characters")),
    "control": ("warning", _("rows with control characters or such as cannot be seen")),
    "escaped": ("info", _("rows with characters that are written as codes")),
    "apart": ("info", _("rows whose accents are characters of their own (NFD)")),
    "gap": ("info", _("rows with a place that was not filled in")),
    "spaced": ("info", _("answers that begin with a space, which is learnt with them")),
    "template_marks": ("warning", _("rows with marks of another chat template in their text")),
    "echo": ("info", _("answers that say what was asked")),
    "asked_again": ("info", _("rows that ask what another asks, and are answered otherwise")),
    "duplicate": ("warning", _("rows that occur twice in the split")),
    "endless": ("warning", _("rows without an end: the model does not learn to stop")),
    "end_appended": ("info", _("rows that the eos is appended to, as the template writes no end")),
    "words_behind": (
        "info",
        _("rows whose template goes on after the answer, which is left away"),
    ),
    "other_files": ("warning", _("files beside that are not read")),
    "other_kind": ("warning", _("splits of which one is text and another has answers")),
    "dated": ("info", _("the template writes the date into the rows")),
    "unnamed_end": ("info", _("the template's end is not the model's")),
}

# What there is to say where nothing is left to validate on.
NO_VALIDATION = _("there is no validation set: nothing tells which adapter is the best")
ADD_VALIDATION = _("Put some rows into valid.jsonl, or set data.valid_fraction.")


class Request(Struct, tag="data_check", frozen=True, kw_only=True):
    """All that a report depends on: an equal request gives an equal report, as long as the files
    stay as they are. data and model are absolute folders, or model is a repository. rows: examples
    to show. offline: a tokenizer that is not here is not downloaded. every: all findings are
    wanted, not the first of each code.
    """

    data: str
    model: str
    revision: str = ""
    trust_remote_code: bool = False
    max_seq_length: int
    mask_prompt: bool
    answers: Answers = "all"
    append_end: bool = True
    features: Features = Features()
    skip: bool = False
    valid_fraction: float = 0.0
    seed: int = 0
    rows: int = 3
    offline: bool = False
    every: bool = False


class Finding(Struct, frozen=True):
    """Something about a line of a file; line 0 is the file as a whole. tokens: of a long row.

    foreign: `data make` makes rows of the file, as `what` says.
    """

    code: str
    path: str
    line: int
    what: str
    tokens: int = 0
    foreign: bool = False

    @property
    def level(self) -> Level:
        """How bad it is."""
        return CODES[self.code][0]


class Bin(Struct, frozen=True):
    """Rows of `start` to `end` tokens, both included; end 0 is no end."""

    start: int
    end: int
    rows: int


class Split(Struct, frozen=True):
    """A file. Rows are counted if they are sound; lengths are in tokens, before cutting off.

    labels: tokens that are trained on, after cutting off. All but rows are 0 without a tokenizer.
    """

    name: str
    rows: int
    tokens: int = 0
    labels: int = 0
    shortest: int = 0
    median: int = 0
    most: int = 0  # 95% of the rows are no longer
    longest: int = 0
    truncated: int = 0
    bins: tuple[Bin, ...] = ()


class Piece(Struct, frozen=True):
    """A run of tokens of one kind, as text. cut: beyond max_seq_length."""

    text: str
    label: bool = False
    special: bool = False
    cut: bool = False


class Example(Struct, frozen=True):
    """A row as it is trained on; `hidden` tokens at its end are not shown."""

    path: str
    line: int
    tokens: int
    labels: int
    hidden: int
    pieces: tuple[Piece, ...]


class Report(Struct, tag="report", frozen=True):
    """All of it. `findings` are the first of each code; `counts` counts all, by code.

    no_tokenizer: why nothing about tokens is known, empty if it is.
    set_aside: rows of train.jsonl that data.valid_fraction takes for validation.
    """

    path: str
    model: str
    max_seq_length: int
    mask_prompt: bool
    kind: str = ""
    splits: tuple[Split, ...] = ()
    findings: tuple[Finding, ...] = ()
    counts: dict[str, int] = {}
    examples: tuple[Example, ...] = ()
    set_aside: int = 0
    no_tokenizer: str = ""
    answers: Answers = "all"

    def count(self, level: Level) -> int:
        """Count the findings of a level."""
        return sum(number for code, number in self.counts.items() if CODES[code][0] == level)

    @property
    def trainable(self) -> bool:
        """Whether `train` would take it."""
        return not self.count("error")

    @property
    def unvalidated(self) -> bool:
        """Whether there are rows to train on and none to validate on."""
        rows = {split.name: split.rows for split in self.splits}
        return bool(rows.get("train")) and not rows.get("valid") and not self.set_aside
