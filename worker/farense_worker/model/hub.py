"""Downloading from the hub into its cache, so that it can be broken off and continued.

huggingface_hub begins a file anew when it was broken off: its partial files have random names.
Weights are gigabytes, so large files are fetched here, one after the other, into a partial file
that stays, and put where huggingface_hub looks for them. All else is left to it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, BinaryIO

from farense_worker.model import compat
from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import FarenseError, first_line, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import disk_error, free_space
from farense_worker.protocol.settings.profile import Model

# What mlx_lm needs of a repository (mlx_lm.utils.DEFAULT_ALLOW_PATTERNS).
PATTERNS = (
    "*.json",
    "model*.safetensors",
    "*.py",
    "tokenizer.model",
    "*.tiktoken",
    "tiktoken.model",
    "*.txt",
    "*.jsonl",
    "*.jinja",
)
PARTIAL = ".farense-partial"
_LARGE = 1 << 20
_CHUNK = 1 << 16  # what is lost when a connection breaks
_EVERY = 0.5
_RETRIES = 4
_SUM = re.compile(r"[0-9a-f]{64}")

Told = Callable[[int, int], None]


@dataclass(frozen=True)
class File:
    """A large file of a repository; its SHA-256 is its name among the blobs of the cache."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Wanted:
    """What of a repository is wanted. data: it is one of rows. fallback: a smaller model."""

    repo: str
    revision: str = ""
    patterns: tuple[str, ...] = PATTERNS
    data: bool = False
    fallback: str = ""

    @property
    def kind(self) -> str:
        """As the hub calls it."""
        return "dataset" if self.data else "model"


def download(settings: Model, told: Told) -> Path:
    """Bring a model here; see `fetch`."""
    return fetch(Wanted(settings.repo, settings.revision, fallback=settings.fallback), told)


def fetch(wanted: Wanted, told: Told) -> Path:
    """Give the snapshot's folder, whole; `told` is called with the bytes there are, and all.

    An exception in the midst of it, such as a stop, leaves what there is to be continued.
    Raises FarenseError (refused): not to be reached, gated, not there, no space.
    """
    try:
        return _fetch_all(wanted, told)
    except FarenseError:
        raise
    except _errors() as error:
        raise _explained(wanted, error) from error


def size(wanted: Wanted) -> int:
    """Ask the hub how many bytes it would be. Raises FarenseError as `fetch` does."""
    from huggingface_hub import HfApi

    try:
        info = HfApi().repo_info(
            wanted.repo,
            repo_type=wanted.kind,
            revision=wanted.revision or None,
            files_metadata=True,
            timeout=compat.hub_patience(),
        )
        files, rest = _files(info, wanted.patterns)
    except _errors() as error:
        raise _explained(wanted, error) from error
    return sum(file.size for file in files) + rest


def _fetch_all(asked: Wanted, told: Told) -> Path:
    from huggingface_hub import HfApi, snapshot_download

    wanted: dict[str, Any] = {
        "repo_id": asked.repo,
        "repo_type": asked.kind,
        "allow_patterns": list(asked.patterns),
    }
    revision = asked.revision or None
    try:
        info = HfApi().repo_info(
            asked.repo,
            repo_type=asked.kind,
            revision=revision,
            files_metadata=True,
            timeout=compat.hub_patience(),
        )
    except compat.network_errors() as error:
        with contextlib.suppress(*_errors()):  # all of it may be here
            return Path(snapshot_download(**wanted, revision=revision, local_files_only=True))
        raise error
    files, rest = _files(info, asked.patterns)
    _check_names(asked, files)
    blobs = compat.blob_folder(asked.repo, asked.kind)
    _check_space(asked, blobs, files)
    progress = _Progress(told, sum(file.size for file in files) + rest)
    for file in files:
        with progress.file():
            _fetch(asked, str(info.sha), file, blobs, progress)
    path = snapshot_download(**wanted, revision=revision, tqdm_class=_silent())
    progress.tell(progress.total)
    return Path(path)


