"""The task `upload`: files of an export become a model's repository on a hub."""

from __future__ import annotations

from msgspec import Struct


class Request(Struct, tag="upload", frozen=True, kw_only=True):
    """Which files of `folder` go to which repository (owner/name).

    public: everybody may see it; a repository that is public already takes nothing without this.
    ask: only what is there; nothing is made and nothing sent.
    """

    repo: str
    folder: str = ""
    files: tuple[str, ...] = ()
    public: bool = False
    ask: bool = False


class Standing(Struct, tag="standing", frozen=True, kw_only=True):
    """What is there now. user: whose token it is. endpoint: the hub's address."""

    user: str
    endpoint: str
    exists: bool = False
    private: bool = True


class Uploaded(Struct, tag="uploaded", frozen=True, kw_only=True):
    """Where it is now. commit: the hub's name for what was sent, or for what was there already."""

    repo: str
    address: str
    commit: str
    bytes: int
    private: bool
