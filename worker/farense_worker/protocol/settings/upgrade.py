"""Run folders of other versions: what an older config.toml means today, and what is too new.

A run's configuration holds every setting that there was when it was written. So a setting that is
absent is younger than the run, and means what was done before it was there.
"""

from __future__ import annotations

from importlib import metadata
from typing import Any

from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _

# Of the run folder: config.toml, events.jsonl, checkpoints. It rises when an older version would
# misread what is in it, not when something is added.
FORMAT = 1
TOO_NEW = "too_new"  # kind of the error
# `section.key` as it was called, and as it is called now.
RENAMED: dict[str, str] = {}
# Settings whose default changed the mathematics when they came, and what was done before.
BEFORE: dict[str, Any] = {
    # Until then a model computed in what it came in; "auto" is float32 on a CPU, float16 on an M1.
    "model.dtype": "model",
    # Until then the last answer of a conversation alone was trained on, as by mlx_lm.
    "train.answers": "last",
    # Until then a row ended as the template ends it, with an end or without.
    "data.append_end": False,
    # Until then a warm-up could be longer than the run.
    "train.warmup_cap": 0.0,
    # Until then a run shorter than those steps validated, and saved, at its end alone.
    "report.eval_at_least": 0,
    "checkpoint.at_least": 0,
}


def to_now(tables: dict[str, Any], source: str) -> dict[str, Any]:
    """Give the tables of a config.toml as a run of today would have written them.

    Raises FarenseError (refused) for a run folder of a newer format.
    """
    run = tables.get("run")
    if isinstance(run, dict) and isinstance(run.get("format"), int) and run["format"] > FORMAT:
        raise _too_new(run, source)
    now = {name: dict(t) if isinstance(t, dict) else t for name, t in tables.items()}
    for old, new in RENAMED.items():
        _move(now, old, new)
    for name, value in BEFORE.items():
        section, _dot, key = name.partition(".")
        if isinstance(now.setdefault(section, {}), dict):
            now[section].setdefault(key, value)
    return now


def advice(tables: dict[str, Any]) -> str:
    """Say which version wrote a config.toml that has faults, if it was another than this one."""
    run = tables.get("run")
    written = run.get("app_version") if isinstance(run, dict) else None
    if not written or written == own_version():
        return ""
    said = _("It was written by farense-tui {written}; this is {own}. A newer one may read it.")
    return said.format(written=written, own=own_version())


def own_version() -> str:
    """Give the version of farense-tui that is installed; `unknown` where it is not."""
    try:
        return metadata.version("farense-tui")
    except metadata.PackageNotFoundError:
        return "unknown"  # not translated: as in the record


def _too_new(run: dict[str, Any], source: str) -> Exception:
    return refused(
        _("{file} is of a newer farense-tui").format(file=source),
        _(
            "It was written by a newer farense-tui ({written}, format {theirs}); "
            "this is {own}, which reads up to format {ours}."
        ).format(
            theirs=run["format"],
            written=run.get("app_version") or "?",
            own=own_version(),
            ours=FORMAT,
        ),
        _("Update farense-tui, for example with: pipx upgrade farense-tui. Nothing was changed."),
        kind=TOO_NEW,
    )


def _move(tables: dict[str, Any], old: str, new: str) -> None:
    (section, _dot, key), (to, _dot, name) = old.partition("."), new.partition(".")
    if isinstance(tables.get(section), dict) and key in tables[section]:
        value = tables[section].pop(key)
        tables.setdefault(to, {}).setdefault(name, value)
