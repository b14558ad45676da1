"""Look at the sources: what each is, by which sign, and its first rows as they would become."""

from __future__ import annotations

import errno
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

from farense_worker.protocol import dataset, plain_file
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.errors import FarenseError, first_line, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.task import Progress
from farense_worker.protocol.rows.row_faults import Fault
from farense_worker.protocol.shapes import recognise, verdicts
from farense_worker.protocol.shapes.columns import Unfit

from farense_tui.dataset import cut, encoding, formats, mapping, sources
from farense_tui.dataset.documents import draft
from farense_tui.dataset.mapping import Mapping
from farense_tui.dataset.readers.table import Bad, Table
from farense_tui.dataset.sources import Repository, Source

NEAR = 0.85
_SHOWN = 3
# What reading a damaged file raises, beside FarenseError.
DAMAGE = (OSError, EOFError, UnicodeError, zlib.error, zipfile.BadZipFile)


Place = tuple[str, int]  # a file's whole path, and the number of a row
Rules = dict[Place, tuple[str, str]]


@dataclass(frozen=True)
class Wish:
    """What is to be made. valid, test: as split.Shares; None draws a tenth where sources name none.

    dedupe: "exact", "near" or "none". near: from which likeness on rows are near-duplicates.
    together, stratify: columns. resplit: the splits of the sources are drawn anew. skip: rows that
    cannot be trained on are left out however many they are. drop: rows that are left out, each with
    its rule and the reason. shares: rows that are cut, to which share of their length.
    """

    given: tuple[str, ...]
    to: Path
    map: dict[str, str] = field(default_factory=dict)
    table: str = ""
    of: Repository = field(default_factory=Repository)
    encoding: str = ""
    valid: float | None = None
    test: float | None = None
    seed: int = 0
    dedupe: str = "exact"
    near: float = NEAR
    together: str = ""
    stratify: str = ""
    resplit: bool = False
    skip: bool = False
    drop: Rules = field(default_factory=dict)
    shares: dict[Place, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Seen:
    """A source that was recognised. examples: its first rows as ours, with their numbers."""

    source: Source
    looked: encoding.Looked
    table: Table
    mapping: Mapping
    examples: tuple[Row, ...]

    @property
    def encoded(self) -> str:
        """How its text is encoded, "" where it is plain UTF-8."""
        return formats.encoded(self.looked)


def look(wish: Wish, tell: Callable[[Progress], None] = lambda _progress: None) -> list[Seen]:
    """Recognise the sources without reading more of them than tells what they are.

    A repository is downloaded; `tell` hears of it.

    Raises FarenseError for what is not read, mapping.Unknown where nothing tells the columns.
    """
    return [_seen(source, wish) for source in sources.find(wish.given, wish.of, tell)]


def _seen(source: Source, wish: Wish) -> Seen:
    try:
        if source.draft:
            looked, table = _draft(source)
        else:
            looked = encoding.look(source.path, wish.encoding)
            table = formats.table(source.path, looked, wish.table)
        found = mapping.choose(source.name, table, wish.map)
        made = (each for _at, each, _values in mapped(source, table, found, wish))
        rows = (row for row in islice(made, 100) if isinstance(row, Row))
        return Seen(source, looked, table, found, tuple(islice(rows, _SHOWN)))
    except DAMAGE as error:
        raise damaged(source, error) from error


def _draft(source: Source) -> tuple[encoding.Looked, Table]:
    """A draft's rows are the pairs that a person kept. Raises FarenseError where there are none."""
    assert source.draft
    kept = [each for each in draft.shown(source.draft) if each.state == "keep"]
    if not kept:
        raise refused(
            _("nothing of {folder} is kept yet").format(folder=source.draft),
            hint=_("farense-tui data review DRAFT shows its pairs, to be kept or dropped."),
            kind="draft",
        )
    rows = [
        {"question": each.question, "answer": each.answer, draft.GROUP: each.at[0]} for each in kept
    ]
    sign = _("{n} pairs that were kept").format(n=len(kept))
    table = Table(_("a draft"), sign, lambda: iter([*enumerate(rows, 1)]))
    return replace(encoding.look(source.path, "utf-8"), encoding=None), table


def mapped(
    source: Source, table: Table, found: Mapping, wish: Wish
) -> Iterator[tuple[int, Row | Bad, dict[str, Any]]]:
    """Give each row of a table as one of ours, or what is wrong with it; and what it was.

    A row that holds others, or is cut, may become several.
    """
    file = str(plain_file.resolved(source.path))
    for number, values in table.rows():
        if isinstance(values, Bad):
            yield number, values, {}
            continue
        if (file, number) in wish.drop:
            yield number, Bad(*wish.drop[file, number]), values
            continue
        share = wish.shares.get((file, number))
        rows = found.rows(values)
        if not rows:
            what = _("no rows in its {lists}").format(lists=", ".join(found.within))
            yield number, Bad("row", what), values
        for inner in rows:
            try:
                verdicts.check(inner, found.labels)
                made = found.shape.made(recognise.decoded(inner))
                several = [made] if share is None else cut.cut(made, share)
            except Unfit as error:
                yield number, Bad(error.rule if share is None else "too_long", str(error)), inner
                continue
            for each in several:
                row = dataset.checked(source.path, number, each)
                yield number, Bad(row.code, row.what) if isinstance(row, Fault) else row, inner


def damaged(source: Source, error: BaseException) -> FarenseError:
    """Say that a source cannot be read, with the reader's own words."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return refused(_("no space on the disk"), error.strerror or "", kind="disk_full")
    why = first_line(error)
    return refused(
        _("{path} cannot be read").format(path=source.path),
        why,
        _("Is it whole? --encoding NAME tells how its text is encoded."),
        kind="data",
    )
