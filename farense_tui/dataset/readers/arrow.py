"""Parquet and Arrow, by pyarrow: batch by batch, nested columns as Python's lists and objects."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from farense_worker.protocol.errors import FarenseError, first_line, refused
from farense_worker.protocol.language import gettext as _

from farense_tui.dataset import extra
from farense_tui.dataset.readers.table import Numbered, Table

_BATCH = 1000  # rows
_BUFFER = 1 << 20  # bytes a column


def table(path: Path, begin: bytes) -> Table:
    """Open the file by its first bytes; FarenseError (refused) for a damaged one."""
    kind = "Parquet" if begin.startswith(b"PAR1") else "Arrow"
    pyarrow = extra.module("pyarrow", _("{kind} files").format(kind=kind))
    with extra.reading(partial(_damaged, path)):
        first = next(_batches(pyarrow, path, begin), None)
        names = first.schema.names if first is not None else []
    sign = _("it begins with {mark}, columns {names}").format(
        mark=begin[:6].decode("ascii", "backslashreplace").strip("\0"), names=", ".join(names[:12])
    )
    if begin.startswith(b"\xff"):
        sign = _("a stream of batches, columns {names}").format(names=", ".join(names[:12]))
    return Table(kind, sign, lambda: _rows(pyarrow, path, begin))


def _rows(pyarrow: Any, path: Path, begin: bytes) -> Iterator[Numbered]:
    number = 0
    with extra.reading(partial(_damaged, path)):
        for batch in _batches(pyarrow, path, begin):
            batch.validate(full=True)  # of a text that ends before it begins, C++ ends the process
            for row in batch.to_pylist(maps_as_pydicts="lossy"):
                number += 1
                yield number, row


def _batches(pyarrow: Any, path: Path, begin: bytes) -> Iterator[Any]:
    if begin.startswith(b"PAR1"):
        parquet = extra.module("pyarrow.parquet", "Parquet")
        # A file may be one group of rows: without this all of it is read ahead.
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=_BUFFER) as file:
            yield from file.iter_batches(batch_size=_BATCH)
        return
    with pyarrow.memory_map(str(path)) as source:
        if begin.startswith(b"ARROW1"):
            with pyarrow.ipc.open_file(source) as file:
                for at in range(file.num_record_batches):
                    yield from _pieces(file.get_batch(at))
        else:
            with pyarrow.ipc.open_stream(source) as stream:
                for batch in stream:
                    yield from _pieces(batch)


def _pieces(batch: Any) -> Iterator[Any]:
    """A batch of an Arrow file may be all of it."""
    for at in range(0, batch.num_rows, _BATCH):
        yield batch.slice(at, _BATCH)


def _damaged(path: Path, error: Exception) -> FarenseError:
    return refused(
        _("{path} is damaged").format(path=path),
        first_line(error),
        _("Fetch or save it again."),
        kind="data",
    )
