"""A look through a whole data set: one pass over each file, row by row."""

from __future__ import annotations

import sys
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from farense_worker.data import dated, labels, text_remarks, untrained_parts
from farense_worker.data.labels import Encoded
from farense_worker.data.prepare import needs_template, unusable
from farense_worker.inspect.duplicates import Duplicates
from farense_worker.inspect.lengths import Lengths
from farense_worker.inspect.questions import Questions
from farense_worker.inspect.token_text import MOST_TOKENS, pieces
from farense_worker.protocol import dataset, foreign_rows, holdout
from farense_worker.protocol.dataset import SPLITS, Row
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages.data_check import CODES, Example, Finding, Report, Split
from farense_worker.protocol.rows.row_faults import Fault, Faults
from farense_worker.protocol.settings.profile import Answers, Features

_MOST_OF_A_CODE = 50


class Survey:
    """Looks through one data set."""

    def __init__(
        self,
        tokenizer: Any,
        *,
        max_seq_length: int,
        mask_prompt: bool,
        answers: Answers = "all",
        append_end: bool = True,
        skip: bool = False,
        names: Features | None = None,
        made_for: int = 0,
        examples: int,
        every: bool = False,
        tell: Callable[[int, int], None],
    ) -> None:
        """Without a tokenizer (None) nothing is said of tokens and labels.

        made_for: tokens that the model was made for, 0 where that is not known.
        examples: how many rows to show. every: all findings are wanted, not the first of each
        code. tell: called with the rows done and all rows.
        """
        self._tokenizer = tokenizer
        self._most = max_seq_length
        self._mask_prompt = mask_prompt
        self._answers: Answers = answers
        self._append_end = append_end
        self._skip = skip
        self._names = names or Features()
        self._faults = Faults()
        self._made_for = made_for
        self._wanted = examples
        self._most_of_a_code = sys.maxsize if every else _MOST_OF_A_CODE
        self._tell = tell
        self._told = time.monotonic()
        self._done = self._total = 0
        self._kind = ""
        self._trained: dataset.Kind | None = None  # the kind of train.jsonl
        self._rows: dict[str, int] = {}
        self._counts: Counter[str] = Counter()
        self._findings: list[Finding] = []
        self._examples: list[Example] = []
        self._duplicates = Duplicates()
        self._questions = Questions()
        self._fingerprints = array("Q")

    def report(
        self,
        folder: Path,
        *,
        model: str,
        no_tokenizer: str,
        valid_fraction: float,
        seed: int,
        unnamed_end: str = "",
    ) -> Report:
        """Look through all the files of a folder. unnamed_end: what stops.remark says."""
        paths = [folder / f"{name}.jsonl" for name in SPLITS]
        splits: list[Split] = []
        for path in [path for path in paths if self._there(path)]:
            try:
                splits.append(self._split(path))
            except OSError as error:
                self._unreadable(path, error)
        absent = dataset.nothing_to_train_on(folder, self._rows.get("train"))
        if absent and not (self._counts and "train" in self._rows):
            self._find(absent.code, absent.path, 0, absent.what, foreign=absent.foreign)
        if misnamed := dataset.not_read(folder):
            self._find(misnamed.code, misnamed.path, 0, misnamed.what)
        if others := foreign_rows.beside(folder):
            self._find("other_files", folder, 0, others)
        self._find_duplicates(paths)
        if (why := self._faults.why_refused(self._skip)) and not self._errors:
            self._find("too_many", folder, 0, why)
        if unnamed_end and self._kind != "text":
            self._find("unnamed_end", folder, 0, unnamed_end)
        order = {str(path): at for at, path in enumerate(paths)}
        return Report(
            path=str(folder),
            model=model,
            max_seq_length=self._most,
            mask_prompt=self._mask_prompt,
            answers=self._answers,
            kind=self._kind,
            splits=tuple(splits),
            findings=tuple(sorted(self._findings, key=lambda f: (order.get(f.path, -1), f.line))),
            counts=dict(self._counts),
            examples=tuple(self._examples),
            set_aside=self._set_aside(valid_fraction, seed),
            no_tokenizer=no_tokenizer,
        )

    def _there(self, path: Path) -> bool:
        """Whether there is such a file; its rows are added to those to look through."""
        try:
            if not path.is_file():
                return False
            self._total += dataset.count(path)
        except OSError as error:
            self._unreadable(path, error)
            return False
        return True

    def _unreadable(self, path: Path, error: OSError) -> None:
        self._rows.setdefault(path.stem, 0)
        self._find("file", path, 0, error.strerror or str(error))

    def _split(self, path: Path) -> Split:
        lengths = Lengths(self._most)
        for row, found in self._encoded(path):
            self._progress()
            if isinstance(found, Encoded):
                lengths.add(found)
                self._look_at_tokens(path, row, found)
            code, wrong = unusable(found, self._most)
            if wrong:
                length = len(found.tokens) if isinstance(found, Encoded) else 0
                self._lose(Fault(path, row.line, wrong, code), length)
            elif path.stem == "train":
                self._fingerprints.append(row.fingerprint(normalised=True))
        return lengths.split(path.stem, self._rows[path.stem])

    def _encoded(self, path: Path) -> Iterator[tuple[Row, Encoded | str]]:
        """Give each row with its tokens or with what is wrong; nothing is where none are known."""
        rows = self._sound(path)
        first = next(rows, None)
        if first is None:
            return
        rows = chain([first], rows)
        tokenizer = self._tokenizer
        if tokenizer is not None:
            try:
                needs_template(tokenizer, first, path)
            except FarenseError as error:
                self._find("no_template", path, 0, error.title)
                tokenizer = None
        if tokenizer is not None and "dated" not in self._counts:
            if said := dated.remark(tokenizer, first):
                self._find("dated", path, first.line, said)
        if tokenizer is None:
            yield from ((row, "") for row in rows)
        else:
            yield from labels.encode_all(
                tokenizer, rows, self._mask_prompt, self._answers, self._append_end
            )

    def _sound(self, path: Path) -> Iterator[Row]:
        """Give the rows that are rows, looked at without a tokenizer."""
        number, name = SPLITS.index(path.stem), path.stem
        self._rows[name] = 0
        for found in dataset.scan(path, self._names):
            self._faults.look(path)
            if isinstance(found, Fault):
                self._lose(found)
                continue
            if not self._rows[name] and self._mask_prompt:
                if said := dataset.unlike(found.kind, self._trained):
                    self._find("other_kind", path, 0, said)
            self._rows[name] += 1
            self._kind = self._kind or found.kind
            if name == "train":
                self._trained = self._trained or found.kind
            self._duplicates.add(number, found)
            self._questions.add(number, found)
            for remark in text_remarks.remarks(found, self._tokenizer):
                self._find(remark.code, path, found.line, remark.what)
            for remark in untrained_parts.remarks(found, self._mask_prompt, self._answers):
                self._find(remark.code, path, found.line, remark.what)
            yield found

    def _look_at_tokens(self, path: Path, row: Row, found: Encoded) -> None:
        length = len(found.tokens)
        if length > self._most > found.first:
            what = ngettext(
                "{tokens} tokens, {cut} is cut off: {lost} of {labels} labels",
                "{tokens} tokens, {cut} are cut off: {lost} of {labels} labels",
                length - self._most,
            ).format(
                tokens=length,
                cut=length - self._most,
                lost=found.labels() - found.labels(self._most),
                labels=found.labels(),
            )
            self._find("truncated", path, row.line, what, length)
        if self._made_for and min(length, self._most) > self._made_for:
            what = _("{tokens} tokens, the model was made for {most}")
            what = what.format(tokens=min(length, self._most), most=self._made_for)
            self._find("beyond", path, row.line, what, length)
        for remark in found.remarks:
            self._find(remark.code, path, row.line, remark.what)
        if len(self._examples) < self._wanted:
            self._examples.append(self._example(path, row, found))

    def _example(self, path: Path, row: Row, found: Encoded) -> Example:
        length = len(found.tokens)
        trained_on = found.labels(self._most)
        shown = pieces(self._tokenizer, found, self._most)
        return Example(str(path), row.line, length, trained_on, max(0, length - MOST_TOKENS), shown)

    def _find_duplicates(self, paths: list[Path]) -> None:
        for again in self._duplicates.find():
            path, first = paths[again.split], paths[again.first_split]
            what = _("the same as {place}")
            if not again.exact:
                what = _("the same as {place} but for white space and case")
            code = "duplicate" if again.split == again.first_split else "leak"
            place = f"{first.name}:{again.first_line}"
            self._find(code, path, again.line, what.format(place=place))

        for (split, line), (first_split, first_line) in self._questions.find():
            place = f"{paths[first_split].name}:{first_line}"
            what = _("asks what {place} asks").format(place=place)
            self._find("asked_again", paths[split], line, what)

    def _set_aside(self, fraction: float, seed: int) -> int:
        if not fraction or self._rows.get("valid") or not self._fingerprints:
            return 0
        return int(holdout.draw(np.frombuffer(self._fingerprints, np.uint64), fraction, seed).sum())

    @property
    def _errors(self) -> bool:
        return any(CODES[code][0] == "error" for code in self._counts)

    def _lose(self, fault: Fault, tokens: int = 0) -> None:
        self._faults.add(fault)
        code = "test_label" if _is_test(fault.path) else fault.code
        self._find(code, fault.path, fault.line, fault.what, tokens, foreign=fault.foreign)

    def _find(
        self,
        code: str,
        path: Path,
        line: int,
        what: str,
        tokens: int = 0,
        *,
        foreign: bool = False,
    ) -> None:
        self._counts[code] += 1
        if self._counts[code] <= self._most_of_a_code:
            self._findings.append(Finding(code, str(path), line, what, tokens, foreign))

    def _progress(self) -> None:
        self._done += 1
        if time.monotonic() - self._told > 0.25:
            self._told = time.monotonic()
            self._tell(self._done, self._total)


def _is_test(path: Path) -> bool:
    """Whether training goes without this file."""
    return path.stem == "test"
