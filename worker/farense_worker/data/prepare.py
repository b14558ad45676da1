"""The data set of a run: read, tokenised, split, or taken from the cache."""

from __future__ import annotations

import sys
import time
from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np

from farense_worker.data import dated, labels, text_remarks, token_cache, untrained_parts
from farense_worker.data.examples import Builder, Examples
from farense_worker.data.token_cache import Tokenised
from farense_worker.model import chat_template, stops
from farense_worker.model.as_trained import positions
from farense_worker.process.output import Output
from farense_worker.protocol import dataset, foreign_rows, holdout, language
from farense_worker.protocol.dataset import Kind, Row
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages.data_check import ADD_VALIDATION, CODES, NO_VALIDATION
from farense_worker.protocol.messages.events import Notice, Progress
from farense_worker.protocol.plan import steps
from farense_worker.protocol.rows import row_faults
from farense_worker.protocol.rows.row_faults import Fault, Faults
from farense_worker.protocol.settings.profile import Config

__all__ = ["Examples", "load"]

_MOST_PLACES = 3
LEFT_OUT = "left_out.txt"  # in the run folder


class Data(NamedTuple):
    """The examples to train on and, where there are any, those to validate on.

    stops: where answers end, if the model's configuration does not say it all; else empty.
    left_out: the rows that are not trained on, each as `file:line: why`.
    """

    train: Examples
    valid: Examples | None
    stops: tuple[int, ...]
    left_out: tuple[str, ...]


def load(config: Config, model: Path, tokenizer: Callable[[], Any], output: Output) -> Data:
    """Give the data of a run.

    model: its folder. tokenizer: loads it; not called where the tokens are in the cache.
    Rows that cannot be trained on are left out, which is told. Raises FarenseError (refused) that
    lists them where they are too many: see row_faults.Faults.
    """
    files = [Path(config.data.path) / f"{name}.jsonl" for name in ("train", "valid")]
    before = _state(files)
    decides = _settings(config)
    if chat_template.writes_the_day(model):
        decides["day"] = chat_template.DAY.now().date().isoformat()
    key = token_cache.key(files, model, decides)
    made = token_cache.read(key) if key else None
    if made is None:
        began = time.perf_counter()
        made = tokenise(config, model, tokenizer(), output)
        took = time.perf_counter() - began
        print(f"data: tokenised in {took:.2f} s", file=sys.stderr)  # not translated: for worker.log
        if key and _state(files) == before:
            token_cache.write(key, made)
    for notice in made.notices:
        output.emit(notice)
    if others := foreign_rows.beside(Path(config.data.path)):
        message = _("files beside that are not read")
        output.emit(Notice(level="warning", code="other_files", message=message, hint=others))
    return Data(made.splits["train"], made.splits.get("valid"), made.stops, made.left_out)


def tokenise(config: Config, model: Path, tokenizer: Any, output: Output) -> Tokenised:
    """Read train.jsonl and valid.jsonl line by line and tokenise them."""
    folder, train = Path(config.data.path), config.train
    paths = {name: folder / f"{name}.jsonl" for name in ("train", "valid")}
    reading = _Reading(config, tokenizer, output)
    try:
        there = {name: path for name, path in paths.items() if path.is_file()}
        reading.total = sum(dataset.count(path) for path in there.values())
        builders = {name: reading.read(path) for name, path in there.items()}
    except OSError as error:
        raise refused(
            _("cannot read {path}").format(path=error.filename),
            error.strerror or "",
            kind="data",
        ) from error
    nothing = dataset.nothing_to_train_on(folder, reading.rows.get(paths["train"]))
    if nothing and not reading.faults.count:
        reading.faults.add(nothing)
    reading.faults.refuse(config.data.skip)

    fraction, notices = config.data.valid_fraction, reading.notices()
    if reading.left_out:
        notices.insert(0, _left_out(reading.left_out, reading.total))
    splits: dict[str, Examples] = {}
    if fraction and not reading.rows.get(paths["valid"]):
        chosen = holdout.draw(np.frombuffer(reading.fingerprints, np.uint64), fraction, train.seed)
        splits["train"] = builders["train"].build(~chosen)
        if chosen.any():
            splits["valid"] = builders["train"].build(chosen)
            notices.append(_set_aside(splits["train"], splits["valid"], train.seed))
    else:
        splits = {name: builder.build() for name, builder in builders.items()}
        splits = {name: examples for name, examples in splits.items() if len(examples)}
        if fraction:
            notices.append(_not_split())
    ends: tuple[int, ...] = ()
    if reading.kind != "text" and (said := stops.remark(model, tokenizer)):
        notices.append(Notice(level="info", code="unnamed_end", message=said))
        ends = tuple(sorted(tokenizer.eos_token_ids))
    if reading.dated:
        notices.append(Notice(level="info", code="dated", message=reading.dated))
    notices += _remarks(splits, train.max_seq_length, positions.reach(model))
    return Tokenised(splits, tuple(notices), ends, tuple(reading.left_out))


