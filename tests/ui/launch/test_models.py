"""The models' panel on the launch screen, and the question before a model's own code runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.messages.task import Progress
from textual.widgets import OptionList, Static

from farense_tui.engine.models import installed
from farense_tui.engine.models.installed import Listed
from farense_tui.engine.profiles import catalogue
from farense_tui.engine.tasks import task
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.common.dialogs import AskDialog
from farense_tui.ui.launch.models import ModelsScreen, bar
from farense_tui.ui.launch.screen import LaunchScreen
from tests.ui.conftest import text_of
from tests.ui.waiting import until

MODELS = [
    Listed("embedded", "embedded", Path("/e"), 3 << 20, (), "llama", 3, 1280, "float32"),
    Listed("owner/[b]four[/b]\x1b[2J", "cache", Path("/q"), 4 << 30, (), "mistral", 32, 32768,
           "4 bits, groups of 64"),
    Listed("owner/part", "cache", Path("/p"), 1 << 30, ("model*.safetensors",)),
]  # fmt: skip


@pytest.fixture(autouse=True)
def _found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "found", lambda: MODELS)


async def test_a_model_is_taken(runs_dir: Path) -> None:
    app = FarenseApp(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        launch = app.screen
        assert isinstance(launch, LaunchScreen)
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, ModelsScreen))
        screen = app.screen
        assert isinstance(screen, ModelsScreen)
        await until(pilot, lambda: screen.found)
        options = screen.query_one(OptionList)
        assert "[b]four[/b]" in str(options.get_option_at_index(1).prompt)
        assert "\x1b" not in str(options.get_option_at_index(1).prompt)
        options.highlighted = 2
        await pilot.press("enter")
        assert "missing: model*.safetensors; g" in str(screen.query_one(".whole", Static).render())
        options.highlighted = 0
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        assert launch.draft is not None
        assert launch.draft.profile.model.repo == "embedded"


async def test_what_is_not_whole_is_gone_on_with(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(name: str, request: object, *_: object) -> None:
        asked.append((name, request))
        raise FarenseError("the model owner/part cannot be downloaded", "no [i]hub[/i]", "hint")

    monkeypatch.setattr(task, "result_of", refuse)
    app = FarenseApp(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, ModelsScreen))
        screen = app.screen
        assert isinstance(screen, ModelsScreen)
        await until(pilot, lambda: screen.found)
        screen.query_one(OptionList).highlighted = 2
        await pilot.press("g")
        told = screen.query_one(".whole", Static)
        await until(pilot, lambda: "cannot be downloaded" in str(told.render()))
        assert "no [i]hub[/i]" in str(told.render())
        assert asked[0][0] == "download"
        await pilot.press("escape")
        assert isinstance(app.screen, LaunchScreen)


def test_how_far_it_is() -> None:
    said = bar(Progress("x", 1 << 29, 1 << 30, "bytes")).plain
    assert said.startswith("━" * 30 + "  512 MiB of 1.0 GiB")


async def test_a_model_s_own_code_runs_only_if_the_user_says_so(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    monkeypatch.setattr(FarenseApp, "start_run", lambda _, profile, **__: started.append(profile))
    own = catalogue.own_folder()
    own.mkdir()
    (own / "mine.toml").write_text("[model]\ntrust_remote_code = true\n")
    app = FarenseApp(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        launch = app.screen
        assert isinstance(launch, LaunchScreen)
        launch.choose("mine")
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        await pilot.press("escape")
        await until(pilot, lambda: app.screen is launch)
        assert not started
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        await pilot.press("y")
        await until(pilot, lambda: started)


async def test_gigabytes_are_downloaded_after_a_yes_alone(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    monkeypatch.setattr(FarenseApp, "start_run", lambda _, profile, **__: started.append(profile))
    app = FarenseApp(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        launch = app.screen
        for key, runs in (("escape", 0), ("y", 1)):
            await pilot.press("s")
            await until(pilot, lambda: isinstance(app.screen, AskDialog))
            assert "AMALIA-9B-0626-SFT-MLX-4bit" in text_of(app.screen)
            assert "5.1 GB to download" in text_of(app.screen)
            assert "Apache 2.0" in text_of(app.screen)
            await pilot.press(key)
            await until(pilot, lambda: app.screen is launch)
            await until(pilot, lambda n=runs: len(started) == n)  # type: ignore[misc]
        await pilot.press("4", "s")  # what is here asks nothing
        await until(pilot, lambda: len(started) == 2)


async def test_models_that_fit_are_offered_and_taken_without_a_download(runs_dir: Path) -> None:
    app = FarenseApp(runs_dir)
    async with app.run_test(size=(100, 40)) as pilot:
        launch = app.screen
        assert isinstance(launch, LaunchScreen)
        await pilot.press("m")
        await until(pilot, lambda: isinstance(app.screen, ModelsScreen))
        screen = app.screen
        assert isinstance(screen, ModelsScreen)
        await until(pilot, lambda: screen.found)
        names = [each.title for each in screen.fetchable]
        assert names[0] == "AMALIA 9B"
        assert "Qwen3 14B" not in names  # of 32 GB
        options = screen.query_one(OptionList)
        options.highlighted = len(screen.found) + names.index("Qwen3 4B")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen is launch)
        assert launch.draft is not None
        assert launch.draft.profile.model.repo == "mlx-community/Qwen3-4B-Instruct-2507-4bit"
