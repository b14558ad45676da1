"""Models worth training on a Mac of so much memory; where they were looked up: docs/models.md."""

from __future__ import annotations

from dataclasses import dataclass

from farense_worker.protocol.language import gettext as _
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


SUGGESTED = (
    Suggested(
        "mlx-community/Qwen2.5-0.5B-Instruct-4bit",
        "Qwen2.5 0.5B",
        0.28,
        "Apache 2.0",
        _("the smallest: to try things out"),
        8,
    ),
    Suggested(
        "Qwen/Qwen3-1.7B-MLX-4bit",
        "Qwen3 1.7B",
        0.93,
        "Apache 2.0",
        _("small, many languages; may think before it answers"),
        8,
    ),
    Suggested(
        "mlx-community/Qwen2.5-1.5B-Instruct-4bit",
        "Qwen2.5 1.5B",
        0.9,
        "Apache 2.0",
        _("short answers in a fixed form; trains in minutes"),
        8,
    ),
    Suggested(
        "mlx-community/Llama-3.2-3B-Instruct-4bit",
        "Llama 3.2 3B",
        1.8,
        "Llama 3.2",
        _("conversation in English, Portuguese and six other languages"),
        8,
    ),
    Suggested(
        "mlx-community/Qwen3-4B-Instruct-2507-4bit",
        "Qwen3 4B",
        2.3,
        "Apache 2.0",
        _("all-round, many languages; answers without thinking aloud"),
        16,
    ),
    Suggested(
        "mlx-community/Mistral-7B-Instruct-v0.3-4bit",
        "Mistral 7B",
        4.1,
        "Apache 2.0",
        _("conversation and facts, mostly English; well tried"),
        16,
    ),
    Suggested(
        "mlx-community/Qwen3-8B-4bit",
        "Qwen3 8B",
        4.6,
        "Apache 2.0",
        _("all-round, many languages; may think before it answers"),
        16,
    ),
    Suggested(
        "layerx-labs/AMALIA-9B-0626-SFT-MLX-4bit",
        "AMALIA 9B",
        5.1,
        "Apache 2.0",
        _("European Portuguese, which it was made for"),
        16,
    ),
    Suggested(
        "mlx-community/Qwen3-14B-4bit",
        "Qwen3 14B",
        8.3,
        "Apache 2.0",
        _("the most able of these; slow on an M1"),
        32,
    ),
)


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
