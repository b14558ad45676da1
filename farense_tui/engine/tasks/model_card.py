"""README.md of what is exported: what it is, how it was made, how to use it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from farense_worker.protocol import model_identity
from farense_worker.protocol.clean_text import clean, clean_lines
from farense_worker.protocol.messages.evaluation import Report
from farense_worker.protocol.settings.profile import Config

from farense_tui import __version__
from farense_tui.engine import readable as f
from farense_tui.engine.record.state import RunState


@dataclass(frozen=True)
class Made:
    """What the cards tell of; system: the system prompt it was trained with."""

    name: str
    config: Config
    state: RunState
    measured: Report | None
    system: str | None = None


def base_model(repo: str) -> str:
    """Name a model: the repository that a folder of the cache is of, or the folder's own name."""
    if snapshot := model_identity.snapshot(repo):
        return snapshot[0]
    return Path(repo).name if repo.startswith("/") else repo


def adapter_card(made: Made) -> str:
    base = base_model(made.config.model.repo)
    return _card(
        made,
        "adapter",
        f"A {_kind(made.config)} adapter of {base}, as mlx_lm reads it.",  # not translated: Hub
        f'mlx_lm.generate --model {base} --adapter-path . --prompt "..."',
    )


def peft_card(made: Made) -> str:
    base = base_model(made.config.model.repo)
    return _card(
        made,
        "peft",
        f"A {_kind(made.config)} adapter of {base}, as peft reads it.",  # not translated: Hub
        "AutoPeftModelForCausalLM.from_pretrained('.')",
    )


def fused_card(made: Made) -> str:
    base, kind = base_model(made.config.model.repo), _kind(made.config)
    lead = f"{base} with a {kind} adapter fused into its weights"  # not translated: Hub
    return _card(
        made,
        "model",
        f"{lead}, as mlx_lm reads it.",  # not translated: Hub
        'mlx_lm.generate --model . --prompt "..."',
    )


def _card(made: Made, what: str, lead: str, use: str) -> str:
    base = base_model(made.config.model.repo)
    library = "peft" if what == "peft" else "mlx"
    tags = [library] if what == "model" else [library, "lora"]
    front = ["---", f"base_model: {base}"] if "/" in base else ["---"]
    front += [f"library_name: {library}", "pipeline_tag: text-generation", "tags:"]
    front += [*(f"- {tag}" for tag in tags), "---", ""]
    parts = [
        *front,
        f"# {clean(made.name)}",
        "",
        clean(lead),
        "",
        f"    {clean(use)}",
        "",
        "## How it was made",  # not translated: Hub
        "",
        *_facts(made),
    ]
    if made.system:
        parts += ["", "## System prompt", "", *_system(made.system)]  # not translated: Hub
    if made.measured:
        parts += ["", "## On the test set", "", *_scores(made.measured)]  # not translated: Hub
    end = f"Trained and exported with farense-tui {__version__}."  # not translated: Hub
    return "\n".join([*parts, "", end, ""])


def _kind(config: Config) -> str:
    kinds = {"lora": "LoRA", "dora": "DoRA", "full": "full fine-tuning"}  # not translated: Hub
    return kinds[config.train.fine_tune_type]


def _facts(made: Made) -> list[str]:
    train, lora, state = made.config.train, made.config.lora, made.state
    examples = state.started.train_examples if state.started else 0
    best = state.best
    alone = train.answers == "last"
    answers = "the last answer of a row" if alone else "all answers"  # not translated: Hub
    on = answers if train.mask_prompt else "every token"  # not translated: Hub
    facts = [
        ("examples", f"{examples} of {Path(made.config.data.path).name}"),
        ("steps", f"{state.step} of {made.config.effective_batch} examples"),
        ("epochs", f"{state.epoch:.2f}"),
        ("longest example", f"{train.max_seq_length} tokens"),  # not translated: Hub
        ("optimizer", f"{train.optimizer}, rate {train.learning_rate:g}, {train.schedule}"),
        ("trained on", on),  # not translated: Hub
    ]
    if train.fine_tune_type != "full":
        facts.append(("rank, scale", f"{lora.rank}, {lora.scale:g}"))  # not translated: Hub
    if best is not None:
        reached = f"{f.loss(best.loss)} after step {best.step}"  # not translated: Hub
        facts.append(("best validation loss", reached))  # not translated: Hub
    return ["| | |", "| --- | --- |", *(f"| {key} | {_cell(value)} |" for key, value in facts)]


def _system(text: str) -> list[str]:
    said = "It was trained with this one; ask it with the same:"  # not translated: Hub
    return [said, "", *(f"    {line}" for line in clean_lines(text))]


def _scores(report: Report) -> list[str]:
    lines = [
        f"{report.measured} rows that were not trained on, greedy answers.",  # not translated: Hub
        "",
        "| | loss | exact match | token F1 | chrF |",  # not translated: Hub
        "| --- | --- | --- | --- | --- |",
    ]
    for score in report.scores:
        exact = f.UNKNOWN if score.exact_match is None else f"{score.exact_match:.1%}"
        f1 = f.UNKNOWN if score.token_f1 is None else f"{score.token_f1:.1%}"
        chrf = f.UNKNOWN if score.chrf is None else f"{score.chrf:.1f}"
        name = _cell(score.name or "base model")  # not translated: Hub
        lines.append(f"| {name} | {f.loss(score.loss)} | {exact} | {f1} | {chrf} |")
    return lines


def _cell(text: str) -> str:
    return clean(text).replace("|", "\\|")