class _Reading:
    """One pass over the files: what they hold, what is wrong with them, what is to be said."""

    def __init__(self, config: Config, tokenizer: Any, output: Output) -> None:
        self._config = config
        self._tokenizer = tokenizer
        self._output = output
        self._told = time.monotonic()
        self._done = 0
        self.kind: Kind | None = None
        self.unlike = ""  # what is to be said of valid.jsonl, if it is of another kind
        self.dated = ""  # what is to be said of a date in the rows
        self._remarks: dict[str, list[str]] = {}  # places, by code
        self.total = 0
        self.rows: dict[Path, int] = {}
        self.faults = Faults()
        self.left_out: list[str] = []
        self.fingerprints = array("Q")  # of the rows of train.jsonl

    def read(self, path: Path) -> Builder:
        """Tokenise a file; faults are only collected, and their rows left out."""
        train = self._config.train
        prints, seen = array("Q"), set(self.fingerprints)
        builder = Builder(train.max_seq_length)
        self.rows[path] = 0
        rows = self._scan(path)
        for row, found in labels.encode_all(
            self._tokenizer,
            rows,
            train.mask_prompt,
            train.answers,
            self._config.data.append_end,
        ):
            self._count()
            code, fault = unusable(found, train.max_seq_length)
            said = tuple(untrained_parts.remarks(row, train.mask_prompt, train.answers))
            if fault:
                roles = [remark.what for remark in said if remark.code == "role"]
                self._lose(Fault(path, row.line, "; ".join([fault, *roles]), code))
            elif isinstance(found, labels.Encoded):
                builder.add(found)
                place = f"{path}:{row.line}"
                words = text_remarks.remarks(row, self._tokenizer)
                for remark in (*words, *said, *found.remarks):
                    self._remarks.setdefault(remark.code, []).append(place)
                prints.append(row.fingerprint(normalised=True))
                if prints[-1] in seen:
                    again = "leak" if self.fingerprints else "duplicate"
                    self._remarks.setdefault(again, []).append(place)
                elif not self.fingerprints:  # of train.jsonl, which is read first
                    seen.add(prints[-1])
        self.fingerprints = self.fingerprints or prints
        return builder

    def _scan(self, path: Path) -> Iterator[Row]:
        for found in dataset.scan(path, self._config.data):
            self.faults.look(path)
            if isinstance(found, Fault):
                self._lose(found)
                continue
            if not self.rows[path]:
                needs_template(self._tokenizer, found, path)
                if self._config.train.mask_prompt:
                    self.unlike = self.unlike or dataset.unlike(found.kind, self.kind)
                self.kind = self.kind or found.kind
                self.dated = self.dated or dated.remark(self._tokenizer, found)
            self.rows[path] += 1
            yield found

    def _lose(self, fault: Fault) -> None:
        self.faults.add(fault)
        self.left_out.append(str(fault))

    def _count(self) -> None:
        self._done += 1
        if time.monotonic() - self._told > 0.5:
            self._told = time.monotonic()
            self._output.emit(Progress(done=self._done, total=self.total, unit="examples"))

    def notices(self) -> list[Notice]:
        """Say what is unusual about the rows."""
        said = []
        if self.unlike:
            message = f"valid.jsonl: {self.unlike}"
            said.append(Notice(level="warning", code="other_kind", message=message))
        if self._config.train.mask_prompt and self.kind == "text":
            said.append(
                Notice(
                    level="info",
                    code="mask_prompt",
                    message=_("text rows have no prompt: every token is trained on"),
                )
            )
        for code, places in self._remarks.items():
            level, meaning = CODES[code]
            told = dict.fromkeys(places)
            listed = ", ".join(list(told)[:_MOST_PLACES])
            if len(told) > _MOST_PLACES:
                more = _("and {n} more").format(n=len(told) - _MOST_PLACES)
                listed = f"{listed} {more}"
            said.append(
                Notice(
                    level="info" if level == "info" else "warning",
                    code=code,
                    message=f"{_(meaning)} ({len(told)}): {listed}",
                    hint=_("farense-tui data check shows the labels of each row."),
                )
            )
        return said