def _files(info: Any, patterns: tuple[str, ...]) -> tuple[list[File], int]:
    """Which large files there are, and how many bytes the others have."""
    files, rest = [], 0
    for sibling in info.siblings or ():
        if any(fnmatch(sibling.rfilename, pattern) for pattern in patterns):
            size = int(sibling.size or 0)
            if sibling.lfs is not None and size >= _LARGE:
                files.append(File(sibling.rfilename, size, sibling.lfs.sha256))
            else:
                rest += size
    return files, rest


class _Progress:
    """Counts the bytes of all files and tells them now and then."""

    def __init__(self, told: Told, total: int) -> None:
        self._told = told
        self._before = 0
        self._here = 0
        self._last = 0.0
        self.total = total

    @contextlib.contextmanager
    def file(self) -> Iterator[None]:
        yield
        self._before += self._here
        self._here = 0

    def at(self, size: int) -> None:
        """The file that is being fetched has come to this size."""
        self._here = size
        if time.monotonic() - self._last > _EVERY:
            self.tell(self._before + size)

    def tell(self, done: int) -> None:
        self._last = time.monotonic()
        self._told(done, self.total)


def _fetch(wanted: Wanted, commit: str, file: File, blobs: Path, progress: _Progress) -> None:
    """Bring a file among the blobs of the cache, continuing what is there of it."""
    if (blobs / file.sha256).exists():
        progress.at(file.size)
        return
    blobs.mkdir(parents=True, exist_ok=True)
    partial = blobs / f"{file.sha256}{PARTIAL}"
    with plain_file.named(partial), os.fdopen(plain_file.to_append(partial), "ab") as out:
        with contextlib.suppress(OSError):  # a share that knows no locks
            fcntl.flock(out, fcntl.LOCK_EX)  # two runs may want the same model at the same time
        if (blobs / file.sha256).exists():
            return
        retries = _RETRIES
        while (size := out.seek(0, os.SEEK_END)) < file.size:
            try:
                _append(wanted, commit, file, out, progress)
            except compat.network_errors() as error:
                retries = retries - 1 if out.seek(0, os.SEEK_END) == size else _RETRIES
                if retries < 0:
                    raise
                said = f"download: {error}; trying again"  # not translated: for worker.log
                print(said, file=sys.stderr)
                time.sleep(1.0)
        progress.at(file.size)
        _check_sum(wanted, file, partial)
        partial.replace(blobs / file.sha256)


def _append(wanted: Wanted, commit: str, file: File, out: BinaryIO, progress: _Progress) -> None:
    from huggingface_hub import hf_hub_url

    utils = compat.hub_utils()
    size = out.seek(0, os.SEEK_END)
    headers = {**utils.build_hf_headers(), "Accept-Encoding": "identity"}
    if size:
        headers["Range"] = f"bytes={size}-"
    url = hf_hub_url(wanted.repo, file.name, repo_type=wanted.kind, revision=commit)
    with utils.get_session().stream(
        "GET", url, headers=headers, follow_redirects=True, timeout=compat.hub_patience()
    ) as response:
        utils.hf_raise_for_status(response)
        if size and response.status_code != 206:  # it does not know of ranges
            out.truncate(0)
            size = 0
        for chunk in response.iter_bytes(_CHUNK):
            size += out.write(chunk[: file.size - size])
            progress.at(size)
            if size == file.size:  # whatever else it says: it could go on until the disk is full
                break
        out.flush()


def _check_sum(wanted: Wanted, file: File, partial: Path) -> None:
    """A file that was put together over days is read once, to be sure of it."""
    with partial.open("rb") as written:
        found = hashlib.file_digest(written, "sha256").hexdigest()
    if found != file.sha256:
        partial.unlink()
        raise refused(
            _not_downloaded(wanted),
            _("{file} has arrived damaged: SHA-256 {found}, not {wanted}").format(
                file=file.name, found=found, wanted=file.sha256
            ),
            _("Try again: it begins anew."),
            kind="download",
        )


def _check_names(wanted: Wanted, files: list[File]) -> None:
    """Refuse a sum that is none: a file is put under it, and it could lead out of the cache."""
    for file in files:
        if not _SUM.fullmatch(file.sha256):
            raise refused(
                _not_downloaded(wanted),
                _("{file}: {sum} is not a SHA-256").format(file=file.name, sum=file.sha256),
                _("Give a local folder with --model."),
                kind="download",
            )


