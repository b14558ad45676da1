"""What is wrong in a data set: each fault, and the one rule on which of them end a training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext

FORMATS = _("Each line is one of {chat}, {completion} or {text}.").format(
    chat='{"messages": [{"role": "user", "content": "..."}, '
    '{"role": "assistant", "content": "..."}]}',
    completion='{"prompt": "...", "completion": "..."}',
    text='{"text": "..."}',
)
FOLDER = _(
    "Data is a folder with a train.jsonl; farense-tui data make FILE --to DIR makes one of the "
    "files there are."
)
# Faults that no row can be left out for: what stands there is not known. All others are rows.
FATAL = ("file", "not_json", "not_utf8")
MOST_LOST = 0.1  # of the rows of a file, without data.skip
_MOST_FAULTS = 20
# A file that is no data set at all has a fault on every line; more than these are only counted.
_MOST_KEPT = 1000


@dataclass(frozen=True)
class Fault:
    """What is wrong with a line, or with a file where `line` is 0; `code` says it in one word.

    foreign: `data make` makes rows of it, by the command in `what`.
    """

    path: Path
    line: int
    what: str
    code: str = "row"
    foreign: bool = False

    def __str__(self) -> str:
        """As `file:line: what`, which editors and terminals can open."""
        return f"{self.path}:{self.line}: {self.what}" if self.line else f"{self.path}: {self.what}"


class Faults:
    """Collects faults: keeps the first thousand and counts them all.

    The one rule on whether a data set with faults is trained on all the same, without the rows
    that have them, is `why_refused`.
    """

    def __init__(self) -> None:
        """None yet."""
        self.kept: list[Fault] = []
        self.count = 0
        self._fatal = 0
        self._lines: Counter[Path] = Counter()
        self._lost: Counter[Path] = Counter()

    def look(self, path: Path) -> None:
        """Count a line that is looked at."""
        self._lines[path] += 1

    def add(self, fault: Fault) -> None:
        self.count += 1
        if fault.path.stem == "test":
            pass  # training goes without
        elif fault.code in FATAL:
            self._fatal += 1
        else:
            self._lost[fault.path] += 1
        if len(self.kept) < _MOST_KEPT:
            self.kept.append(fault)

    def why_refused(self, skip: bool) -> str:
        """Say why there is no training; empty if the rows with faults are left out.

        Refused: a line that is no JSON, a training set of which nothing is left, and, without
        `skip`, a loss of more than a tenth of a file. What test.jsonl loses is not trained on.
        """
        if self._fatal:
            return _("files or lines that cannot be read")
        for path, lost in self._lost.items():
            rows = self._lines[path]
            if path.stem == "train" and lost >= rows:
                return _("no row of {file} can be trained on").format(file=path.name)
            if lost > MOST_LOST * rows and not skip:
                said = _(
                    "{lost} of {rows} rows of {file} cannot be trained on, more than a tenth; with "
                    "data.skip they are left out all the same"
                )
                return said.format(lost=lost, rows=rows, file=path.name)
        return ""

    def refuse(self, skip: bool = False) -> None:
        """Raise FarenseError (refused) that lists them, if they are not to be left out."""
        if why := self.why_refused(skip):
            faults = sorted(self.kept, key=lambda f: (str(f.path), f.line))
            raise faulty(faults, self.count, "" if self._fatal else why)


def faulty(faults: Sequence[Fault], number: int, why: str = "") -> FarenseError:
    """Make the one error out of all the faults; `number` may be more than are at hand."""
    listed = first_of([str(fault) for fault in faults], number)
    title = ngettext("the data has a fault", "the data has {n} faults", number).format(n=number)
    detail = "\n".join(filter(None, (why, listed)))
    hint = FORMATS
    if all(fault.code == "file" for fault in faults):  # no row was seen: `what` has a command
        hint = "" if any(fault.foreign for fault in faults) else FOLDER
    return refused(title, detail, hint, kind="data")


def first_of(lines: Sequence[str], number: int) -> str:
    """List the first of `number` lines, and say how many more there are."""
    listed = list(lines[:_MOST_FAULTS])
    if number > _MOST_FAULTS:
        listed.append(_("and {n} more").format(n=number - _MOST_FAULTS))
    return "\n".join(listed)
