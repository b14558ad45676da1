"""README.md of what is exported: what it is, how it was made, how to use it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from farense_tui import __version__
from farense_tui.engine import format as f
from farense_tui.engine.state import RunState
from farense_tui.engine.text import clean
from worker.protocol.evaluation import Report
from worker.protocol.profile import Config

_SNAPSHOT = re.compile(r"models--([^/]+)--([^/]+)/snapshots/[0-9a-f]+/?\Z")


@dataclass(frozen=True)
class Made:
    """What the cards tell of."""

    name: str
    config: Config
    state: RunState
    measured: Report | None


def base_model(repo: str) -> str:
    """Name a model: the repository that a folder of the cache is of, or the folder's own name."""
    snapshot = _SNAPSHOT.search(repo)
    if snapshot:
        return f"{snapshot[1]}/{snapshot[2]}"
    return Path(repo).name if repo.startswith("/") else repo


def adapter_card(made: Made) -> str:
    """Describe the adapter."""
    base = base_model(made.config.model.repo)
    return _card(
        made,
        "adapter",
        f"A {_kind(made.config)} adapter of {base}, as mlx_lm reads it.",
        f'mlx_lm.generate --model {base} --adapter-path . --prompt "..."',
    )


def fused_card(made: Made) -> str:
    """Describe the fused model."""
    base = base_model(made.config.model.repo)
    return _card(
        made,
        "model",
        f"{base} with a {_kind(made.config)} adapter fused into its weights, as mlx_lm reads it.",
        'mlx_lm.generate --model . --prompt "..."',
    )


def _card(made: Made, what: str, lead: str, use: str) -> str:
    base = base_model(made.config.model.repo)
    tags = ["mlx", "lora"] if what == "adapter" else ["mlx"]
    front = ["---", f"base_model: {base}"] if "/" in base else ["---"]
    front += ["library_name: mlx", "pipeline_tag: text-generation", "tags:"]
    front += [*(f"- {tag}" for tag in tags), "---", ""]
    parts = [
        *front,
        f"# {clean(made.name)}",
        "",
        clean(lead),
        "",
        f"    {clean(use)}",
        "",
        "## How it was made",
        "",
        *_facts(made),
    ]
    if made.measured:
        parts += ["", "## On the test set", "", *_scores(made.measured)]
    return "\n".join([*parts, "", f"Trained and exported with farense-tui {__version__}.", ""])


def _kind(config: Config) -> str:
    return {"lora": "LoRA", "dora": "DoRA", "full": "full fine-tuning"}[config.train.fine_tune_type]


def _facts(made: Made) -> list[str]:
    train, lora, state = made.config.train, made.config.lora, made.state
    examples = state.started.train_examples if state.started else 0
    best = state.best
    facts = [
        ("examples", f"{examples} of {Path(made.config.data.path).name}"),
        ("steps", f"{state.step} of {made.config.effective_batch} examples"),
        ("epochs", f"{state.epoch:.2f}"),
        ("longest example", f"{train.max_seq_length} tokens"),
        ("optimizer", f"{train.optimizer}, rate {train.learning_rate:g}, {train.schedule}"),
        ("trained on", "the answers" if train.mask_prompt else "every token"),
    ]
    if train.fine_tune_type != "full":
        facts.append(("rank, scale", f"{lora.rank}, {lora.scale:g}"))
    if best is not None:
        facts.append(("best validation loss", f"{f.loss(best.loss)} after step {best.step}"))
    return ["| | |", "| --- | --- |", *(f"| {key} | {_cell(value)} |" for key, value in facts)]


def _scores(report: Report) -> list[str]:
    lines = [
        f"{report.measured} rows that were not trained on, greedy answers.",
        "",
        "| | loss | exact match | token F1 | chrF |",
        "| --- | --- | --- | --- | --- |",
    ]
    for score in report.scores:
        exact = f.UNKNOWN if score.exact_match is None else f"{score.exact_match:.1%}"
        f1 = f.UNKNOWN if score.token_f1 is None else f"{score.token_f1:.1%}"
        chrf = f.UNKNOWN if score.chrf is None else f"{score.chrf:.1f}"
        name = _cell(score.name or "base model")
        lines.append(f"| {name} | {f.loss(score.loss)} | {exact} | {f1} | {chrf} |")
    return lines


def _cell(text: str) -> str:
    return clean(text).replace("|", "\\|")
