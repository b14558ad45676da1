"""Time and memory of `data make` for a million rows, by format.

    python benchmarks/speed/data_make.py [--rows N] [--words N] [--near] [FORMAT ...]

Rows are made of words at random, one answer each, 3 in 100 repeated; files are written to a
temporary folder first. Prints a line a format: seconds by the clock and of a processor, rows a
second, the largest memory of the process that makes them.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

WORDS = [f"palavra{n}" for n in range(20_000)]
HEAD = ("pergunta", "resposta")
Row = tuple[str, str]


def rows(count: int, answer: int) -> Iterator[Row]:
    """Questions of 12 words and answers of so many, with a number that is nobody else's."""
    for number in range(count):
        of = number if number % 33 != 32 else number - 1
        same = random.Random(of)
        words = same.choices(WORDS, k=12 + answer)
        yield f"{' '.join(words[:12])}, {of}?", f"{' '.join(words[12:])}: {of}."


def jsonl(path: Path, made: Iterator[Row]) -> None:
    with path.open("w") as file:
        for row in made:
            file.write(json.dumps(dict(zip(HEAD, row, strict=True))) + "\n")


def array(path: Path, made: Iterator[Row]) -> None:
    with path.open("w") as file:
        for number, row in enumerate(made):
            file.write(("," if number else "[") + json.dumps(dict(zip(HEAD, row, strict=True))))
        file.write("]")


def table(path: Path, made: Iterator[Row]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([HEAD])
        csv.writer(file).writerows(made)


def database(path: Path, made: Iterator[Row]) -> None:
    with sqlite3.connect(path) as file:
        file.execute("CREATE TABLE faq (pergunta, resposta)")
        file.executemany("INSERT INTO faq VALUES (?, ?)", made)


def parquet(path: Path, made: Iterator[Row]) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = dict(zip(HEAD, zip(*made, strict=True), strict=True))
    pyarrow.parquet.write_table(pyarrow.table(columns), path)


def sheet(path: Path, made: Iterator[Row]) -> None:
    import openpyxl

    book = openpyxl.Workbook(write_only=True)
    page = book.create_sheet("faq")
    page.append(HEAD)
    for row in made:
        page.append(row)
    book.save(path)


FORMATS: dict[str, Callable[[Path, Iterator[Row]], None]] = {
    "jsonl": jsonl,
    "json": array,
    "csv": table,
    "sqlite": database,
    "parquet": parquet,
    "xlsx": sheet,
}
MAKE = """
import resource, sys, time
from pathlib import Path
from farense_tui.dataset import extra, look, make
extra.there = {there}
wish = look.Wish((sys.argv[1],), Path(sys.argv[2]), dedupe={dedupe!r})
before = time.perf_counter()
made = make.make(wish, look.look(wish))
used = resource.getrusage(resource.RUSAGE_SELF)
peak, status = used.ru_maxrss, Path("/proc/self/status")
if status.exists():  # Linux begins ru_maxrss with that of the process that started this one
    peak = status.read_text().partition("VmHWM:")[2].split()[0]
print(time.perf_counter() - before, used.ru_utime + used.ru_stime, peak, made.rows, made.left_out)
"""


def main() -> None:
    """Make the files, then the data sets, each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("formats", nargs="*", default=list(FORMATS), metavar="FORMAT")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--words", type=int, default=15, help="of an answer; default 15")
    parser.add_argument("--near", action="store_true", help="look for near-duplicates")
    args = parser.parse_args()
    there = "extra.there" if args.near else "lambda _name: False"
    program = MAKE.format(there=there, dedupe="near" if args.near else "exact")
    with tempfile.TemporaryDirectory() as name:
        for kind in args.formats:
            source = Path(name) / f"rows.{kind}"
            FORMATS[kind](source, rows(args.rows, args.words))
            command = [sys.executable, "-c", program, str(source), str(Path(name) / f"{kind}-made")]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            seconds, processor, memory, *told = done.stdout.split(maxsplit=3)
            peak = int(memory) / (1 << 10 if sys.platform == "linux" else 1 << 20)
            size, speed = source.stat().st_size / 1e6, args.rows / float(seconds)
            taken = f"{float(seconds):7.1f} s {float(processor):7.1f} s of a processor"
            figures = f"{size:7.0f} MB {taken} {speed:7.0f} rows/s {peak:6.0f} MiB"
            print(f"{kind:8}{figures}  {''.join(told).strip()}", flush=True)
            source.unlink()


if __name__ == "__main__":
    main()
