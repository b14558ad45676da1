"""The models that are on this machine: the embedded one, Hugging Face's cache, local folders."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from farense_worker.protocol import plain_file
from farense_worker.protocol.language import gettext as _

from farense_tui.engine.models import contents, locate
from farense_tui.engine.models.assets import embedded_model

Source = Literal["embedded", "cache", "folder"]

_PARTIAL = ("*.farense-partial", "*.incomplete")


@dataclass(frozen=True)
class Listed:
    """A model and what its config.json tells. Bytes on the disk; 0 and "" where not known.

    name: what model.repo takes. missing: what a run needs of it and is not there; a download
    brings it, if it is of the hub. trusts: it brings Python code of its own, which only
    model.trust_remote_code runs.
    """

    name: str
    source: Source
    path: Path
    bytes: int
    missing: tuple[str, ...] = ()
    kind: str = ""
    layers: int = 0
    vocabulary: int = 0
    weights: str = ""
    trusts: bool = False

    @property
    def whole(self) -> bool:
        return not self.missing


def found() -> list[Listed]:
    """List them, looking at the disk alone. Folders are those in ./models and FARENSE_MODELS."""
    listed = [*_embedded(), *_cached(), *_folders()]
    return sorted(listed, key=lambda each: (each.source != "embedded", each.name.casefold()))


def _embedded() -> Iterator[Listed]:
    yield describe(locate.EMBEDDED, "embedded", embedded_model())


def _cached() -> Iterator[Listed]:
    from huggingface_hub import constants

    for repo in sorted(Path(constants.HF_HUB_CACHE).glob("models--*--*")):
        name = repo.name.removeprefix("models--").replace("--", "/", 1)
        partial = sum(contents.size(repo, f"blobs/{pattern}") for pattern in _PARTIAL)
        snapshot = _snapshot(repo)
        if snapshot is None:
            yield Listed(name, "cache", repo, partial, missing=(_("everything"),))
            continue
        listed = describe(name, "cache", snapshot)
        missing = contents.lacking(snapshot)
        if not (repo / "refs" / "main").is_file():
            missing.append(_("which snapshot is meant (refs/main)"))
        yield replace(listed, bytes=listed.bytes + partial, missing=tuple(missing))


def _snapshot(repo: Path) -> Path | None:
    """The snapshot that `main` means, else the newest one."""
    try:
        commit = plain_file.content(repo / "refs" / "main").decode(errors="replace").strip()
    except OSError:
        commit = ""
    # os.path.isdir raises nothing, whatever stands in refs/main or is linked to
    if commit and os.path.isdir(repo / "snapshots" / commit):
        return repo / "snapshots" / commit
    there = [path for path in repo.glob("snapshots/*") if os.path.isdir(path)]
    return max(there, key=os.path.getmtime, default=None)


def _folders() -> Iterator[Listed]:
    places = [Path("models"), *map(Path, filter(None, [os.environ.get("FARENSE_MODELS", "")]))]
    seen = set()  # FARENSE_MODELS may be ./models by another name
    for place in places:
        for folder in sorted(Path(os.path.expanduser(place)).glob("*/")):
            if plain_file.resolved(folder) in seen:
                continue
            seen.add(plain_file.resolved(folder))
            if any(folder.glob("*config.json")) or any(folder.glob("*.safetensors")):
                listed = describe(str(folder), "folder", folder)
                yield replace(listed, missing=tuple(contents.lacking(folder)))


def describe(name: str, source: Source, folder: Path) -> Listed:
    """Read what a folder's config.json tells of a model."""
    try:
        config = json.loads(plain_file.text(folder / "config.json"))
    except (OSError, ValueError, RecursionError):
        config = {}
    config = config if isinstance(config, dict) else {}
    text = config.get("text_config") if isinstance(config.get("text_config"), dict) else config
    return Listed(
        name=name,
        source=source,
        path=folder,
        bytes=contents.size(folder),
        kind=str(config.get("model_type") or ""),
        layers=_number(text, "num_hidden_layers"),
        vocabulary=_number(text, "vocab_size"),
        weights=_weights(config),
        trusts=bool(config.get("model_file") or config.get("auto_map")),
    )


def _weights(config: dict[str, Any]) -> str:
    """`4 bits, groups of 64`, or the type of the numbers."""
    quantised = config.get("quantization") or config.get("quantization_config")
    if isinstance(quantised, dict) and quantised.get("bits"):
        mode = quantised.get("mode") or ""
        said = _("{bits} bits, groups of {size}").format(
            bits=quantised["bits"], size=quantised.get("group_size", "?")
        )
        return said if mode in ("", "affine") else f"{mode}, {said}"
    return str(config.get("torch_dtype") or config.get("dtype") or "")


def _number(config: Any, key: str) -> int:
    value = config.get(key)
    return value if isinstance(value, int) else 0
