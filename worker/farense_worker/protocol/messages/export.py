"""The task `export`: a run's adapter, or the model fused with it, for use elsewhere."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Literal

from msgspec import Struct

from farense_worker.protocol import plain_file
from farense_worker.protocol.settings.profile import Answers, Features

# keep: layers with an adapter become floats, the others stay as they are. float: all do.
# quantised: layers with an adapter are quantised again.
Precision = Literal["keep", "float", "quantised"]

MANIFEST = "export.json"
EDITED = 1 << 20  # bytes, at most, of a file that is looked at from end to end
_PLACES, _PIECE = 32, 1 << 16  # of a longer one


class Request(Struct, tag="export", frozen=True, kw_only=True):
    """What is to be exported, and where to. Folders are absolute.

    to: a folder that does not exist yet, beside where it will be in the end. data: its rows check
    the fused model. base: what the model is called elsewhere. peft, gguf_lora: the adapter as peft
    and llama.cpp have it. system: the system prompt it was trained with, None for none.
    check: what was written is compared with the model and its adapter. adapter_card, peft_card,
    model_card: README.md of the three; gguf_card: that of a GGUF file.
    """

    name: str
    repo: str
    base: str
    adapter: str
    to: str
    data: str
    prompts: tuple[str, ...] = ()
    system: str | None = None
    revision: str = ""
    trust_remote_code: bool = False
    fuse: bool = False
    gguf: bool = False
    peft: bool = False
    gguf_lora: bool = False
    precision: Precision = "keep"
    max_seq_length: int = 512
    mask_prompt: bool = True
    answers: Answers = "all"
    append_end: bool = True
    features: Features = Features()
    check: bool = True
    adapter_card: str = ""
    peft_card: str = ""
    model_card: str = ""
    gguf_card: str = ""


class Verified(Struct, frozen=True, kw_only=True):
    """How near what was exported is to the model with its adapter.

    answers_same of answers are greedy answers without a difference; answers are fewer than
    questions where the time was over (0 in an export of a version that did not count these).
    tokens: labels looked at; tokens_same: those for which both find the same token most likely.
    kept: share of the adapter's effect that is there, 1 - KL(adapter, exported) / KL(adapter,
    base).
    """

    answers: int
    answers_same: int
    tokens: int
    tokens_same: int
    kept: float
    difference: float
    questions: int = 0


class Part(Struct, frozen=True, kw_only=True):
    """One thing that was exported: its path in the folder, its size, what it was compared to."""

    what: str
    path: str
    bytes: int
    verified: Verified | None = None


class Exported(Struct, tag="exported", frozen=True, kw_only=True):
    """All that is in the folder now; also written there as export.json.

    files: by their paths in the folder; empty in an export of a version that did not name them.
    sums, samples: `sum_of` those of at most EDITED bytes, as the Modelfile and the cards, and of
    the longer ones; no samples in an export of a version that took none.
    checked: whether it was compared, as Request.check had it.
    """

    run: str
    model: str
    time: float
    precision: Precision
    parts: tuple[Part, ...]
    remarks: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    sums: dict[str, str] = {}
    samples: dict[str, str] = {}
    checked: bool = True


def sum_of(path: Path) -> str:
    """Give a file's SHA-256; of a long one that of its length and of pieces all over it.

    Whoever writes other weights into its place changes them, and it may have many gigabytes.
    """
    with plain_file.reading(path) as file:
        size = file.seek(0, os.SEEK_END)
        if size <= EDITED:
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()
        sha = hashlib.sha256(str(size).encode())
        for place in range(_PLACES):
            file.seek((size - _PIECE) * place // (_PLACES - 1))
            sha.update(file.read(_PIECE))
        return sha.hexdigest()