def unusable(found: labels.Encoded | str, max_seq_length: int) -> tuple[str, str]:
    """Say why a tokenised row cannot be trained on, if so: a code of data_check.CODES, and words.

    found: a string is what its tokenising says.
    """
    if isinstance(found, str):
        return ("template", found) if found else ("", "")
    if found.first >= len(found.tokens):
        return "no_label", _("there is no answer in this row to learn from")
    if not steps.learnt_from(found.first, max_seq_length):
        what = _(
            "all labels are cut off: its first label is token {token}, train.max_seq_length is "
            "{most}"
        )
        return "labels_cut", what.format(token=found.first + 1, most=max_seq_length)
    return "", ""


def needs_template(tokenizer: Any, row: Row, path: Path) -> None:
    """Refuse chats for a model that has no template for them."""
    if row.kind != "text" and not tokenizer.has_chat_template:
        raise refused(
            _("the model has no chat template, and the rows of {path} are {kind} rows").format(
                path=path, kind=row.kind
            ),
            hint=_('Use an instruct model, or rows of {"text": "..."}.'),
            kind="data",
        )


def _settings(config: Config) -> dict[str, object]:
    return {
        "max_seq_length": config.train.max_seq_length,
        "mask_prompt": config.train.mask_prompt,
        "answers": config.train.answers,
        "append_end": config.data.append_end,
        "skip": config.data.skip,
        "features": msgspec.structs.astuple(config.data.features),
        "trust_remote_code": config.model.trust_remote_code,
        "valid_fraction": config.data.valid_fraction,
        "seed": config.train.seed if config.data.valid_fraction else 0,
        "language": language.spoken(),  # of the notices
    }


def _state(files: list[Path]) -> list[tuple[int, int] | None]:
    """Sizes and times of change: a file that is written to while it is read is not cached."""
    found = [path.stat() if path.is_file() else None for path in files]
    return [(stat.st_size, stat.st_mtime_ns) if stat else None for stat in found]


def _set_aside(train: Examples, valid: Examples, seed: int) -> Notice:
    return Notice(
        level="info",
        code="split",
        message=_(
            "{valid} of {total} rows of train.jsonl are set aside for validation (seed {seed}); "
            "{train} are trained on"
        ).format(valid=len(valid), total=len(train) + len(valid), seed=seed, train=len(train)),
    )


def _left_out(lines: list[str], rows: int) -> Notice:
    n = len(lines)
    message = ngettext("{n} row of {rows} is left out", "{n} rows of {rows} are left out", n)
    return Notice(
        level="warning",
        code="rows_left_out",
        message=message.format(n=n, rows=rows),
        hint=row_faults.first_of(lines, n) + "\n" + _("All of them: {file}").format(file=LEFT_OUT),
    )


def _not_split() -> Notice:
    return Notice(
        level="info",
        code="split",
        message=_("there is a valid.jsonl: data.valid_fraction is not used"),
    )


def _remarks(splits: dict[str, Examples], max_seq_length: int, made_for: int) -> list[Notice]:
    said = []
    beyond = sum(int((examples.lengths > made_for).sum()) for examples in splits.values())
    if made_for and beyond:
        said.append(
            Notice(
                level="warning",
                code="beyond",
                message=positions.remark(beyond, made_for),
                hint=_("Lower train.max_seq_length, or take a model that was made for more."),
            )
        )
    if "valid" not in splits:
        said.append(
            Notice(
                level="warning",
                code="no_validation",
                message=NO_VALIDATION,
                hint=ADD_VALIDATION,
            )
        )
    truncated = sum(examples.truncated for examples in splits.values())
    if truncated:
        said.append(
            Notice(
                level="warning",
                code="truncated",
                message=ngettext(
                    "{n} example is cut off at {most} tokens",
                    "{n} examples are cut off at {most} tokens",
                    truncated,
                ).format(n=truncated, most=max_seq_length),
                hint=_("Raise train.max_seq_length or shorten them."),
            )
        )
    return said
