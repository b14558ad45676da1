"""Models worth training on a Mac of so much memory; where they were looked up: docs/models.md."""

from __future__ import annotations

from dataclasses import dataclass

from farense_worker.protocol.plan import model_shape


@dataclass(frozen=True)
class Suggested:
    """gigabytes: of the download, in units of a thousand. memory_gb: the smallest Mac for it."""

    repo: str
    title: str
    gigabytes: float
    licence: str
    good_at: str
    memory_gb: int


SUGGESTED: tuple[Suggested, ...] = ()


def suggested(memory_gb: int) -> list[Suggested]:
    """Those for a machine, the largest first; all of them for 0."""
    found = [each for each in SUGGESTED if not memory_gb or each.memory_gb <= memory_gb]
    return sorted(found, key=lambda each: -each.gigabytes)


def find(repo: str) -> Suggested | None:
    """Look one up by its repository."""
    return next((each for each in SUGGESTED if each.repo == repo), None)


def download_gigabytes(repo: str) -> float:
    """What a repository comes to, without asking the hub: as listed, else by its shape, else 0."""
    if found := find(repo):
        return found.gigabytes
    shape = model_shape.known(repo)
    return shape.bytes / 1e9 if shape else 0.0
