"""Exporting a run: what the worker is asked, and that nothing is overwritten by it."""

from __future__ import annotations

import contextlib
import os
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
from farense_worker.protocol.messages.export import MANIFEST, Exported, Part, Precision, Request
from farense_worker.protocol.messages.task import Progress
from farense_worker.protocol.run_folder import RunFolder, disk_error

from farense_tui.engine import readable as show
from farense_tui.engine.machine import extras
from farense_tui.engine.record.state import fold
from farense_tui.engine.record.tail import Tail
from farense_tui.engine.runs import found_again
from farense_tui.engine.tasks import evaluation, model_card, task
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
    made = Made(run.name, given, state, evaluation.kept(run), system, repo)
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
    _check_place(to, overwrite)
    beside = to.with_name(f".{to.name}.{os.getpid()}.tmp")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        asked = msgspec.structs.replace(asked, to=str(beside))
        made = task.result_of("export", asked, Exported, tell, stop)
        _put(beside, to)
    except OSError as error:
        raise disk_error(error, to) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return made


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


def _check_place(to: Path, overwrite: bool) -> None:
    if not to.exists() or (to.is_dir() and not any(to.glob("[!.]*"))):  # Finder looks, and writes
        return
    if not (to / MANIFEST).is_file():
        raise _taken(to, _("It is not an export of farense-tui."), _("Give another folder."))
    if not overwrite:
        raise _taken(to, _("It is an earlier export."), _("--overwrite replaces it."))


def _taken(to: Path, detail: str, hint: str) -> FarenseError:
    title = _("there is a folder {folder} already").format(folder=to)
    return refused(title, detail, hint, kind="exists")


def _put(beside: Path, to: Path) -> None:
    """Rename into place. What an export did not make goes along; what one made is removed last."""
    old = to.with_name(f".{to.name}.{os.getpid()}.old")
    if to.exists():
        to.rename(old)
    try:
        beside.rename(to)
    except OSError:
        if old.exists():
            old.rename(to)
        raise
    if old.exists():
        _take_along(old, to, _made(old))
        shutil.rmtree(old, ignore_errors=True)


def _made(folder: Path) -> set[Path]:
    """The files that an earlier export made, as its manifest says."""
    try:
        found = msgspec.json.decode((folder / MANIFEST).read_bytes(), type=Exported)
    except (OSError, ValueError, RecursionError):
        return {folder / MANIFEST}
    named = {folder / name for name in (*found.files, MANIFEST)}
    if not found.files:  # of a version that did not name them: all that is in its parts
        parts = [folder / part.path for part in found.parts]
        named |= {path for part in parts for path in (part, *part.rglob("*"))}
    return named


def _take_along(old: Path, to: Path, made: set[Path]) -> None:
    """Move what is not in `made` to where it was; where the new export has that name, beside it."""
    holders = {parent for path in made for parent in path.parents}
    for path in old.iterdir():
        if path.is_dir() and not path.is_symlink() and path in holders:
            (to / path.name).mkdir(exist_ok=True)
            _take_along(path, to / path.name, made)
            with contextlib.suppress(OSError):  # nothing of the user's was in it
                (to / path.name).rmdir()
        elif path not in made:
            place = to / path.name
            while place.exists() or place.is_symlink():
                place = place.with_name(f"{place.name}.before")
            path.rename(place)
