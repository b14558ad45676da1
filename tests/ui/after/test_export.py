"""A finished run taken elsewhere from its monitor: a real worker writes and checks it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from textual.widgets import OptionList, Static

from farense_tui.cli.parser import build
from farense_tui.engine.tasks import export
from farense_tui.ui.after.export import ExportScreen
from farense_tui.ui.common.dialogs import AskDialog, NameDialog
from tests import real_runs
from tests.hub.uploads import WRITES, UploadHub
from tests.real_runs import RunMaker
from tests.ui.conftest import text_of
from tests.ui.runs.test_screen import Bare
from tests.ui.waiting import until


def test_every_way_is_a_command_that_the_parser_takes() -> None:
    parser = build()
    for way in export.WAYS:
        line = export.command("one", "a place", way)
        assert not parser.parse_args(shlex.split(line)[1:]).no_check
        line = export.command("one", "a place", way, check=False)
        assert parser.parse_args(shlex.split(line)[1:]).no_check


async def test_the_check_can_be_left_out(make_run: RunMaker) -> None:
    run = make_run("one", train__epochs=1)
    real_runs.finish(run)
    app = Bare(run.path.parent)
    async with app.run_test(size=(80, 24)) as pilot:
        app.open_export(run)
        await until(pilot, lambda: isinstance(app.screen, ExportScreen))
        screen = app.screen
        assert isinstance(screen, ExportScreen)
        assert "do not check it" in text_of(screen)
        await pilot.press("c")
        assert "do not check it" not in text_of(screen)
        await pilot.press("enter")
        await until(pilot, lambda: screen.made is not None, 120)
        await pilot.pause()
        assert "not checked" in text_of(screen)
        assert "farense-tui export one --to one-adapter --no-check" in text_of(screen)


async def test_a_model_for_ollama_is_handed_over(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = make_run("one")
    real_runs.finish(run)
    programs = tmp_path / "programs"
    programs.mkdir()
    ollama = programs / "ollama"
    there = Path.cwd() / "one-ollama"
    handed = there / "handed"
    ollama.write_text(
        f'#!/bin/sh\n[ "$1" = show ] && {{ [ -f "{handed}" ]; exit $?; }}\necho "$@" >> handed\n'
    )
    ollama.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    app = Bare(run.path.parent)
    async with app.run_test(size=(120, 36)) as pilot:
        app.open_export(run)
        await until(pilot, lambda: isinstance(app.screen, ExportScreen))
        screen = app.screen
        assert isinstance(screen, ExportScreen)
        screen.query_one(OptionList).highlighted = 2
        await pilot.press("enter")
        await until(pilot, lambda: screen.made is not None, 120)
        await pilot.pause()
        assert (there / "Modelfile").is_file()
        told = str(screen.query_one(".whole", Static).render())
        assert "loaded again" in told
        assert "farense-tui export one --to one-ollama --fuse --dequantize" in told
        assert "have Ollama make a model of it" in text_of(screen)
        await pilot.press("o")
        await until(pilot, lambda: handed.is_file() and handed.read_text())
        assert handed.read_text() == "create one -f Modelfile\n"
        for key in ("escape", "y"):  # it is replaced if that is meant
            assert handed.read_text() == "create one -f Modelfile\n"
            await pilot.press("o")
            await until(pilot, lambda: isinstance(app.screen, AskDialog))
            assert "Ollama has a model one already" in text_of(app.screen)
            await pilot.press(key)
            await until(pilot, lambda: app.screen is screen)
        await until(pilot, lambda: handed.read_text().count("create one") == 2)


async def test_an_adapter_goes_to_a_hub_when_that_is_meant(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = make_run("one", train__epochs=1)
    real_runs.finish(run)
    app = Bare(run.path.parent)
    with UploadHub({}, place=tmp_path / "hub") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setenv("HF_TOKEN", WRITES)
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        async with app.run_test(size=(100, 30)) as pilot:
            app.open_export(run)
            await until(pilot, lambda: isinstance(app.screen, ExportScreen))
            screen = app.screen
            assert isinstance(screen, ExportScreen)
            await pilot.press("c", "enter")
            await until(pilot, lambda: screen.made is not None, 120)
            await pilot.press("u")
            await until(pilot, lambda: isinstance(app.screen, NameDialog))
            await pilot.press(*"owner", "slash", *"club", "enter")
            await until(pilot, lambda: isinstance(app.screen, AskDialog))
            assert "A new repository, private" in text_of(app.screen)
            await pilot.press("escape")
            await pilot.pause()
            assert hub.repos == {}

            await pilot.press("u")
            await until(pilot, lambda: isinstance(app.screen, NameDialog))
            await pilot.press(*"owner", "slash", *"club", "enter")
            await until(pilot, lambda: isinstance(app.screen, AskDialog))
            await pilot.press("y")
            await until(pilot, lambda: screen.sent is not None)
            await pilot.pause()
            assert "uploaded, private" in text_of(screen)
        assert hub.public == set()
        assert (hub.repos["owner/club"] / "adapters.safetensors").is_file()
