"""What was said to models, kept beside the run so that it can be taken up; corrected answers.

A conversation is RUN/conversations/TIME.json. A corrected answer is a row of a data set of its own,
collected/RUN/train.jsonl beside the folder of the runs.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec
from farense_worker.protocol import plain_file
from farense_worker.protocol.messages.conversation import Setup
from farense_worker.protocol.run_folder import disk_error, write_atomically
from msgspec import Struct

_MOST = 50  # conversations that are offered
_LARGEST = 1 << 22  # bytes of one


class Turn(Struct, frozen=True):
    """A question, and what each model answered; the base model's name is empty."""

    question: str
    answers: dict[str, str]


class Saved(Struct, frozen=True):
    """A conversation as it is kept; system: what it was under, None for nothing."""

    time: float
    turns: tuple[Turn, ...]
    system: str | None = None

    def before(self) -> dict[str, list[tuple[str, str]]]:
        """Give it as the worker takes it up: for each model its questions and answers in turn."""
        found: dict[str, list[tuple[str, str]]] = {}
        for turn in self.turns:
            for name, answer in turn.answers.items():
                found.setdefault(name, []).extend(
                    [("user", turn.question), ("assistant", answer.strip())]
                )
        return found


class Keeper:
    """Keeps one screen's conversations; the first adapter's run has them."""

    def __init__(self, setup: Setup) -> None:
        first = next(iter(setup.adapters), None)
        self._run = Path(first.folder).parent if first and first.folder else None
        self._began = 0.0
        self._turns: list[Turn] = []

    def begin(self, before: Sequence[Turn] = (), at: float = 0.0) -> None:
        """Keep what comes now in a file of its own, or in that of the one that is taken up."""
        self._began, self._turns = at, list(before)

    def add(self, turn: Turn, system: str | None) -> None:
        """Keep a turn. Raises FarenseError if the disk does not take it."""
        self._turns.append(turn)
        if self._run is None or not self._run.is_dir():
            return
        self._began = self._began or time.time()
        folder = self._run / "conversations"
        saved = Saved(self._began, tuple(self._turns), system)
        try:
            folder.mkdir(exist_ok=True)
            write_atomically(folder / _name(self._began), msgspec.json.encode(saved).decode())
        except OSError as error:
            raise disk_error(error, folder) from error

    def saved(self) -> list[Saved]:
        """Give those that there are, the newest first; files that are none are passed over."""
        found: list[Saved] = []
        paths = self._run.glob("conversations/*.json") if self._run else ()
        for path in sorted(paths, reverse=True)[:_MOST]:
            try:
                saved = msgspec.json.decode(
                    plain_file.read(path, _LARGEST, follow=True), type=Saved
                )
                found += [saved] if saved.turns else []
            except (OSError, msgspec.DecodeError, RecursionError):
                continue
        return found

    def collect(
        self, question: str, answer: str, system: str | None, model: str = ""
    ) -> tuple[Path, int]:
        """Add a row; the file, and how many rows it has. Raises FarenseError if it cannot be.

        What was said to `model` before the newest question stands before it; its answers there are
        no labels.
        """
        name = self._run.name if self._run else "base"
        beside = self._run.parent.parent if self._run else Path.cwd()
        path = beside / "collected" / name / "train.jsonl"
        turns: list[dict[str, str | int]] = []
        if system is not None:
            turns.append({"role": "system", "content": system})
        for turn in self._turns[:-1]:
            if model in turn.answers:  # others were not asked that
                said = turn.answers[model].strip()
                turns += [
                    {"role": "user", "content": turn.question},
                    {"role": "assistant", "content": said, "weight": 0},
                ]
        turns += [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a+b") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - 1))
                torn = size > 0 and file.read(1) != b"\n"
                line = msgspec.json.encode({"messages": turns}) + b"\n"
                file.write(b"\n" + line if torn else line)
                file.flush()
                os.fsync(file.fileno())
            with plain_file.reading(path) as file:
                return path, sum(1 for _line in file)
        except OSError as error:
            raise disk_error(error, path) from error


def _name(began: float) -> str:
    stamp = time.strftime("%Y-%m-%d-%H%M%S", time.localtime(began))
    return f"{stamp}-{int(began % 1 * 1e6):06}.json"
