"""Make a data set of sources that were looked at: read, leave out, split, write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from farense_worker.protocol.dataset import SPLITS
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.task import Progress
from farense_worker.protocol.rows import row_faults
from farense_worker.protocol.shapes import splits

from farense_tui import __version__
from farense_tui.dataset import duplicates, extra, leave_out, look, sources, split, write
from farense_tui.dataset.documents import draft
from farense_tui.dataset.leave_out import LeftOut
from farense_tui.dataset.look import Seen, Wish
from farense_tui.dataset.pool import KINDS, UNSPLIT, Pool
from farense_tui.dataset.readers import header
from farense_tui.dataset.readers.table import Bad

Tell = Callable[[Progress], None]
_EVERY = 20_000  # rows between two words on the progress


@dataclass(frozen=True)
class Made:
    """What became of it. remarks: what its owner should know."""

    rows: dict[str, int]
    left_out: dict[str, int]
    remarks: tuple[str, ...]
    rules: dict[str, str]


def make(wish: Wish, seen: list[Seen], tell: Tell = lambda _progress: None) -> Made:
    """Make the folder; whatever happens, it is whole or not there.

    Raises FarenseError (refused) where it exists, where no row is left, or where a source loses
    more than a tenth of its rows without `skip`.
    """
    if wish.dedupe == "near":
        extra.module("rensa", _("near-duplicates"))
    with write.new_folder(wish.to) as folder:
        left = LeftOut(folder / sources.LEFT_OUT, [each.source.name for each in seen])
        pool = Pool(folder / "pool")
        try:
            read = [_read(at, each, wish, pool, left, tell) for at, each in enumerate(seen)]
            remarks: list[str] = []
            if not len(pool):
                raise refused(_("no row can be trained on"), left.first, kind="data")
            _check(wish, pool)
            if wish.resplit:
                pool.split = type(pool.split)("B", [UNSPLIT] * len(pool))
            pairs = _near(wish, pool, folder, remarks, tell)
            kept = np.ones(len(pool), bool)
            if wish.dedupe != "none":
                near = wish.dedupe == "near"
                kept = leave_out.repeated(pool, pairs, left, near=near)
            drawn = _split(wish, pool, kept, pairs, remarks)
            tell(Progress(_("writing"), 0, 0, "rows"))
            told = write.splits(pool, kept, drawn, folder)
        finally:
            pool.close()
            left.close()
        for name in ("pool", "signatures"):
            (folder / name).unlink(missing_ok=True)
        rows = {name: each["rows"] for name, each in told.items()}
        if "train" not in rows:
            said = _("nothing is trained on: the sources name other splits; --resplit draws anew")
            remarks.append(said)
        made = Made(rows, dict(left.counts), tuple(remarks), dict(left.examples))
        write.record(folder, sources.RECORD, _record(wish, seen, read, told, made))
    return made


def _read(at: int, seen: Seen, wish: Wish, pool: Pool, left: LeftOut, tell: Tell) -> int:
    """Read a source into the pool and give how many rows it had."""
    name, total, lost, unread = seen.source.name, 0, 0, ""
    asked = {rule for rule, _what in wish.drop.values()} | {"too_long", "label", header.AGAIN}
    what = _("reading {name}").format(name=name)
    try:
        for number, row, values in look.mapped(seen.source, seen.table, seen.mapping, wish):
            total += 1
            if total % _EVERY == 0:
                tell(Progress(what, total, 0, "rows"))
            if isinstance(row, Bad):
                lost += row.rule not in asked
                with write.writing(wish.to):  # not what is read is at fault then
                    left.add(at, number, row.rule, row.what)
                if row.rule in (*row_faults.FATAL, "quote"):
                    unread = unread or f"{name}:{number}: {row.what}"
                continue
            together = wish.together or (draft.GROUP if seen.source.draft else "")
            group = values.get(together) if together else None
            if seen.mapping.within and not together:
                group = f"{at}:{number}"  # what stands in one row is about one thing
            stratum = values.get(wish.stratify) if wish.stratify else None
            said = splits.named(values.get(seen.mapping.split)) if seen.mapping.split else ""
            with write.writing(wish.to):
                pool.add(at, number, row, said or seen.source.split, group, stratum)
    except look.DAMAGE as error:
        raise look.damaged(seen.source, error) from error
    if unread and not wish.skip:
        hint = _("Mend the file, or leave out what cannot be read with --skip.")
        raise refused(_("lines that cannot be read"), unread, hint, kind="data")
    if lost > row_faults.MOST_LOST * total and not wish.skip:
        said = _("{lost} of {rows} rows of {file} cannot be trained on, more than a tenth")
        hint = _("--skip leaves them out all the same.")
        detail = f"{said.format(lost=lost, rows=total, file=name)}\n{left.first}"
        raise refused(_("too many rows that cannot be trained on"), detail, hint, kind="data")
    return total


def _check(wish: Wish, pool: Pool) -> None:
    """Refuse what cannot be one data set, and columns that no row has."""
    text = pool.numbers("kind") == KINDS.index("text")
    if text.any() and not text.all():
        raise refused(
            _("text cannot stand among questions and answers"),
            _("A file has rows of one kind: all of a text is trained on."),
            _("Make two data sets of the sources."),
            kind="data",
        )
    for option, column, values in (
        ("together", wish.together, pool.together),
        ("stratify", wish.stratify, pool.stratum),
    ):
        if column and not any(values):
            title = _("no row has a column {column}").format(column=column)
            raise refused(title, f"--{option} {column}", kind="data")


def _near(wish: Wish, pool: Pool, folder: Path, remarks: list[str], tell: Tell) -> duplicates.Pairs:
    """Find near-duplicates, where that is possible and wanted."""
    if wish.dedupe == "none":
        return np.empty((0, 2), np.int64)
    if not extra.there("rensa"):
        remarks.append(_("near-duplicates may stand in several splits: the extra data finds them"))
        return np.empty((0, 2), np.int64)
    tell(Progress(_("looking for near-duplicates"), 0, 0, "rows"))
    return duplicates.near(pool, wish.near, folder)


def _split(wish: Wish, pool: Pool, kept: Any, pairs: duplicates.Pairs, remarks: list[str]) -> Any:
    """Give each row its split: the source's, or one that is drawn among those without."""
    given = pool.numbers("split")
    there = {SPLITS[each] for each in np.unique(given[kept]) if each != UNSPLIT}
    shares = _shares(wish, there)
    keys = []
    for name, what in (("answer", _("answer")), ("question", _("question"))):
        key, taken = split.without_classes(pool.numbers(name))
        keys.append(key)
        if taken:
            said = _("rows of the same {what} are not kept together where more than a few share it")
            remarks.append(said.format(what=what))
    group = split.groups([*keys, pool.numbers("together"), pool.numbers("whole")], pairs)
    free = np.flatnonzero(kept & ((given == UNSPLIT) | (given == SPLITS.index("train"))))
    drawn = np.where(given == UNSPLIT, 0, given).astype(np.uint8)
    _rows, own = np.unique(group[free], return_inverse=True)
    first = np.unique(own, return_index=True)[1]
    drawn[free] = split.draw(
        pool.numbers("whole")[free], first[own], pool.numbers("stratum")[free], shares, wish.seed
    )
    wanted = {"valid": shares.valid, "test": shares.test}
    empty = [name for name, share in wanted.items() if share and SPLITS.index(name) not in drawn]
    if empty and len(free):
        said = _("nothing is held out for {splits}: the rows are few, or belong together")
        remarks.append(said.format(splits=", ".join(empty)))
    for number, name in ((1, "valid"), (2, "test")):
        shared = np.isin(group, group[kept & (drawn == 0)]) & kept & (drawn == number)
        if shared.any():
            said = _("{n} rows of {split} share question, answer or nearly all with rows of train")
            remarks.append(said.format(n=int(shared.sum()), split=name))
    return drawn


