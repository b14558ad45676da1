"""The examples: rows become tokens, and it is known which of them are labels.

Rows are read as mlx_lm reads them (mlx_lm/tuner/datasets.py), so that both train on the same
tokens. What follows a prompt is a label where prompts are masked; padding never is.
"""

from __future__ import annotations

import functools
import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worker.output import Output
from worker.protocol import dataset
from worker.protocol.dataset import Fault, Row, faulty
from worker.protocol.errors import refused
from worker.protocol.events import Notice, Progress

Ints = NDArray[np.int32]


@dataclass(frozen=True)
class Examples:
    """A tokenised split: all tokens in one array, so that a million rows are no objects.

    tokens: (sum of lengths,) int32. bounds: (n + 1,) where each example begins and the last ends.
    first_label: (n,) index within the example of the first token that is a label, at least 1.
    truncated: how many examples were longer than max_seq_length.
    """

    tokens: Ints
    bounds: NDArray[np.int64]
    first_label: Ints
    truncated: int

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.first_label)

    def example(self, index: int) -> Ints:
        """Give the tokens of one example."""
        tokens: Ints = self.tokens[self.bounds[index] : self.bounds[index + 1]]
        return tokens

    @functools.cached_property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each example, (n,)."""
        lengths: NDArray[np.int64] = np.diff(self.bounds)
        return lengths

    @functools.cached_property
    def labels(self) -> NDArray[np.int64]:
        """Label tokens of each example, (n,)."""
        labels: NDArray[np.int64] = self.lengths - self.first_label
        return labels

    def digest(self) -> str:
        """SHA-256 over tokens and labels: equal for what trains equally."""
        sha = hashlib.sha256()
        for array in (self.tokens, self.bounds, self.first_label):
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()


def load(
    folder: Path, tokenizer: Any, *, max_seq_length: int, mask_prompt: bool, output: Output
) -> tuple[Examples, Examples | None]:
    """Read and tokenise train.jsonl and, where there is one, valid.jsonl.

    Raises FarenseError (refused) that lists every row that cannot be trained on, with its line.
    """
    summary = dataset.check(folder)
    files = {
        split: dataset.read(folder / f"{split}.jsonl")
        for split in ("train", "valid")
        if summary.rows.get(split)
    }
    progress = _reporter(output, sum(len(rows) for rows in files.values()))
    splits = {
        split: _tokenise(
            folder / f"{split}.jsonl", rows, tokenizer, max_seq_length, mask_prompt, progress
        )
        for split, rows in files.items()
    }
    _notices(files["train"], splits, max_seq_length, mask_prompt, output)
    return splits["train"], splits.get("valid")


def encode(tokenizer: Any, row: Row, mask_prompt: bool) -> tuple[list[int], int]:
    """Tokenise one row: its tokens, and the index of the first that is a label (at least 1).

    The first token is never a label: nothing predicts it. With mask_prompt the last message is
    what is trained on, and it must be an answer; mlx_lm would also train on a question.
    """
    if row.kind == "text":
        tokens = list(tokenizer.encode(row.values["text"]))
        if tokens[-1] != tokenizer.eos_token_id:
            tokens.append(tokenizer.eos_token_id)
        return tokens, 1
    if row.kind == "completion":
        messages = [
            {"role": "user", "content": row.values["prompt"]},
            {"role": "assistant", "content": row.values["completion"]},
        ]
    else:
        messages = row.values["messages"]
    tools = row.values.get("tools")
    tokens = list(tokenizer.apply_chat_template(messages, tools=tools, return_dict=False))
    if not mask_prompt:
        return tokens, 1
    if messages[-1]["role"] != "assistant":  # no answer in it: nothing is a label
        return tokens, len(tokens)
    prompt = tokenizer.apply_chat_template(
        messages[:-1],
        tools=tools,
        add_generation_prompt=True,
        return_dict=False,
    )
    return tokens, max(1, len(prompt))


def _tokenise(
    path: Path,
    rows: list[Row],
    tokenizer: Any,
    max_seq_length: int,
    mask_prompt: bool,
    progress: Callable[[], None],
) -> Examples:
    from jinja2 import TemplateError

    if rows[0].kind != "text" and not tokenizer.chat_template:
        raise refused(
            f"the model has no chat template, and the rows of {path} are {rows[0].kind} rows",
            hint='Use an instruct model, or rows of {"text": "..."}.',
            kind="data",
        )
    pieces: list[Ints] = []
    first_label: list[int] = []
    faults: list[Fault] = []
    truncated = 0
    for row in rows:
        progress()
        try:
            tokens, first = encode(tokenizer, row, mask_prompt)
        except (TemplateError, ValueError, TypeError, KeyError) as error:
            faults.append(Fault(path, row.line, f"the chat template refuses the row: {error}"))
            continue
        if first >= len(tokens):
            faults.append(Fault(path, row.line, "no token of the row is a label"))
        elif first >= max_seq_length:
            what = f"its first label is token {first + 1}, train.max_seq_length is {max_seq_length}"
            faults.append(Fault(path, row.line, f"all labels are cut off: {what}"))
        truncated += len(tokens) > max_seq_length
        pieces.append(np.asarray(tokens[:max_seq_length], dtype=np.int32))
        first_label.append(first)
    if faults:
        raise faulty(faults)
    return Examples(
        tokens=np.concatenate(pieces),
        bounds=np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])]).astype(np.int64),
        first_label=np.asarray(first_label, dtype=np.int32),
        truncated=truncated,
    )


def _notices(
    train: list[Row],
    splits: dict[str, Examples],
    max_seq_length: int,
    mask_prompt: bool,
    output: Output,
) -> None:
    if "valid" not in splits:
        output.emit(
            Notice(
                level="warning",
                code="no_validation",
                message="there is no validation set: nothing tells which adapter is the best",
                hint="Put some rows into valid.jsonl.",
            )
        )
    if mask_prompt and train[0].kind == "text":
        output.emit(
            Notice(
                level="info",
                code="mask_prompt",
                message="text rows have no prompt: every token is trained on",
            )
        )
    truncated = sum(examples.truncated for examples in splits.values())
    if truncated:
        output.emit(
            Notice(
                level="warning",
                code="truncated",
                message=f"{truncated} examples are cut off at {max_seq_length} tokens",
                hint="Raise train.max_seq_length or shorten them.",
            )
        )


def _reporter(output: Output, total: int) -> Callable[[], None]:
    """Make a function that counts examples and tells of it twice a second."""
    done, last = 0, time.monotonic()

    def count() -> None:
        nonlocal done, last
        done += 1
        if time.monotonic() - last > 0.5:
            last = time.monotonic()
            output.emit(Progress(done=done, total=total, unit="examples"))

    return count
