"""Write the tables of docs/protocol.md, docs/profile.md and docs/monitor.md from the code.

    python scripts/make_reference.py           writes them
    python scripts/make_reference.py --check   exit code 1 if they are not what the code says

What stands between `<!-- made: NAME -->` and `<!-- end -->` is made here, everything else is
written by hand. The example line of an event is kept, and brought up to date with its fields; an
event that has none yet needs one, copied from a real events.jsonl.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args, get_type_hints

import msgspec
from farense_worker.protocol import language
from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.messages import events
from farense_worker.protocol.settings import fields, profile, profile_file
from farense_worker.protocol.simulation import SCENARIOS
from msgspec import Meta

from farense_tui.engine.health import RULES

ROOT = Path(__file__).resolve().parent.parent
PROTOCOL = ROOT / "docs" / "protocol.md"
PROFILE = ROOT / "docs" / "profile.md"
MONITOR = ROOT / "docs" / "monitor.md"
MACHINES = ("m1-8gb", "m1-16gb", "m1-32gb")

# Fields whose declaration says no more than their name does: what they are, and their unit.
PLAIN = {
    "best": "whether it is the best one so far",
    "bytes": "size, bytes",
    "detail": "where, and what was found; may have several lines",
    "done": "of `total`",
    "epoch": "passes over the data so far",
    "hint": "what to do about it; may be empty",
    "kind": "short machine-readable name",
    "learning_rate": "of this update",
    "level": "how much it matters",
    "loss": "mean over label tokens, natural log",
    "message": "one line",
    "micro_batches": "how many the step was cut into",
    "name": "what it does now",
    "phase": "what it does now",
    "prompt": "what was asked",
    "reason": "why",
    "seconds": "how long it took, seconds",
    "step": "the newest step that is done",
    "text": "what it answered",
    "title": "what went wrong, one line",
    "total": "when it is done; 0 unknown",
    "total_parameters": "of the model with the adapter",
    "train_examples": "rows of train.jsonl",
    "trainable_parameters": "of the adapter",
    "valid_examples": "rows of valid.jsonl, 0 without it",
}

NAMES = {int: "integer", float: "number", str: "string", bool: "true or false"}


def main() -> int:
    """Write or check; the exit code."""
    if language.spoken() != language.ENGLISH:
        sys.exit("the docs are in English: FARENSE_LANG=en python scripts/make_reference.py")
    stale = []
    for path, make in (
        (PROTOCOL, protocol),
        (PROFILE, profile_reference),
        (MONITOR, monitor),
    ):
        text = path.read_text(encoding="utf-8")
        made = make(text)
        if made != text:
            stale.append(path.name)
            if "--check" not in sys.argv:
                path.write_text(made, encoding="utf-8")
    if stale:
        print(", ".join(stale), "not up to date" if "--check" in sys.argv else "written")
    return int(bool(stale) and "--check" in sys.argv)


def protocol(text: str) -> str:
    """Make docs/protocol.md anew out of itself and the code."""
    text = _filled(text, "exit codes", lambda _: exit_codes())
    return _filled(text, "events", all_events)


def profile_reference(text: str) -> str:
    """Make docs/profile.md anew out of itself and the code."""
    text = _filled(text, "settings", lambda _: all_settings())
    return _filled(text, "machines", lambda _: machines())


def monitor(text: str) -> str:
    """Make docs/monitor.md anew out of itself and the code."""
    rules = [(rule.name, rule.when, rule.remedy) for rule in RULES]
    text = _filled(text, "health", lambda _: _table(rules, ("rule", "when", "remedy")))
    scenarios = [(f"`{name}`", about) for name, about in SCENARIOS.items()]
    return _filled(text, "scenarios", lambda _: _table(scenarios, ("scenario", "what it plays")))


def examples(text: str) -> dict[str, bytes]:
    """Find the example line of each type of event."""
    lines = re.findall(r"^```json\n(\{.*\})\n```$", text, re.MULTILINE)
    return {msgspec.json.decode(line)["type"]: line.encode() for line in lines}


# ---- events -----------------------------------------------------------------------------------


def all_events(before: str) -> str:
    """One chapter for each type of event."""
    known = examples(before)
    common = events.Event.__struct_fields__
    parts = [
        "### Every event\n",
        _table([("type", "string", "which event it is"), *_fields(events.Event, common)]),
    ]
    for event in get_args(events.AnyEvent):
        tag = event.__struct_config__.tag
        own = [name for name in event.__struct_fields__ if name not in common]
        if tag not in known:
            raise SystemExit(f"docs/protocol.md: the event {tag} needs an example line")
        example = events.decode(known[tag])
        if example is None:
            raise SystemExit(f"docs/protocol.md: the example of {tag} is not one")
        parts += [
            f"\n### {tag}\n",
            f"{event.__doc__}\n",
            _table(_fields(event, own)),
            f"\n```json\n{events.encode(example).decode().strip()}\n```",
        ]
    return "\n".join(parts)


def _fields(event: type[msgspec.Struct], names: Any) -> list[tuple[str, str, str]]:
    hints = get_type_hints(event, include_extras=True)
    return [(name, type_name(hints[name]), _meaning(name, hints[name])) for name in names]


def _meaning(name: str, annotation: Any) -> str:
    described = [m.description for m in _metas(annotation) if m.description]
    if not described and name not in PLAIN:
        raise SystemExit(f"the field {name} has no description, neither its Meta nor PLAIN")
    return described[0] if described else PLAIN[name]


def type_name(annotation: Any) -> str:
    """Name a type as JSON knows it."""
    if _metas(annotation):
        annotation = get_args(annotation)[0]
    if annotation in NAMES:
        return NAMES[annotation]
    args = get_args(annotation)
    if args == (float, type(None)):
        return "number or null"
    if all(isinstance(arg, str) for arg in args) and args:
        return " ".join(f"`{arg}`" for arg in args)
    if args == (str, str):
        return "object of strings"
    if args == (str, Any):
        return "object"
    raise TypeError(f"no name for {annotation}")


def _metas(annotation: Any) -> list[Meta]:
    return [m for m in getattr(annotation, "__metadata__", ()) if isinstance(m, Meta)]


def exit_codes() -> str:
    meaning = {
        "DONE": "the run is complete",
        "FAILED": "it failed while it ran; for `farense-tui` also: its worker was killed",
        "USAGE": "the command line cannot be understood",
        "REFUSED": "refused before the start: bad data, a wrong profile, a run that is taken",
        "STOPPED": "stopped by the user, with a checkpoint",
    }
    rows = [(str(int(code)), meaning[code.name]) for code in ExitCode]
    return _table(rows, ("code", "meaning"))


# ---- settings ---------------------------------------------------------------------------------


def all_settings() -> str:
    """One chapter for each section of a profile."""
    parts = []
    for section, declared in fields.SETTINGS.items():
        standard = getattr(profile.Profile(), section)
        about = (type(standard).__doc__ or "").partition(": ")[2]
        rows = [
            (key, each.rule(), toml(getattr(standard, key)), each.description)
            for key, each in declared.items()
        ]
        parts += [
            f"### [{section}]\n",
            f"{about[:1].upper()}{about[1:]}\n",
            _table(rows, ("key", "value", "default", "meaning")),
            "",
        ]
    return "\n".join(parts).strip()


def machines() -> str:
    """The profiles for the three Macs side by side; then what they share and no default says."""
    loaded = [profile_file.load(ROOT / "profiles" / f"{name}.toml") for name in MACHINES]
    different: list[tuple[str, ...]] = []
    same: list[tuple[str, ...]] = []
    for declared in fields.SETTINGS.values():
        for each in declared.values():
            values = [toml(getattr(getattr(p, each.section), each.key)) for p in loaded]
            default = toml(getattr(getattr(profile.Profile(), each.section), each.key))
            row = (f"{each.section}.{each.key}", *values)
            if len(set(values)) > 1:
                different.append(row)
            elif values[0] != default:
                same.append(row)
    return "\n".join(
        [
            _table(different, ("setting", *MACHINES)),
            "\nThe same in all three, and not the default:\n",
            _table([row[:2] for row in same], ("setting", "value")),
        ]
    )


def toml(value: Any) -> str:
    """Write a value as a profile has it."""
    if isinstance(value, tuple):
        return f"`[{', '.join(map(_quoted, value))}]`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{_quoted(value) if isinstance(value, str) else value}`"


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


# ---- text -------------------------------------------------------------------------------------


def _table(rows: Any, head: tuple[str, ...] = ("field", "type", "meaning")) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def _filled(text: str, name: str, make: Callable[[str], str]) -> str:
    pattern = re.compile(rf"(<!-- made: {name} -->\n).*?(<!-- end -->)", re.DOTALL)
    found = pattern.search(text)
    if not found:
        raise SystemExit(f"there is no place for {name}")
    return text[: found.start()] + found[1] + make(found[0]) + "\n" + found[2] + text[found.end() :]


if __name__ == "__main__":
    sys.exit(main())
