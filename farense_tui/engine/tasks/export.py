"""Exporting a run: what the worker is asked, and that nothing is overwritten by it."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from farense_worker.protocol import own_questions, system_prompt
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.export import Exported, Part, Precision, Request
from farense_worker.protocol.messages.task import Progress
from farense_worker.protocol.run_folder import RunFolder, disk_error

from farense_tui.engine import readable as show
from farense_tui.engine.machine import extras
from farense_tui.engine.record.state import fold
from farense_tui.engine.record.tail import Tail
from farense_tui.engine.runs import found_again
from farense_tui.engine.tasks import evaluation, export_place, model_card, task
from farense_tui.engine.tasks.model_card import Made


@dataclass(frozen=True)
class Way:
    """A program that reads an export: what it is given, in the words of `request`."""

    name: str
    reader: str
    about: str
    options: dict[str, Any]


WAYS = (
    Way("adapter", "mlx_lm", _("the adapter alone, some megabytes"), {}),
    Way("mlx", _("LM Studio, mlx_lm"), _("one model, the adapter in its weights"), {"fuse": True}),
    Way(
        "ollama",
        "Ollama",
        _("one model in floats, with a Modelfile"),
        {"fuse": True, "precision": "float"},
    ),
    Way("gguf", _("llama.cpp, Ollama"), _("one GGUF file in float16"), {"gguf": True}),
    Way("peft", _("transformers and peft"), _("the adapter alone"), {"peft": True}),
    Way("gguf-lora", "llama.cpp", _("the adapter alone, as GGUF"), {"gguf_lora": True}),
)


def command(run: str, to: str, way: Way, *, check: bool = True) -> str:
    """The command line that does the same."""
    words = ["farense-tui", "export", run, "--to", shlex.quote(to)]
    words += [f"--{name.replace('_', '-')}" for name, on in way.options.items() if on is True]
    words += ["--dequantize"] if way.options.get("precision") == "float" else []
    words += [] if check else ["--no-check"]
    return " ".join(words)


def request(
    run: RunFolder,
    to: Path,
    *,
    fuse: bool = False,
    gguf: bool = False,
    peft: bool = False,
    gguf_lora: bool = False,
    precision: Precision = "keep",
    check: bool = True,
    repo: str = "",
) -> Request:
    """Ask for an export of the run's best adapter into the folder `to`.

    repo: of the hub that it is to go to, which the cards then name.

    Raises FarenseError for a run without one, and where what writes it is not installed.
    """
    if gguf_lora and find_spec("gguf") is None:
        raise refused(
            _("not installed: {names}").format(names="gguf"),
            _("GGUF adapters are written with what comes with an extra of farense-tui."),
            _("{command} installs it.").format(command=extras.command(["gguf"])),
            kind="extra",
        )
    config = found_again.usable(run)
    adapter = evaluation.adapter_of(run)
    state = fold(Tail(run.events).read_all())
    system = system_prompt.of_training(config.data)
    given = msgspec.structs.replace(config, data=run.read_config().data)
    measured = evaluation.kept(run)
    if measured and evaluation.is_stale(run, measured):  # of an adapter that is no more: remarks()
        measured = None
    made = Made(run.name, given, state, measured, system, repo)
    model, train = config.model, config.train
    return Request(
        name=run.name,
        repo=model.repo,
        base=model_card.base_model(model.repo),
        revision=model.revision,
        trust_remote_code=model.trust_remote_code,
        adapter=str(adapter),
        to=str(to),
        data=config.data.path,
        prompts=own_questions.prompts(config),
        system=system,
        fuse=fuse,
        gguf=gguf,
        peft=peft,
        gguf_lora=gguf_lora,
        precision="float" if gguf else precision,
        max_seq_length=train.max_seq_length,
        mask_prompt=train.mask_prompt,
        answers=train.answers,
        append_end=config.data.append_end,
        features=config.data.features,
        check=check,
        adapter_card=model_card.adapter_card(made),
        peft_card=model_card.peft_card(made),
        model_card=model_card.fused_card(made),
        gguf_card=model_card.gguf_card(made) if gguf else model_card.gguf_lora_card(made),
    )


def remarks(run: RunFolder) -> list[str]:
    """Say that the cards have no figures, where there are some of an adapter that was."""
    measured = evaluation.kept(run)
    if not measured or not evaluation.is_stale(run, measured):
        return []
    said = _(
        "the card has no figures: the adapter's file is newer than they are; "
        "farense-tui evaluate {name} measures it"
    )
    return [said.format(name=run.name)]


def export(
    asked: Request,
    *,
    overwrite: bool,
    tell: Callable[[Progress], None] = lambda _: None,
    stop: task.Stop | None = None,
) -> Exported:
    """Export in a process of its own; the folder comes into its place as a whole, or not at all.

    overwrite: an earlier export there is replaced, and nothing else that is in it. Raises
    FarenseError (refused) for a folder that is there already and is none, whatever is wished.
    """
    to = Path(asked.to)
    export_place.check(to, overwrite)
    beside = export_place.beside(to, "tmp")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        asked = msgspec.structs.replace(asked, to=str(beside))
        made = task.result_of("export", asked, Exported, tell, stop)
        remarks = export_place.put(beside, to, overwrite)
    except FarenseError as error:  # of the worker, which knows the folder by its name beside it
        for part in ("title", "detail"):
            setattr(error, part, getattr(error, part).replace(str(beside), str(to)))
        raise
    except OSError as error:
        raise disk_error(error, to, "--to") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return msgspec.structs.replace(made, remarks=(*made.remarks, *remarks))


def verified(part: Part) -> str:
    """Say how near a part is to what it was made of; empty where it was not compared."""
    found = part.verified
    if found is None:
        return ""
    told = _(
        "loaded again: {same} of {answers} answers and {tokens_same} of {tokens} tokens are the "
        "same, {kept} of the adapter's effect is there"
    ).format(
        same=found.answers_same,
        answers=found.answers,
        tokens_same=found.tokens_same,
        tokens=found.tokens,
        kept=show.share(found.kept, 2),
    )
    if found.answers >= found.questions:
        return told
    late = _("the others of {questions} questions were not asked: a minute was over")
    return f"{told}; {late.format(questions=found.questions)}"


def unchecked(made: Exported) -> str:
    """Say that nothing was compared; empty where it was."""
    return "" if made.checked else _("not checked: it was not loaded again and compared")