def _shares(wish: Wish, there: set[str]) -> split.Shares:
    """Draw what is wanted; a tenth each where nothing is said and the sources name no split."""
    said = wish.valid is not None or wish.test is not None
    usual = 0.0 if said or there - {"train"} else 0.1
    valid = usual if wish.valid is None else wish.valid
    test = usual if wish.test is None else wish.test
    for name, share in (("valid", valid), ("test", test)):
        if share and name in there:
            raise refused(
                _("the sources have rows for {split} already").format(split=name),
                hint=_("--resplit draws all splits anew."),
                kind="data",
            )
    return split.Shares(valid, test)


def _record(
    wish: Wish, seen: list[Seen], read: list[int], told: dict[str, Any], made: Made
) -> dict[str, Any]:
    return {
        "farense_dataset": 1,
        "farense_tui": __version__,
        "sources": [
            {
                "name": each.source.name,
                "sha256": each.looked.sha256,
                "bytes": each.looked.bytes,
                "kind": each.table.kind,
                "sign": each.table.sign,
                "encoding": each.looked.encoding.name if each.looked.encoding else "",
                "shape": each.mapping.shape.name,
                "shape_sign": each.mapping.shape.sign,
                "within": each.mapping.within,
                "unused": each.mapping.unused,
                "split": each.source.split,
                "rows": rows,
            }
            for each, rows in zip(seen, read, strict=True)
        ],
        "done": {
            "map": wish.map,
            "table": wish.table,
            "seed": wish.seed,
            "valid": wish.valid,
            "test": wish.test,
            "dedupe": wish.dedupe,
            "near": wish.near if extra.there("rensa") and wish.dedupe != "none" else None,
            "together": wish.together,
            "stratify": wish.stratify,
            "resplit": wish.resplit,
            "cut": len(wish.shares),
            "remarks": made.remarks,
        },
        "left_out": made.left_out,
        "splits": told,
    }