def _check_space(wanted: Wanted, blobs: Path, files: list[File]) -> None:
    missing = 0
    for file in files:
        partial = blobs / f"{file.sha256}{PARTIAL}"
        there = partial.stat().st_size if partial.exists() else 0
        missing += 0 if (blobs / file.sha256).exists() else file.size - there
    free = free_space(blobs)
    if missing > free:
        raise refused(
            _("no space on the disk"),
            _("{folder}: {free} MiB free, {model} needs {missing} MiB more").format(
                folder=blobs, free=free >> 20, model=wanted.repo, missing=missing >> 20
            ),
            _("Make space, or set HF_HOME to another disk."),
            kind="disk_full",
        )


def _not_downloaded(wanted: Wanted) -> str:
    said = _("the model {repo} cannot be downloaded")
    if wanted.data:
        said = _("the data set {repo} cannot be downloaded")
    return said.format(repo=wanted.repo)


def _silent() -> Any:
    from tqdm import tqdm

    class Silent(tqdm):
        """Draws nothing; small files need no progress."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            kwargs |= {"disable": True}
            super().__init__(*args, **{k: v for k, v in kwargs.items() if k != "name"})

    return Silent


def _errors() -> tuple[type[Exception], ...]:
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    return (
        *compat.network_errors(),
        *compat.hub_answer_errors(),
        HfHubHTTPError,
        LocalEntryNotFoundError,
        HFValidationError,
        OSError,
    )


def reason(error: Exception, revision: str) -> str:
    """Say why the hub did not give what it was asked for, in a sentence."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HFValidationError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, OfflineModeIsEnabled) or constants.HF_HUB_OFFLINE:
        return _("HF_HUB_OFFLINE is set, and the model is not in the cache.")
    if isinstance(error, GatedRepoError):
        return _("The repository is gated: its owner must let you in.")
    if isinstance(error, RevisionNotFoundError):
        return _("There is no revision {revision} of it.").format(revision=revision)
    if isinstance(error, RepositoryNotFoundError):
        return _("There is no such repository, or it is private.")
    if isinstance(error, HFValidationError):
        return str(error).splitlines()[0]
    if isinstance(error, compat.hub_answer_errors()):
        return _("What the hub answers is none of a hub's answers.")
    return _("The hub cannot be reached.")


def _of_the_cache(error: Exception) -> FarenseError | None:
    """Say what went wrong with a file of the cache; None for what the hub or the network did."""
    if not isinstance(error, OSError) or isinstance(error, ConnectionError | TimeoutError):
        return None
    if not (error.errno and error.filename):  # the hub's own are of that kind as well
        return None
    told = disk_error(error, Path(error.filename), "HF_HOME")
    if told.kind == "disk_full":
        told.hint = _("Make space, or set HF_HOME to another disk.")
    return told


def _explained(wanted: Wanted, error: Exception) -> FarenseError:
    """Say what an error of the hub means to the user."""
    from huggingface_hub.errors import (
        GatedRepoError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if (fault := _of_the_cache(error)) is not None:
        return fault
    smaller = _("The profile's smaller one is {model}.").format(model=wanted.fallback)
    smaller = f" {smaller}" if wanted.fallback else ""
    hint = _("What has arrived is kept: the same command continues.") + smaller
    if isinstance(error, OfflineModeIsEnabled):
        hint = _("Unset it, or give a local folder with --model.") + smaller
    elif isinstance(error, GatedRepoError):
        hint = _("Ask for access on its page, then log in with: hf auth login.") + smaller
    elif isinstance(error, RevisionNotFoundError):
        hint = _("Check model.revision.")
    elif isinstance(error, RepositoryNotFoundError):
        hint = _("Check the name, or give a local folder with --model.") + smaller
    return refused(
        _not_downloaded(wanted),
        f"{reason(error, wanted.revision)}\n{first_line(error)}",
        hint,
        kind="download",
    )
