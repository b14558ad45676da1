"""README.md of what is exported: what it is, how it was made, how to use it."""

from __future__ import annotations

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from farense_worker.protocol import model_identity, plain_file
from farense_worker.protocol.clean_text import clean, written_lines
from farense_worker.protocol.messages.evaluation import Report
from farense_worker.protocol.settings.profile import Config

from farense_tui import __version__
from farense_tui.engine import readable as f
from farense_tui.engine.models import locate, suggested
from farense_tui.engine.record.state import RunState

_IDS = {"Apache 2.0": "apache-2.0", "Llama 3.2": "llama3.2"}  # the hub's names of licences


@dataclass(frozen=True)
class Made:
    """What the cards tell of. system: the system prompt it was trained with. repo: of the hub."""

    name: str
    config: Config
    state: RunState
    measured: Report | None
    system: str | None = None
    repo: str = ""


def base_model(repo: str) -> str:
    """Name a model as others know it."""
    return model_identity.name(repo)


def adapter_card(made: Made) -> str:
    base = base_model(made.config.model.repo)
    use = f'mlx_lm.generate --model {base} --adapter-path {_folder(made)} --prompt "..."'
    lead = f"A {_kind(made.config)} adapter of {base}, as mlx_lm reads it."  # not translated: Hub
    return _card(made, "adapter", lead, [*_download(made), use])


def peft_card(made: Made) -> str:
    base = base_model(made.config.model.repo)
    lead = f"A {_kind(made.config)} adapter of {base}, as peft reads it."  # not translated: Hub
    use = f"model = AutoPeftModelForCausalLM.from_pretrained('{made.repo or '.'}')"
    kind = "from peft import AutoPeftModelForCausalLM"  # not translated: Hub
    return _card(made, "peft", lead, [kind, use])


def fused_card(made: Made) -> str:
    base, kind = base_model(made.config.model.repo), _kind(made.config)
    lead = f"{base} with a {kind} adapter fused into its weights"  # not translated: Hub
    use = f'mlx_lm.generate --model {made.repo or "."} --prompt "..."'
    return _card(made, "model", f"{lead}, as mlx_lm reads it.", [use])  # not translated: Hub


def gguf_card(made: Made) -> str:
    base, kind = base_model(made.config.model.repo), _kind(made.config)
    lead = f"{base} with a {kind} adapter fused into its weights"  # not translated: Hub
    use = [
        *_download(made),
        f'llama-cli -m {_folder(made)}/{made.name}.gguf -p "..."',
        f"cd {_folder(made)}; ollama create NAME -f Modelfile",  # not translated: Hub
    ]
    return _card(made, "gguf", f"{lead}, in float16.", use)  # not translated: Hub


def gguf_lora_card(made: Made) -> str:
    base = base_model(made.config.model.repo)
    lead = f"A {_kind(made.config)} adapter of {base}, as llama.cpp has it."  # not translated: Hub
    use = f"llama-cli -m base.gguf --lora {_folder(made)}/{made.name}-lora.gguf"
    return _card(made, "gguf-lora", lead, [*_download(made), use])


def _download(made: Made) -> list[str]:
    """The command that brings the files here; programs that read folders want them first."""
    command = f"hf download {made.repo} --local-dir {_folder(made)}"  # not translated: Hub
    return [command] if made.repo else []


def _folder(made: Made) -> str:
    return made.repo.rpartition("/")[2] if made.repo else "."


def _card(made: Made, what: str, lead: str, use: list[str]) -> str:
    base = base_model(made.config.model.repo)
    library = {"peft": "peft", "gguf": "gguf", "gguf-lora": "gguf"}.get(what, "mlx")
    tags = [library] if what in ("model", "gguf") else [library, "lora"]
    licence = _licence(made.config)
    front = ["---", f"base_model: {base}"] if "/" in base else ["---"]
    front += [f"license: {licence.id}"] if licence.id else []
    front += [f"library_name: {library}", "pipeline_tag: text-generation", "tags:"]
    front += [*(f"- {tag}" for tag in tags), "---", ""]
    parts = [
        *front,
        f"# {clean(made.name)}",
        "",
        clean(lead),
        "",
        *(f"    {clean(line)}" for line in use),
        "",
        f"Licence of the base model: {licence.told}.",  # not translated: Hub
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


class _Licence(NamedTuple):
    """id: as the hub writes it, "" where it is not known."""

    id: str
    told: str


def _licence(config: Config) -> _Licence:
    """Find the base model's licence in its own card, else in the list of suggested models."""
    folder = locate.locate(config.model.repo, config.model.revision).path
    with contextlib.suppress(OSError, ValueError, IndexError):
        card = plain_file.text((folder or Path()) / "README.md").split("---", 2)[1]
        if found := re.search(r"^license:\s*([\w.-]+)\s*$", card, re.MULTILINE):
            return _Licence(found[1], found[1])
    if listed := suggested.find(base_model(config.model.repo)):
        return _Licence(_IDS.get(listed.licence, ""), clean(listed.licence))
    return _Licence("", "see its own page; it holds for this too")  # not translated: Hub


def _facts(made: Made) -> list[str]:
    train, lora, state = made.config.train, made.config.lora, made.state
    examples = state.started.train_examples if state.started else 0
    held_out = state.started.valid_examples if state.started else 0
    best = state.best
    first = next((each for each in state.validations if each.step == 0), None)
    alone = train.answers == "last"
    answers = "the last answer of a row" if alone else "all answers"  # not translated: Hub
    on = answers if train.mask_prompt else "every token"  # not translated: Hub
    facts = [
        ("examples", f"{examples}, and {held_out} to validate on"),  # not translated: Hub
        ("steps", str(state.step)),
        ("examples a step", str(made.config.effective_batch)),  # not translated: Hub
        ("epochs", f.epochs(state.epoch)),
        ("examples cut off at", f"{train.max_seq_length} tokens"),  # not translated: Hub
        ("optimizer", f"{train.optimizer}, rate {train.learning_rate:g}, {train.schedule}"),
        ("trained on", on),  # not translated: Hub
    ]
    if train.fine_tune_type != "full":
        facts.append(("rank, scale", f"{lora.rank}, {lora.scale:g}"))  # not translated: Hub
    if first is not None:
        facts.append(("validation loss before", f.loss(first.loss)))  # not translated: Hub
    if best is not None:
        reached = f"{f.loss(best.loss)} after step {best.step}"  # not translated: Hub
        facts.append(("best validation loss", reached))  # not translated: Hub
    return ["| | |", "| --- | --- |", *(f"| {key} | {_cell(value)} |" for key, value in facts)]


def _system(text: str) -> list[str]:
    said = "It was trained with this one; ask it with the same:"  # not translated: Hub
    return [said, "", *(f"    {line}" for line in written_lines(text))]


def _scores(report: Report) -> list[str]:
    lines = [
        f"Rows not trained on: {report.measured}; greedy answers.",  # not translated: Hub
        "",
        "| | loss | exact match | token F1 | chrF |",  # not translated: Hub
        "| --- | --- | --- | --- | --- |",
    ]
    for score in report.scores:
        exact = f.UNKNOWN if score.exact_match is None else f.share(score.exact_match, 1)
        f1 = f.UNKNOWN if score.token_f1 is None else f.share(score.token_f1, 1)
        chrf = f.UNKNOWN if score.chrf is None else f"{score.chrf:.1f}"
        name = _cell(score.name or "base model")  # not translated: Hub
        lines.append(f"| {name} | {f.loss(score.loss)} | {exact} | {f1} | {chrf} |")
    return lines


def _cell(text: str) -> str:
    return clean(text).replace("|", "\\|")
