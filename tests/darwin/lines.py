"""Which lines only a Mac executes: what a platform's name decides, and what only that calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PACKAGES = ("farense_tui", "worker/farense_worker")
# Functions and values that a condition on the platform alone leads to; by file.
CALLED = {
    "farense_tui/engine/machine/vitals.py": {
        "_mac", "_ask", "parse_vm_stat", "parse_pressure", "parse_ioreg", "parse_macmon", "_finite",
    },
    "farense_tui/engine/machine/power.py": {"parse_pmset", "_pmset"},
    "farense_tui/engine/machine/awake.py": {"can_keep_awake", "keep_awake"},
    "farense_tui/engine/machine/desktop.py": {"_done"},
    "farense_tui/engine/verify/readings.py": {"_on_mac"},
    "worker/farense_worker/protocol/processes/macos.py": {"said", "usage"},
}  # fmt: skip


def of(path: Path) -> set[int]:
    """Lines of a file that are executed on a Mac alone."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[int] = set()
    named = CALLED.get(str(path.relative_to(ROOT)), set())
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and node.name in named:
            found |= set(_lines(node.body))
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for at, child in enumerate(body):
            if isinstance(child, ast.If) and (there := _about(child.test)) is not None:
                found |= set(_lines(child.body if there else child.orelse))
                ends = isinstance(child.body[-1], ast.Return | ast.Raise)
                if not there and ends:  # what follows is for a Mac
                    found |= set(_lines(body[at + 1 :]))
    return found


def all_of_them() -> dict[str, set[int]]:
    """Lines by file."""
    paths = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
    found = {str(path.relative_to(ROOT)): of(path) for path in sorted(paths)}
    return {name: lines for name, lines in found.items() if lines}


def _about(test: ast.expr) -> bool | None:
    """Whether a condition is true on a Mac; None where it is not about that."""
    for node in ast.walk(test):
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            words = [each.value for each in ast.walk(node) if isinstance(each, ast.Constant)]
            if {"darwin", "Darwin"} & set(words):
                return isinstance(node.ops[0], ast.Eq)
    return None


def _lines(body: list[ast.stmt]) -> Iterator[int]:
    """First lines of all statements, docstrings left out."""
    for statement in body:
        for node in ast.walk(statement):
            if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
                continue
            if isinstance(node, ast.stmt) and not isinstance(node, ast.Global):
                yield node.lineno
