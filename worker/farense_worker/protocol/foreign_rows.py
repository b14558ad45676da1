"""Data that others train on and a run here does not: what it is, and the command that helps.

Only commands that work today, with Python alone.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Any

from farense_worker.protocol.language import gettext as _

# Names under which validation rows are kept elsewhere.
_VALIDATION = ("val", "validation", "dev", "eval")
# not translated: programs
_ROWS = "import json, sys; [print(json.dumps({row}, ensure_ascii=False)) for r in {rows}]"
_ALPACA = (
    '{"prompt": "\\n\\n".join(filter(None, [r["instruction"], r.get("input")])), '
    '"completion": r["output"]}'
)
_SHAREGPT = (
    '{"messages": [{"role": {"human": "user", "gpt": "assistant"}.get(m["from"], m["from"]), '
    '"content": m["value"]} for m in r["conversations"]]}'
)
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
    said = values.get("conversations")
    if isinstance(said, list) and said and isinstance(said[0], dict):
        if {"from", "value"} <= said[0].keys():
            return _("a ShareGPT row"), _SHAREGPT
    for prompt, completion in _PAIRS:
        if {prompt, completion} <= values.keys():
            name = _('a row whose question is "{prompt}" and whose answer is "{completion}"')
            made = f'{{"prompt": r["{prompt}"], "completion": r["{completion}"]}}'
            return name.format(prompt=prompt, completion=completion), made
    return "", ""


def array(path: Path, raw: bytes) -> str:
    """Say that a file is one JSON array, if this is its first line; else ""."""
    if not raw.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
        return ""
    return _(
        "the file is one JSON array, not a row on each line. This makes lines of it: {command}"
    ).format(command=_converted(path, "r", "json.load(sys.stdin)"))


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
    for name in _VALIDATION:
        path = folder / f"{name}.jsonl"
        if os.path.isfile(path):
            what = _("it is not read under this name: {command}")
            return path, what.format(command=_moved(path, "valid.jsonl"))
    return None


def _moved(path: Path, name: str) -> str:
    return f"mv {shlex.quote(str(path))} {shlex.quote(str(path.with_name(name)))}"


def _converted(path: Path, made: str, rows: str = _LINES) -> str:
    place, beside = shlex.quote(str(path)), shlex.quote(str(path.with_name(f"{path.name}.new")))
    program = shlex.quote(_ROWS.replace("{row}", made).replace("{rows}", rows))
    return f"python3 -c {program} < {place} > {beside} && mv {beside} {place}"
