"""A data set on the disk: JSONL files with rows as mlx_lm reads them, and what is wrong in them.

Nothing here needs a tokenizer; how many tokens a row has and which are labels, data/prepare.py
finds out.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from farense_worker.protocol import foreign_rows, plain_file
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import pgettext
from farense_worker.protocol.rows import chat_rows, json_lines
from farense_worker.protocol.rows.row_faults import Fault, Faults, faulty
from farense_worker.protocol.settings.profile import Features

Kind = Literal["chat", "completion", "text"]
SPLITS = ("train", "valid", "test")
_OWN = Features()


@dataclass(frozen=True)
class Row:
    """One example as it stands in the file."""

    line: int
    kind: Kind
    values: dict[str, Any]

    def conversation(self) -> tuple[list[dict[str, Any]], Any]:
        """Give the messages and the tools of a chat or completion row, as mlx_lm puts them."""
        return self._conversation

    @functools.cached_property
    def _conversation(self) -> tuple[list[dict[str, Any]], Any]:
        if self.kind == "completion":
            messages = [
                {"role": "user", "content": self.values["prompt"]},
                {"role": "assistant", "content": self.values["completion"]},
            ]
        else:
            messages = self.values["messages"]
        return chat_rows.conversation(messages, self.values.get("tools"))

    @property
    def unweighted(self) -> frozenset[int]:
        """Give the indices of the messages that are not to be trained on."""
        return chat_rows.unweighted(self.values["messages"]) if self.kind == "chat" else frozenset()

    @property
    def system(self) -> str | None:
        """Give the system message that the conversation begins with; None without one."""
        if self.kind != "chat":
            return None
        if self.values["messages"][0].get("content") is None:
            return None
        first = self.conversation()[0][0]
        return str(first["content"]) if first["role"] == "system" else None

    @functools.cached_property
    def strings(self) -> list[str]:
        """Give all that is trained on, string by string; other keys of the row are not."""
        if self.kind == "text":
            return [self.values["text"]]
        found: list[str] = []
        _collect(self.conversation(), found)
        return found

    def fingerprint(self, *, normalised: bool) -> int:
        """Hash what is trained on, 64 bits; normalised: white space and case make no difference."""
        parts = self.strings
        if normalised:
            parts = [" ".join(part.split()).casefold() for part in parts]
        text = "\0".join([self.kind, *parts]).encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


@dataclass(frozen=True)
class Summary:
    """What a data folder holds. `faults` are the first thousand of `fault_count`.

    why: it cannot be trained on; empty if it can, without the rows that have faults.
    """

    path: Path
    rows: dict[str, int]
    faults: tuple[Fault, ...]
    fault_count: int = 0
    why: str = ""


def scan(path: Path, names: Features = _OWN) -> Iterator[Row | Fault]:
    """Go through a file line by line; empty lines are passed over.

    names: the keys of its rows. A Row has our own, whatever they are in the file.

    All rows must be of the kind of the first one, because mlx_lm takes a file by its first row.
    """
    kind: Kind | None = None
    with plain_file.reading(path) as file:
        for number, raw in enumerate(file, 1):
            if not raw.strip():
                continue
            if number == 1 and (what := foreign_rows.whole(path, raw)):
                yield Fault(path, 1, what, "not_json", foreign=True)
                return
            found = _row(path, number, raw, names)
            if isinstance(found, Row):
                kind = kind or found.kind
                if found.kind != kind:
                    what = _("a {kind} row among {others} rows").format(
                        kind=found.kind, others=kind
                    )
                    found = Fault(path, number, what, "kind")
            yield found


def unlike(kind: Kind, train: Kind | None) -> str:
    """Say that a split has text where train.jsonl has answers, or the reverse; else nothing.

    kind, train: of their first rows.
    """
    if train is None or (kind == "text") == (train == "text"):
        return ""
    return _(
        "it has {kind} rows, and train.jsonl {others} rows: of a text every token counts, of an "
        "answer the answer alone, so their losses cannot be compared"
    ).format(kind=kind, others=train)


def count(path: Path) -> int:
    """Count the lines that are not empty."""
    with plain_file.reading(path) as file:
        return sum(1 for raw in file if raw.strip())


def summarise(
    folder: Path, most: int | None = None, *, skip: bool = False, names: Features = _OWN
) -> Summary:
    """Count the rows of each split and collect the faults, without an exception.

    most: rows of a split to look at, None for all. skip: data.skip. names: as in scan.
    """
    rows: dict[str, int] = {}
    faults = Faults()
    for split in SPLITS:
        path = folder / f"{split}.jsonl"
        if not os.path.isfile(path):  # Path.is_file raises for a name that is too long
            continue
        rows[split] = 0
        try:
            for found in islice(scan(path, names), most):
                faults.look(path)
                if isinstance(found, Fault):
                    faults.add(found)
                else:
                    rows[split] += 1
        except OSError as error:
            faults.add(Fault(path, 0, error.strerror or str(error), "file"))
    absent = nothing_to_train_on(folder, rows.get("train"))
    if absent and not (faults.count and "train" in rows):
        faults.add(absent)
    if misnamed := not_read(folder):
        faults.add(misnamed)
    return Summary(folder, rows, tuple(faults.kept), faults.count, faults.why_refused(skip))


def nothing_to_train_on(folder: Path, train_rows: int | None) -> Fault | None:
    """Say why there is nothing to train on, if so. train_rows: None where there is no file."""
    if not os.path.isdir(folder):
        what = foreign_rows.no_folder(folder)
        none = " ".join(filter(None, (_("there is no such folder"), foreign_rows.meant(folder))))
        return Fault(folder, 0, what or none, "file", bool(what))
    if train_rows is None:
        what = foreign_rows.no_train(folder) or _("there is no train.jsonl in it")
        return Fault(folder, 0, what, "file", bool(foreign_rows.tables(folder)))
    if not train_rows:
        return Fault(folder / "train.jsonl", 0, _("there is no row in it"), "file")
    return None


def not_read(folder: Path) -> Fault | None:
    """Say that validation rows stand under a name that nothing reads, if so."""
    found = foreign_rows.no_valid(folder)
    return Fault(found[0], 0, found[1], "file") if found else None


def check(folder: Path, most: int | None = None, names: Features = _OWN) -> Summary:
    """As `summarise`, but FarenseError (refused) where no row of it can be trained on.

    All other faults are for the training to tell, together with those that take a tokenizer.
    """
    summary = summarise(folder, most, skip=True, names=names)
    if not summary.rows.get("train") or any(fault.code == "file" for fault in summary.faults):
        raise faulty(summary.faults, summary.fault_count)
    return summary


def _row(path: Path, number: int, raw: bytes, names: Features) -> Row | Fault:
    try:
        values = json_lines.decode(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw)
    except UnicodeDecodeError as error:
        what = _("not UTF-8 at byte {byte} of the line").format(byte=error.start + 1)
        return Fault(path, number, what, "not_utf8")
    except json.JSONDecodeError as error:
        what = _("not JSON: {why} (column {column})").format(why=error.msg, column=error.colno)
        return Fault(path, number, what, "not_json")
    except json_lines.Repeated as error:
        return Fault(path, number, str(error))
    except RecursionError:
        return Fault(path, number, _("not a row: nested too deeply"), "not_json")
    return checked(path, number, values, names)


def checked(path: Path, number: int, values: Any, names: Features = _OWN) -> Row | Fault:
    """Give what a line holds as a row, or what is wrong with it."""
    if not isinstance(values, dict):
        return Fault(path, number, _("not a JSON object"))
    keys = ", ".join(sorted(values)) or pgettext("keys", "none")
    values = _renamed(values, names)
    if what := chat_rows.tools_fault(values.get("tools")):
        return Fault(path, number, what)
    if "prompt" in values and "completion" in values:
        if not all(isinstance(values[key], str) for key in ("prompt", "completion")):
            if names.features == _OWN and (what := foreign_rows.row(path, values, number)):
                return Fault(path, number, what, foreign=number == 1)
            said = _('"{prompt}" and "{completion}" must be strings')
            return Fault(path, number, _with(said, names))
        return _sound(path, Row(number, "completion", values))
    if "messages" in values:
        what = chat_rows.fault(values["messages"])
        if what and (told := foreign_rows.row(path, values, number)):
            return Fault(path, number, told, foreign=number == 1)
        return Fault(path, number, what) if what else _sound(path, Row(number, "chat", values))
    if "text" in values:
        if not isinstance(values["text"], str) or not values["text"]:
            what = _('"{text}" must be text that is not empty')
            return Fault(path, number, _with(what, names))
        return _sound(path, Row(number, "text", values))
    if names.features == _OWN and (what := foreign_rows.row(path, values, number)):
        return Fault(path, number, what, foreign=number == 1)
    what = _('no "{chat}", "{prompt}" and "{completion}", or "{text}"; keys: {keys}')
    return Fault(path, number, _with(what, names, keys=keys))


def _with(what: str, names: Features, **more: str) -> str:
    return what.format(
        chat=names.chat_feature,
        prompt=names.prompt_feature,
        completion=names.completion_feature,
        text=names.text_feature,
        **more,
    )


def _renamed(values: dict[str, Any], names: Features) -> dict[str, Any]:
    """Give the columns our names; what stands under one of ours and is not meant goes."""
    theirs = {
        "messages": names.chat_feature,
        "prompt": names.prompt_feature,
        "completion": names.completion_feature,
        "text": names.text_feature,
    }
    if names == _OWN or all(ours == name for ours, name in theirs.items()):
        return values
    others = {
        key: value
        for key, value in values.items()
        if key not in theirs and key not in theirs.values()
    }
    return others | {ours: values[name] for ours, name in theirs.items() if name in values}


def _sound(path: Path, row: Row) -> Row | Fault:
    try:
        for text in row.strings:
            text.encode()
    except UnicodeEncodeError as error:
        half = f"\\u{ord(error.object[error.start]):04x}"
        what = _("{half} is half a character: no text has it").format(half=half)
        return Fault(path, row.line, what, "not_utf8")
    except RecursionError:
        return Fault(path, row.line, _("not a row: nested too deeply"), "not_json")
    return row


def _collect(value: Any, found: list[str]) -> None:
    """Gather the strings in what JSON can hold, keys included, in an order that is fixed."""
    if isinstance(value, str):
        found.append(value)
    elif isinstance(value, dict):
        for key in sorted(value):
            found.append(key)
            _collect(value[key], found)
    elif isinstance(value, list | tuple):
        for item in value:
            _collect(item, found)
    elif value is not None:
        found.append(repr(value))
