"""Data that others train on and a run here does not: what it is, and the command that helps.

Only commands that work today, with Python alone.
"""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path
from typing import Any

from farense_worker.protocol.language import gettext as _

# Names under which validation rows are kept elsewhere.
_VALIDATION = ("val", "validation", "dev", "eval")
# not translated: programs
_ROWS = "import json, sys; [print(json.dumps({row}, ensure_ascii=False)) for r in {rows}]"
_SYSTEM = '[{"role": "system", "content": r.get("system")}] * bool(r.get("system"))'
_ALPACA = (
    '{"messages": '
    + _SYSTEM
    # not translated: a program
    + ' + [{"role": o, "content": t} for p in [*(r.get("history") or []), ["\\n\\n".join(filter('
    'None, [r["instruction"], r.get("input")])), r["output"]]] '
    'for o, t in zip(["user", "assistant"], p)]}'
)
_SHAREGPT = (
    '{"messages": '
    + _SYSTEM
    # not translated: a program
    + ' + [{"role": {"human": "user", "gpt": "assistant"}.get(m["from"], m["from"]), '
    '"content": m["value"], "weight": m.get("weight")} for m in r["KEY"]], "tools": r.get("tools")}'
)
_MESSAGES = '{"messages": ' + _SYSTEM + ' + r["KEY"], "tools": r.get("tools")}'
_CHOSEN = (
    # not translated: a program
    '{"prompt": r.get("prompt"), "completion": r["chosen"]} if isinstance(r["chosen"], str) else '
    '{"messages": (r["prompt"] if isinstance(r.get("prompt"), list) else []) + r["chosen"]}'
)
_MOST_BYTES = 1 << 28
_LINES = "map(json.loads, sys.stdin)"  # not translated: a program
# Pairs of keys that others have for a question and its answer.
_PAIRS = (
    ("question", "answer"),
    ("input", "output"),
    ("query", "response"),
    ("instruction", "response"),
    ("prompt", "response"),
    ("pergunta", "resposta"),
)


def row(path: Path, values: dict[str, Any], line: int) -> str:
    """Say what a row is that has none of our keys; "" where nothing tells.

    The command is told with the first line alone: a file has thousands.
    """
    name, made = _known(values)
    if not name or line > 1:
        return name
    command = _converted(path, made)
    return _("{what}. This makes rows of all of them: {command}").format(what=name, command=command)


def _known(values: dict[str, Any]) -> tuple[str, str]:
    if {"instruction", "output"} <= values.keys():
        return _("an Alpaca row"), _ALPACA
    for key in ("conversations", "conversation", "messages"):
        if _holds(values.get(key), "from", "value"):
            return _("a ShareGPT row"), _SHAREGPT.replace("KEY", key)
        if key != "messages" and _holds(values.get(key), "role", "content"):
            name = _('a row whose messages are its "{key}"')
            return name.format(key=key), _MESSAGES.replace("KEY", key)
    if _holds(values.get("prompt"), "role") and _holds(values.get("completion"), "role"):
        name = _("a row whose prompt and completion are messages")
        return name, '{"messages": r["prompt"] + r["completion"], "tools": r.get("tools")}'
    if {"chosen", "rejected"} <= values.keys():
        return _("a row of preferences, of which the chosen answer can be trained on"), _CHOSEN
    there = {key.casefold(): key for key in values}
    for pair in _PAIRS:
        if set(pair) <= there.keys():
            prompt, completion = (there[key] for key in pair)
            name = _('a row whose question is "{prompt}" and whose answer is "{completion}"')
            made = f'{{"prompt": r["{prompt}"], "completion": r["{completion}"]}}'
            return name.format(prompt=prompt, completion=completion), made
    return "", ""


def _holds(messages: Any, *keys: str) -> bool:
    """Whether these are messages with such keys."""
    first = messages[0] if isinstance(messages, list) and messages else None
    return isinstance(first, dict) and set(keys) <= first.keys()


def whole(path: Path, raw: bytes) -> str:
    """Say that a file is one JSON value with rows in it, if this is its first line; else ""."""
    begins = raw.lstrip(b"\xef\xbb\xbf").strip()
    if not begins.startswith(b"[") and begins != b"{":
        return ""
    values, rows = _read(path), "json.load(sys.stdin)"
    if begins == b"{":
        there = values if isinstance(values, dict) else {}
        lists = [name for name, each in there.items() if _holds(each)]
        if len(lists) != 1:
            return ""
        values, rows = there[lists[0]], f"{rows}[{json.dumps(lists[0])}]"
    first = values[0] if isinstance(values, list) and values else None
    name, made = _known(first) if isinstance(first, dict) else ("", "")
    what = _(
        "the file is one JSON array, not a row on each line. This makes lines of it: {command}"
    )
    if name:
        what = _("the file is one JSON array, each of it {name}. This makes rows: {command}")
    return what.format(name=name, command=_converted(path, made or "r", rows))


def _read(path: Path) -> Any:
    """Give what a file of JSON holds; None where it is none, or too long to be looked at."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            return None
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None


def no_folder(path: Path) -> str:
    """Say what stands where a folder should, if it is a file; else ""."""
    if not os.path.isfile(path):  # Path.is_file raises for a name that is too long
        return ""
    folder = path.with_suffix("")
    folder = folder if folder != path else path.with_name(f"{path.name}-data")
    place = shlex.quote(str(folder))
    command = f"mkdir {place} && cp {shlex.quote(str(path))} {place}/train.jsonl"
    return _("it is a file; rows are in a folder, as train.jsonl: {command}").format(
        command=command
    )


def no_train(folder: Path) -> str:
    """Say which file may hold the rows of a folder without train.jsonl; "" where there is none."""
    found = sorted(
        path for pattern in ("*.jsonl", "*.json") for path in folder.glob(pattern)
        if path.is_file() and not path.name.startswith(".")
        and path.stem not in ("valid", "test", *_VALIDATION)
    )  # fmt: skip
    found.sort(key=lambda path: "train" not in path.name)
    if not found:
        return ""
    return _("there is no train.jsonl in it, but {name}: {command}").format(
        name=found[0].name, command=_moved(found[0], "train.jsonl")
    )


def no_valid(folder: Path) -> tuple[Path, str] | None:
    """Find validation rows under a name that is not read, where there is no valid.jsonl."""
    if os.path.isfile(folder / "valid.jsonl"):
        return None
    names = [f"{name}.jsonl" for name in _VALIDATION]
    names += [f"{name}.json" for name in ("valid", *_VALIDATION)]
    for path in (folder / name for name in names):
        if os.path.isfile(path):
            what = _("it is not read under this name: {command}")
            return path, what.format(command=_moved(path, "valid.jsonl"))
    return None


def _moved(path: Path, name: str) -> str:
    return f"mv {shlex.quote(str(path))} {shlex.quote(str(path.with_name(name)))}"


def _converted(path: Path, made: str, rows: str = _LINES) -> str:
    place, beside = shlex.quote(str(path)), shlex.quote(str(path.with_name(f"{path.name}.new")))
    program = shlex.quote(_ROWS.replace("{row}", made).replace("{rows}", rows))
    before = "PYTHONIOENCODING=utf-8-sig " if _has_mark(path) else ""
    return f"{before}python3 -c {program} < {place} > {beside} && mv {beside} {place}"


def _has_mark(path: Path) -> bool:
    """Whether a byte order mark comes first, which Python's json does not take."""
    try:
        with path.open("rb") as file:
            return file.read(3) == b"\xef\xbb\xbf"
    except OSError:
        return False
