"""What is loaded: importing mlx_lm takes seconds, and the app never needs it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from farense_tui import __version__

TRAINER = {"mlx", "mlx_lm", "transformers", "tokenizers"}
HEAVY = {*TRAINER, "numpy", "huggingface_hub", "safetensors", "torch"}
UI = {"textual", "rich"}


def loaded(code: str) -> set[str]:
    """Top names of the modules that are loaded after this code."""
    told = "\nimport sys; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run(
        [sys.executable, "-c", code + told], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


def test_the_version_is_told_without_loading_anything_large() -> None:
    modules = loaded(
        "from farense_tui.cli import main\n"
        "try:\n    main(['--version'])\nexcept SystemExit as end:\n    assert end.code == 0"
    )
    assert "farense_tui" in modules
    assert modules & (HEAVY | UI) == set()


def test_the_version_that_is_told_is_this_one() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "farense_tui", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == f"farense-tui {__version__}\n"


def test_the_app_object_is_made_without_the_trainer() -> None:
    modules = loaded(
        "from pathlib import Path\nfrom farense_tui.ui.app import FarenseApp\n"
        "FarenseApp(Path('nowhere'))"
    )
    assert "textual" in modules
    assert modules & HEAVY == set()


@pytest.mark.parametrize("screen", ["launch", "monitor", "runs"])
def test_no_screen_loads_the_trainer(screen: str) -> None:
    assert loaded(f"import farense_tui.ui.{screen}") & TRAINER == set()


def test_commands_that_only_look_load_no_trainer_and_no_screen() -> None:
    modules = loaded(
        "from farense_tui.cli import main\nmain(['profiles'])\nmain(['runs', '--runs-dir', '/x'])"
    )
    assert modules & (TRAINER | UI) == set()


def test_the_protocol_needs_neither_side() -> None:
    modules = loaded(
        "import farense_worker.protocol.messages.events\n"
        "import farense_worker.protocol.settings.profile_file\n"
        "import farense_worker.protocol.run_folder, farense_worker.protocol.dataset"
    )
    assert modules & (HEAVY | UI | {"farense_tui"}) == set()
