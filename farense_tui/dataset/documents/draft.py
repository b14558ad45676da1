"""A draft: passages, the pairs that a model made of each, and what a person said of them.

draft.json       what it is made of: documents with their hashes, model, settings
passages.jsonl   a Passage each
pairs.jsonl      a Drafted each, in the order of the passages; what is not there yet is to be made
review.jsonl     a Decision each; the last one on a pair counts
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import msgspec
from farense_worker.protocol import plain_file
from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.task import Progress
from msgspec import Struct

from farense_tui.dataset import write
from farense_tui.dataset.documents import questions, support
from farense_tui.dataset.documents.models import Model
from farense_tui.dataset.documents.passages import Passage
from farense_tui.dataset.documents.questions import Pair

SETTINGS, PASSAGES, PAIRS, REVIEW = "draft.json", "passages.jsonl", "pairs.jsonl", "review.jsonl"
GROUP = "of"  # pairs of one stay in one split
_MOST_SAID = 500
_LONGEST = 1 << 30  # bytes of a file of a draft
S = TypeVar("S", bound=Struct)


class Document(Struct, frozen=True):
    """A document as it was read."""

    name: str
    sha256: str


class Settings(Struct, frozen=True, kw_only=True):
    """All that the pairs follow from. again: the model is asked whether it finds each answer."""

    farense_draft: int = 1
    documents: tuple[Document, ...]
    model: str
    address: str = ""
    questions: int = 3
    characters: int = 0
    again: bool = True


class Drafted(Struct, frozen=True):
    """The pairs of a passage, by its number. said: what the model wrote where there are none."""

    passage: int
    pairs: tuple[Pair, ...]
    said: str = ""


class Decision(Struct, frozen=True):
    """What a person said of a pair: `state`, and other words for it where they are not empty."""

    passage: int
    pair: int
    state: Literal["keep", "drop", "open"]
    question: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Shown:
    """A pair with all there is to know of it."""

    at: tuple[int, int]  # passage, pair
    passage: Passage
    pair: Pair
    decision: Decision | None = None

    @property
    def state(self) -> str:
        """keep, drop, or open where nobody has said."""
        return self.decision.state if self.decision else "open"

    @property
    def question(self) -> str:
        return (self.decision and self.decision.question) or self.pair.question

    @property
    def answer(self) -> str:
        return (self.decision and self.decision.answer) or self.pair.answer


def is_draft(folder: Path) -> bool:
    return (folder / SETTINGS).is_file() and (folder / PASSAGES).is_file()


def begin(folder: Path, settings: Settings, passages: Sequence[Passage]) -> None:
    """Make a draft's folder, or see that the one that is there is of the same documents and model.

    Raises FarenseError (refused) for another draft, or a folder that is none.
    """
    if is_draft(folder):
        there = _one(folder / SETTINGS, Settings)
        if there != settings:
            raise refused(
                _("{folder} is the draft of other documents, or with other settings").format(
                    folder=folder
                ),
                _different(there, settings),
                hint=_("--to names a new folder; nothing is overwritten."),
                kind="exists",
            )
        return
    with write.new_folder(folder) as made:
        lines = b"".join(msgspec.json.encode(each) + b"\n" for each in passages)
        (made / PASSAGES).write_bytes(lines)
        raw = msgspec.json.format(msgspec.json.encode(settings), indent=1)
        (made / SETTINGS).write_bytes(raw + b"\n")


def go_on(folder: Path, model: Model, tell: Callable[[Progress], None]) -> int:
    """Make the pairs of the passages that have none yet; give how many pairs there are then.

    Each passage is one line, written when it is whole: whatever breaks off, the next call goes on
    there, and the file is the same byte for byte. Raises FarenseError (refused) where another
    process is at it.
    """
    settings = _one(folder / SETTINGS, Settings)
    passages = _all(folder / PASSAGES, Passage)
    with (folder / PAIRS).open("a+b") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            title = _("another process is making this draft")
            raise refused(title, str(folder), kind="locked") from error
        file.seek(0)
        whole = file.read()
        file.truncate(whole.rfind(b"\n") + 1)
        for number in range(whole.count(b"\n"), len(passages)):
            tell(Progress(_("asking"), number, len(passages), _("passages")))
            made = _drafted(settings, number, passages[number], model)
            file.write(msgspec.json.encode(made) + b"\n")
            file.flush()
            os.fsync(file.fileno())
    return sum(len(each.pairs) for each in _all(folder / PAIRS, Drafted))


def shown(folder: Path) -> list[Shown]:
    """Give all pairs with what was decided on them."""
    passages = _all(folder / PASSAGES, Passage)
    decisions = {(each.passage, each.pair): each for each in _all(folder / REVIEW, Decision)}
    drafted = _all(folder / PAIRS, Drafted)
    if any(not 0 <= line.passage < len(passages) for line in drafted):
        raise _damaged(folder / PAIRS, ValueError(_("a passage that there is not")))
    return [
        Shown((line.passage, at), passages[line.passage], pair, decisions.get((line.passage, at)))
        for line in drafted
        for at, pair in enumerate(line.pairs)
    ]


def decide(folder: Path, decision: Decision) -> None:
    """Keep what a person said."""
    with (folder / REVIEW).open("ab") as file:
        file.write(msgspec.json.encode(decision) + b"\n")


def barren(folder: Path) -> list[str]:
    """Give what the model wrote of passages that have no pairs."""
    return [each.said for each in _all(folder / PAIRS, Drafted) if not each.pairs]


def _drafted(settings: Settings, number: int, passage: Passage, model: Model) -> Drafted:
    most = questions.TOKENS_EACH * settings.questions
    said = model.ask(questions.wanted(passage, settings.questions), most)
    found = questions.read(said, settings.questions)
    pairs = tuple(_looked_at(settings, passage, pair, model) for pair in found)
    return Drafted(number, pairs, "" if pairs else said[:_MOST_SAID])


def _looked_at(settings: Settings, passage: Passage, pair: Pair, model: Model) -> Pair:
    """Set a pair aside that the passage, or the model asked again, does not support."""
    why = support.missing(pair.question, pair.answer, passage.text)
    if not why and settings.again:
        said = model.ask(questions.asked_again(passage, pair), questions.CHECK_TOKENS)
        if not questions.agreed(said):
            why = _("asked again, the model does not find it: {said}").format(said=said[:40])
    return Pair(pair.question, pair.answer, why)


def _different(there: Settings, now: Settings) -> str:
    """Name the settings in which two drafts differ, and what they are in each."""
    lines = []
    for name in Settings.__struct_fields__:
        before, after = getattr(there, name), getattr(now, name)
        if name == "documents":
            before, after = (", ".join(each.name for each in drawn) for drawn in (before, after))
        if getattr(there, name) != getattr(now, name):
            said = _("{name}: {before} there, {after} now")
            lines.append(said.format(name=name, before=before or "-", after=after or "-"))
    return "\n".join(map(clean, lines))


def _one(path: Path, kind: type[S]) -> S:
    try:
        return msgspec.json.decode(plain_file.content(path, _LONGEST), type=kind)
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error


def _all(path: Path, kind: type[S]) -> list[S]:
    """Read the whole lines of a file; one that is not there has none."""
    if not path.exists():
        return []
    decoder = msgspec.json.Decoder(kind)
    try:
        raw = plain_file.content(path, _LONGEST)
        return [decoder.decode(line) for line in raw[: raw.rfind(b"\n") + 1].splitlines()]
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> Exception:
    return refused(_("{path} is damaged").format(path=path), str(error), kind="draft")
