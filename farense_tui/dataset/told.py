"""What was recognised, and rows as they will be trained, in lines for whoever looks."""

from __future__ import annotations

from collections.abc import Sequence

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext

from farense_tui.dataset import sources
from farense_tui.dataset.look import Seen
from farense_tui.dataset.make import Made

_MOST_SHOWN = 300  # characters of a message
_EXAMPLES = 3


def seen(looked: Sequence[Seen]) -> list[str]:
    """What each source is, by which sign, and what its owner should know of it."""
    lines = []
    for each in looked:
        table, shape = each.table, each.mapping.shape
        split = f" -> {each.source.split}" if each.source.split else ""
        lines.append(f"{clean(each.source.name)}: {table.kind} ({clean(table.sign)}){split}")
        within = ", ".join(clean(name) for name in each.mapping.within)
        holds = _("each row: {shape} ({sign})")
        if within:
            holds = _("each item of {lists} in each row: {shape} ({sign})")
        told = holds.format(lists=within, shape=clean(shape.name), sign=clean(shape.sign))
        lines.append(f"  {told}")
        lines += [f"  {clean(remark)}" for remark in (each.encoded, *table.remarks) if remark]
        if each.mapping.labels:
            names = ", ".join(clean(name) for name in each.mapping.labels)
            what = _("{columns} says which answers are good; bad ones are left out")
            lines.append("  " + what.format(columns=names))
        if each.mapping.firsts:
            what = _("of several in {columns} the first is trained on")
            columns = ", ".join(clean(name) for name in each.mapping.firsts)
            lines.append("  " + what.format(columns=columns))
        if each.mapping.split:
            what = _("{columns} says which split each row is of").format(columns=each.mapping.split)
            lines.append(f"  {clean(what)}")
        if each.mapping.unused:
            names = ", ".join(clean(name) for name in each.mapping.unused)
            lines.append("  " + _("not trained on: {columns}").format(columns=names))
        if each.source.beside:
            names = clean(sources.listed(each.source.beside))
            lines.append("  " + _("beside it, and not read: {names}").format(names=names))
    return lines


def left_out(made: Made) -> list[str]:
    """What is not in the new folder, by rule, and what its owner should know of the rest."""
    lines = []
    if lost := sum(made.left_out.values()):
        what = ngettext("{n} row was left out", "{n} rows were left out", lost).format(n=lost)
        lines.append(_("{what}; left_out.jsonl names each with its rule").format(what=what))
        lines += [
            f"  {rule} {number}: {clean(made.rules[rule])}"
            for rule, number in made.left_out.items()
        ]
    return [*lines, *map(clean, made.remarks)]


def examples(looked: Sequence[Seen]) -> list[Row]:
    """The first rows of all of them, as they will be trained."""
    return [row for each in looked for row in each.examples][:_EXAMPLES]


def row(shown: Row) -> list[str]:
    """A row, message by message, what is trained on between marks."""
    if shown.kind == "text":
        return [f"⟦{short(shown.values['text'])}⟧"]
    messages, _tools = shown.conversation()
    unweighted = shown.unweighted
    lines = []
    for at, message in enumerate(messages):
        said = short(str(message["content"]))
        calls = message.get("tool_calls") or ()
        said = " ".join([said, *(f"{call.get('function', call)}" for call in calls)]).strip()
        trained = message["role"] == "assistant" and at not in unweighted
        lines.append(f"{clean(message['role'])}: {f'⟦{said}⟧' if trained else said}")
    return lines


def short(text: str) -> str:
    """One line of it, not too long."""
    said = clean(text)
    return said if len(said) <= _MOST_SHOWN else f"{said[:_MOST_SHOWN]} …"
