"""The task `download`: a model, or rows, brought into the cache without a run."""

from __future__ import annotations

from msgspec import Struct


class Request(Struct, tag="download", frozen=True):
    """Which repository, and which branch, tag or commit of it.

    data: it is one of rows, and `patterns` are its files that are wanted. ask: only how
    many bytes it would be; nothing is fetched.
    """

    repo: str
    revision: str = ""
    data: bool = False
    patterns: tuple[str, ...] = ()
    ask: bool = False


class Downloaded(Struct, tag="downloaded", frozen=True):
    """Where it is now, and its size; path is empty where it was only asked for."""

    repo: str
    path: str
    bytes: int
