"""A run behind an OpenAI-compatible address: what the worker is asked, and how it is ended."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from farense_worker.protocol import system_prompt
from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import in_words, refused, usage
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.serving import (
    CONTEXT,
    LOOPBACK,
    PORTS,
    Handled,
    Said,
    Setup,
    Stop,
)
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.runs import found_again
from farense_tui.engine.tasks import ask, model_card
from farense_tui.engine.tasks.task import Task

_LONGEST_KEY = 4096


def setup(
    runs: Sequence[RunFolder],
    *,
    system: str | None = None,
    host: str = LOOPBACK,
    port: int | None = None,
    key: str = "",
    origins: Sequence[str] = (),
    context: int = CONTEXT,
) -> Setup:
    """Ask for the adapters of these runs and their base model at one address.

    system: in place of what the runs' data shares; empty for none. port: None for the first that
    is free from 8080 on, 0 for any. Raises FarenseError for runs without an adapter, of different
    models or of one name.
    """
    asked = ask.setup(runs)
    if system is None:
        system, _alike = system_prompt.shared(found_again.config_of(run).data for run in runs)
    base = model_card.base_model(asked.repo)
    names = [*(adapter.name for adapter in asked.adapters), base]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise refused(
            _("two models would be asked by one name"),
            ", ".join(twice),
            _("Rename one of the runs: m in the list of runs."),
            kind="names",
        )
    return Setup(
        repo=asked.repo,
        base=base,
        adapters=asked.adapters,
        revision=asked.revision,
        trust_remote_code=asked.trust_remote_code,
        dtype=asked.dtype,
        system=system or None,
        host=host,
        ports=PORTS if port is None else (port,),
        key=key,
        origins=tuple(origins),
        context=context,
    )


def key_from(source: str) -> str:
    """Read a key from `env:NAME` or from a file; never from the command line, which ps shows.

    Raises FarenseError (usage) where there is none.
    """
    if source.startswith("env:"):
        key, where = os.environ.get(source[4:], "").strip(), source
    else:
        where = str(Path(os.path.expanduser(source)))
        try:
            with open(where, encoding="utf-8") as file:
                key = file.read(_LONGEST_KEY).strip()
        except (OSError, ValueError) as error:
            raise usage(
                _("there is no file with a key at {path}").format(path=clean(source)),
                in_words(error),
                _("--api-key takes a file, or env:NAME: everybody sees a command line."),
            ) from error
    if not key or not key.isprintable() or not key.isascii() or " " in key:
        raise usage(
            _("there is no key in {source}").format(source=clean(where)),
            hint=_("A key is one line of letters, digits and signs."),
        )
    return key


def curl(address: str, model: str, key: bool = False) -> str:
    """Write a command that asks one question."""
    body = {"model": model, "messages": [{"role": "user", "content": "..."}]}
    bearer = " -H 'Authorization: Bearer KEY'" if key else ""  # not translated: shell
    told = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f"curl {address}/chat/completions -H 'Content-Type: application/json'{bearer} -d {told}"


def told(done: Handled) -> str:
    """Say what was asked and what came of it, in a line."""
    parts = [str(done.status or "---"), clean(done.model or done.path)]
    if done.tokens:
        speed = done.tokens / done.seconds if done.seconds > 0 else 0.0
        said = _("{asked} tokens asked, {n} answered, {speed:.0f}/s")
        parts.append(said.format(asked=done.prompt_tokens, n=done.tokens, speed=speed))
    if done.fault:
        parts.append(clean(done.fault))
    if done.ignored:
        parts.append(_("passed over: {names}").format(names=clean(", ".join(done.ignored))))
    return "  ".join(parts)


class Serving(Task):
    """Models that are served until `stop`. `listen` gives what is said of them, Ended the last."""

    def __init__(self, asked: Setup) -> None:
        """Start the worker."""
        super().__init__("serve", asked, Said)

    def __enter__(self) -> Serving:
        """Use it until the block ends."""
        return self

    def stop(self) -> None:
        """Take no more requests, and end after those that are being answered; from any thread."""
        self.write(Stop())
