"""Files of others for tests: the shapes that public data sets have, after their documentation."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


def jsonl(path: Path, *rows: Any, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text(text, encoding=encoding)
    return path


def table(path: Path, *rows: list[str], encoding: str = "utf-8", delimiter: str = ",") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def database(path: Path, name: str, columns: list[str], *rows: list[Any]) -> Path:
    with closing(sqlite3.connect(path)) as made, made:
        quoted = ", ".join(f'"{column}"' for column in columns)
        made.execute(f'CREATE TABLE "{name}" ({quoted})')
        marks = ", ".join("?" * len(columns))
        made.executemany(f'INSERT INTO "{name}" VALUES ({marks})', rows)
    return path


def rows(folder: Path, split: str = "train") -> list[dict[str, Any]]:
    """The rows of a data set that was made."""
    path = folder / f"{split}.jsonl"
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def said(folder: Path, split: str = "train") -> list[list[str]]:
    """What each row's messages say."""
    return [
        [row["prompt"], row["completion"]]
        if "prompt" in row
        else [row["text"]]
        if "text" in row
        else [str(message["content"]) for message in row["messages"]]
        for row in rows(folder, split)
    ]
