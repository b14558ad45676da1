"""Where a model is: here, to be downloaded, or nowhere."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec
from farense_worker.protocol import home, model_identity, plain_file
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.profile import Model

from farense_tui.engine.models import contents, damage
from farense_tui.engine.models.assets import embedded_model

EMBEDDED = "embedded"


@dataclass(frozen=True)
class ModelState:
    """What is known of a model before the start. `bytes` are on the disk, 0 if unknown."""

    repo: str
    state: Literal["here", "download", "missing"]
    path: Path | None = None
    bytes: int = 0
    why: str = ""


def locate(repo: str, revision: str = "") -> ModelState:
    """Look for a model without touching the network. Any text will do: it is asked while typing."""
    try:
        return _locate(repo, revision)
    except OSError as error:  # a name too long for a path, a folder that may not be read
        return ModelState(repo, "missing", why=error.strerror or str(error))
    except ValueError as error:  # a name that no repository can have
        return ModelState(repo, "missing", why=str(error).splitlines()[0])


def _locate(repo: str, revision: str) -> ModelState:
    if repo == EMBEDDED:
        return _folder(repo, embedded_model())
    folder = Path(os.path.expanduser(repo))
    if folder.exists() or repo.startswith(("/", ".", "~")):
        return _folder(repo, folder)
    if repo.count("/") != 1 or repo.endswith("/"):
        why = _("neither a folder nor a repository (owner/name)")
        return ModelState(repo, "missing", why=why)
    cached = _cached(repo, revision)
    if cached is None:
        return ModelState(repo, "download")
    again = _("Delete {folder}, and it is downloaded anew.").format(folder=cached.parents[1])
    return _folder(repo, cached, again)


def resolve(repo: str, revision: str = "") -> str:
    """Give where a model is: an absolute folder, or the repository to download.

    Raises FarenseError (refused) for a model that is nowhere.
    """
    found = locate(repo, revision)
    if found.state == "missing":
        raise missing(found)
    return str(plain_file.resolved(found.path)) if found.path else repo


def asked(model: Model) -> Model:
    """Give what goes into config.toml: what the model is called on any machine, where it can be.

    That is `embedded`, or a repository of the cache with its commit; else a folder (home.py).
    Raises FarenseError (refused) for a model that is nowhere.
    """
    found = locate(model.repo, model.revision)
    if found.state == "missing":
        raise missing(found)
    if model.repo == EMBEDDED or found.path is None:
        return model
    known = model_identity.snapshot(str(found.path))
    if known and _cached(*known) == found.path:
        return msgspec.structs.replace(model, repo=known[0], revision=known[1])
    return msgspec.structs.replace(model, repo=home.short(found.path))


def missing(found: ModelState) -> FarenseError:
    """Say that a model is nowhere, or cannot be used where it is, and what would be."""
    folder = Path(home.here(found.repo))
    whole = os.path.isdir(folder) and not contents.lacking(folder)
    title = _("the model {repo} cannot be used") if whole else _("there is no model {repo}")
    return refused(
        title.format(repo=found.repo),
        found.why,
        _(
            "Give a folder with config.json and *.safetensors, a Hugging Face repository "
            "(owner/name), or {embedded!r}."
        ).format(embedded=EMBEDDED),
        kind="model",
    )


def _folder(repo: str, folder: Path, remedy: str = "") -> ModelState:
    """remedy: what helps where its files are damaged."""
    if not folder.is_dir():
        why = _("{folder} is not a folder").format(folder=folder)
        return ModelState(repo, "missing", why=why)
    if any(
        sign in str(plain_file.resolved(folder)) for sign in "[*?"
    ):  # mlx_lm takes them for a pattern
        why = _("mlx_lm reads no model in a folder with [, * or ? in its path: {folder}")
        return ModelState(repo, "missing", why=why.format(folder=folder))
    lacks = contents.lacking(folder)
    if lacks:
        why = _("{folder} has no {what}").format(folder=folder, what=", ".join(lacks))
        instead = contents.instead(folder)
        return ModelState(repo, "missing", why=f"{why}\n{instead}" if instead else why)
    if wrong := damage.damage(folder):
        return ModelState(repo, "missing", why=f"{wrong}\n{remedy}".strip())
    return ModelState(repo, "here", folder, contents.size(folder))


def _cached(repo: str, revision: str) -> Path | None:
    """Snapshot in the Hugging Face cache with all that a run needs of it, or None.

    huggingface_hub is imported here and not above: the screen must not wait for it.
    """
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(repo, "config.json", revision=revision or None)
    if not isinstance(config, str):
        return None
    snapshot = Path(config).parent
    return None if contents.lacking(snapshot) else snapshot
