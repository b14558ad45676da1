"""The import walls of pyproject.toml: every room stands behind one, and breaking one is seen."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINTER = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]
CONTRACTS = {each["name"]: each for each in LINTER["contracts"]}

# Private by their names, and yet for everybody.
DOCUMENTED = {"_exit", "_replace"}

# One for each contract: a line that must not be, and where it is tried.
VIOLATIONS = {
    "The app never imports MLX": ("farense_tui/engine/readable.py", "import mlx.core"),
    "The app knows of the worker its protocol and nothing else": (
        "farense_tui/engine/forecast/workload.py",
        "from farense_worker.data import batching",
    ),
    "The worker never imports the app or Textual": (
        "worker/farense_worker/model/loss.py",
        "from farense_tui.engine import readable",
    ),
    "The protocol imports no MLX, no UI and nothing of the trainer": (
        "worker/farense_worker/protocol/hosts.py",
        "import rich",
    ),
    "The engine has no UI in it": ("farense_tui/engine/status_words.py", "import textual.app"),
    "The worker, from the ground up": (
        "worker/farense_worker/process/output.py",
        "from farense_worker.model import model",
    ),
    "The app, from the ground up": (
        "farense_tui/track/counted_events.py",
        "from farense_tui.report import page",
    ),
    "The engine, from the ground up": (
        "farense_tui/engine/machine/power.py",
        "from farense_tui.engine.models import assets",
    ),
    "The screens, from the ground up": (
        "farense_tui/ui/charts/spark.py",
        "from farense_tui.ui.monitor.screen import MonitorScreen",
    ),
    "No circles, in no room and between none": (
        "farense_tui/ui/runs/run_table.py",
        "from farense_tui.ui.runs.screen import RunsScreen",
    ),
}


@pytest.mark.parametrize("side", ["farense_tui", "worker/farense_worker"])
def test_others_insides_are_used_in_compat_alone(side: str) -> None:
    sources = {path: ast.parse(path.read_text()) for path in (ROOT / side).rglob("*.py")}
    made = {path: _made(tree) | DOCUMENTED for path, tree in sources.items()}
    own = set().union(*made.values())
    used = [
        f"{path.relative_to(ROOT)}:{node.lineno}: {ast.unparse(node)}"
        for path, tree in sources.items()
        if path.name != "compat.py"
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt | ast.expr)
        and _private(node) - (made[path] if _foreign(node) else own)
    ]
    assert not used, "this belongs into compat.py, with a test that tells when it changes"


def _private(node: ast.AST) -> set[str]:
    """The private names that are taken here of a module or of an object."""
    match node:
        case ast.Attribute(attr=name):
            names = [name]
        case ast.Import(names=modules):
            names = [part for each in modules for part in each.name.split(".")]
        case ast.ImportFrom(module=module, names=taken):
            names = [*(module or "").split("."), *(each.name for each in taken)]
        case _:
            names = []
    return {name for name in names if name[:1] == "_" and name[:2] != "__"}


def _foreign(node: ast.AST) -> bool:
    return not (isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self", "cls"))


def _made(tree: ast.AST) -> set[str]:
    """The private names that are ours: what a file defines or stores in an object."""
    made = set()
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                made.add(name)
            case ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                made.add(name)
            case ast.Attribute(attr=name, ctx=ast.Store(), value=ast.Name(id="self")):
                made.add(name)
    return made


def test_no_contract_looks_away() -> None:
    assert not [name for name, contract in CONTRACTS.items() if contract.get("ignore_imports")]


def test_the_app_is_kept_from_every_room_of_the_worker() -> None:
    worker = ROOT / "worker/farense_worker"
    rooms = {
        f"farense_worker.{path.stem}" for path in worker.iterdir() if path.stem[:2] != "__"
    } | {"farense_worker.__main__"}
    contract = CONTRACTS["The app knows of the worker its protocol and nothing else"]
    assert rooms - {"farense_worker.protocol"} == set(contract["forbidden_modules"])


def test_what_breaks_a_wall_is_seen(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "farense_tui", "worker"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, tmp_path / name)
    assert VIOLATIONS.keys() == CONTRACTS.keys()
    for path, line in VIOLATIONS.values():
        with (tmp_path / path).open("a") as file:
            file.write(f"\n{line}\n")
    lint: list[str | Path] = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{tmp_path / 'worker'}", "COLUMNS": "200"}
    done = subprocess.run(lint, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stderr
    for name in CONTRACTS:
        assert f"{name} BROKEN" in done.stdout
