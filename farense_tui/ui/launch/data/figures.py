"""A data check's figures as text: the splits as a table, the lengths of rows as bars. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import pgettext
from farense_worker.protocol.messages.data_check import Bin, Split
from farense_worker.protocol.percent import percent
from textual.content import Content

from farense_tui.engine import readable as f

_GAP = 2
_BAR = 48
_LEAST_BAR = 8
# name of the column, and whether it is left out where there is little room
_COLUMNS = (
    (pgettext("column", "split"), False),
    (pgettext("column", "rows"), False),
    (pgettext("column", "tokens"), False),
    (pgettext("column", "labels"), False),
    (pgettext("column", "shortest"), True),
    (pgettext("column", "median"), False),
    (percent(0.95), True),
    (pgettext("column", "longest"), False),
    (pgettext("column", "cut off"), False),
)


def table(splits: Sequence[Split], width: int) -> Content:
    """A line for each split; some columns are left out where there is no room for all."""
    cells = [[name for name, _extra in _COLUMNS], *(_cells(split) for split in splits)]
    shown = range(len(_COLUMNS))
    if _width(cells, shown) > width:
        shown = [at for at, (_name, extra) in enumerate(_COLUMNS) if not extra]  # type: ignore[assignment]
    head, *rows = [_row(row, cells, shown) for row in cells]
    return Content("\n").join([Content.styled(head, "$text-muted"), *map(Content, rows)])


def _cells(split: Split) -> list[str]:
    numbers = (split.shortest, split.median, split.most, split.longest, split.truncated)
    known = [f.count(split.tokens), f.count(split.labels), *map(str, numbers)]
    return [clean(split.name), str(split.rows), *(known if split.tokens else [f.UNKNOWN] * 7)]


def _width(cells: list[list[str]], shown: Sequence[int]) -> int:
    return sum(max(len(row[at]) for row in cells) + _GAP for at in shown) - _GAP


def _row(row: list[str], cells: list[list[str]], shown: Sequence[int]) -> str:
    first, *rest = shown
    widths = {at: max(len(each[at]) for each in cells) for at in shown}
    numbers = [f"{'':{_GAP}}{row[at]:>{widths[at]}}" for at in rest]
    return f"{row[first]:<{widths[first]}}{''.join(numbers)}"


def bars(split: Split, limit: int, width: int) -> Content:
    """A bar for each range of lengths; a line shows where rows are cut off, if any are."""
    names = [_range(each) for each in split.bins]
    most = max(each.rows for each in split.bins)
    left = max(map(len, names))
    room = min(_BAR, max(_LEAST_BAR, width - left - len(str(most)) - 3))
    lines = [
        _bar(each, f"{name:>{left}}", each.start > limit, room / most)
        for each, name in zip(split.bins, names, strict=True)
    ]
    if split.truncated:
        within = sum(each.start <= limit for each in split.bins)
        lines.insert(within, _edge(limit, left, room))
    return Content("\n").join(lines)


def _edge(limit: int, left: int, room: int) -> Content:
    said = " " + _("cut off after {limit}").format(limit=limit) + " "
    return Content.styled(f"{'':{left}}  {said:╌^{max(len(said), room)}}", "$warning")


def _bar(each: Bin, name: str, beyond: bool, scale: float) -> Content:
    cells = max(int(each.rows > 0), round(each.rows * scale))
    bar = ("▒" if beyond else "▇") * cells + " " * bool(cells)
    return Content.assemble((f"{name}  ", "$text-muted"), (bar, "$accent"), str(each.rows))


def _range(each: Bin) -> str:
    return f"{each.start}–{each.end}" if each.end else f"{each.start}–"
