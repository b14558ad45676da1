"""What a table's rows are: their shape by themselves, or by what the user says of the columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from farense_worker.protocol.errors import ExitCode, FarenseError, refused, usage
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.shapes import nested, recognise, splits, verdicts
from farense_worker.protocol.shapes.shape import LISTS, Shape

from farense_tui.dataset.readers.table import Bad, Table

TARGETS = ("prompt", "completion", "system", "messages", "text")
_LOOKED_AT = 20


class Unknown(FarenseError):
    """Nothing tells which column is what: `columns`, and `example`, a row of them."""

    def __init__(self, name: str, columns: Sequence[str], example: dict[str, Any]) -> None:
        """Name the file and its columns."""
        hint = _("--map prompt=COLUMN --map completion=COLUMN names them.")
        if lists := nested.lists(example):
            listed = _(
                "{names}: a list, whose items are not known as rows. --map messages=COLUMN says "
                "that it holds questions and answers in turn; else write a row for each item."
            )
            hint = f"{hint}\n{listed.format(names=', '.join(lists))}"
        super().__init__(
            _("which columns of {name} are question and answer?").format(name=name),
            _("columns: {names}").format(names=", ".join(columns)),
            hint,
            kind="data",
            exit_code=ExitCode.REFUSED,
        )
        self.columns = list(columns)
        self.example = example


@dataclass(frozen=True)
class Mapping:
    """The shape of a table's rows. unused: columns that are not trained on.

    within: the lists of a row in which its rows stand, the outer one first; () for a row itself.
    labels: columns that call an answer good or bad; bad ones are left out. split: the column that
    names each row's split. firsts: columns with several values, of which the first is taken.
    """

    shape: Shape
    unused: tuple[str, ...] = ()
    within: nested.Path = ()
    labels: tuple[str, ...] = ()
    split: str = ""
    firsts: tuple[str, ...] = ()

    def rows(self, values: dict[str, Any]) -> list[dict[str, Any]]:
        """Give the rows that a row stands for, mostly itself."""
        return nested.rows(values, self.within) if self.within else [values]


def parse(assignments: Sequence[str]) -> dict[str, str]:
    """Read TARGET=COLUMN, each; COLUMN+COLUMN are put one after the other.

    Raises FarenseError (usage) for a target that there is not.
    """
    made: dict[str, str] = {}
    for assignment in assignments:
        target, sign, column = assignment.partition("=")
        if not sign or not column or target not in TARGETS:
            hint = _("It is --map TARGET=COLUMN, TARGET one of {targets}.")
            raise usage(f"--map {assignment}", hint=hint.format(targets=", ".join(TARGETS)))
        made[target] = column
    asked = {"prompt", "completion", "system"} & made.keys()
    if asked and not {"prompt", "completion"} <= asked:
        raise usage("--map", hint=_("prompt and completion are named together."))
    return made


def choose(name: str, table: Table, said: dict[str, str]) -> Mapping:
    """Find the mapping of a table by its first rows; `said` is for those that have its columns.

    Raises Unknown where nothing tells, FarenseError where some of the columns are there.
    """
    looked_at = list(islice(table.rows(), _LOOKED_AT))
    first = [row for _at, row in looked_at if isinstance(row, dict)]
    if not first:
        whats = [f"{name}:{at}: {row.what}" for at, row in looked_at if isinstance(row, Bad)]
        title = _("{name} has no rows").format(name=name)
        raise refused(title, "".join(whats[:1]), kind="data")
    columns = list(dict.fromkeys(key for row in first for key in row))
    shape = _said(name, columns, said) if said else None
    if shape is None:
        found = [shape for shape in map(recognise.shape, first) if shape]
        inside = [] if found else [each for each in map(nested.shape, first) if each]
        if inside:
            path, shape = inside[0]
            return _mapping(shape, [each for row in first for each in nested.rows(row, path)], path)
        if not found:
            raise Unknown(name, columns, first[0])
        shape = found[0]
    return _mapping(shape, first)


def _mapping(shape: Shape, rows: Sequence[dict[str, Any]], within: nested.Path = ()) -> Mapping:
    labels = verdicts.columns(rows) if shape.answered else ()
    columns = dict.fromkeys(key for row in rows for key in row)
    split = splits.column(rows)
    unused = tuple(each for each in columns if each not in {*shape.read, *labels, split})
    firsts = tuple(
        key
        for key in columns
        if key in shape.read and key not in LISTS and any(_several(row.get(key)) for row in rows)
    )
    return Mapping(shape, unused, within, labels, split, firsts)


def _several(value: Any) -> bool:
    """Whether it is a list of several answers, as sets of questions have them; of none of words."""
    listed = value.get("text") if isinstance(value, dict) else value
    return isinstance(listed, list) and len(listed) > 1 and isinstance(listed[0], str | int | float)


def _said(name: str, columns: list[str], said: dict[str, str]) -> Shape | None:
    chosen = {
        target: [given] if given in columns else given.split("+") for target, given in said.items()
    }
    wanted = [column for parts in chosen.values() for column in parts]
    missing = [column for column in wanted if column not in columns]
    if len(missing) == len(wanted):
        return None
    if missing:
        title = _("{name} has no column {column}").format(name=name, column=", ".join(missing))
        raise usage(title, _("columns: {names}").format(names=", ".join(columns)))
    if "messages" in chosen:
        return recognise.messages(chosen["messages"][0])
    if "text" in chosen:
        return recognise.texts(chosen["text"][0])
    system = chosen.get("system", [""])[0]
    return recognise.pairs(chosen["prompt"], chosen["completion"][0], system)
