"""The launch screen, with the real engine on temporary folders."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from textual.content import Content
from textual.pilot import Pilot
from textual.widgets import Input, Static

from farense_tui.engine.forecast import gather
from farense_tui.engine.machine import hardware
from farense_tui.engine.profiles import catalogue
from farense_tui.engine.profiles.draft import all_settings, find
from farense_tui.engine.profiles.settings_words import ESSENTIAL, WORDS
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.common.dialogs import AskDialog, ErrorDialog, NameDialog
from farense_tui.ui.common.setting_row import SettingRow
from farense_tui.ui.launch import profile_cards
from farense_tui.ui.launch.data.screen import DataScreen
from farense_tui.ui.launch.help_line import HelpLine
from farense_tui.ui.launch.plan.panel import PlanPanel
from farense_tui.ui.launch.profile_cards import ProfileCard, ProfileCards
from farense_tui.ui.launch.screen import LaunchScreen
from farense_tui.ui.launch.settings_form import SettingsForm
from farense_tui.ui.launch.settings_screen import SettingsScreen, matches
from tests import holding
from tests.ui.conftest import REAL_FACTS, write_data
from tests.ui.waiting import until

SIZE = (120, 36)


@asynccontextmanager
async def launched(runs_dir: Path) -> AsyncIterator[tuple[Pilot[None], LaunchScreen]]:
    app = FarenseApp(runs_dir)
    async with app.run_test(size=SIZE) as pilot:
        await until(pilot, lambda: len(app.screen.query(SettingRow)) == len(ESSENTIAL))
        screen = app.screen
        assert isinstance(screen, LaunchScreen)
        yield pilot, screen


async def go_to(pilot: Pilot[None], screen: LaunchScreen, name: str) -> Any:
    """Put the focus on the field of a setting, among all of them if it is none of the few."""
    if name not in ESSENTIAL and not isinstance(pilot.app.screen, SettingsScreen):
        screen.action_leave_form()
        await pilot.press("a")
        await until(pilot, lambda: isinstance(pilot.app.screen, SettingsScreen))
        await until(pilot, lambda: len(pilot.app.screen.query(SettingRow)) > 30)
        await pilot.pause()
    field = row_of(pilot, name).query_one(".field")
    field.focus()
    await pilot.pause()
    return field


def row_of(pilot: Pilot[None], name: str) -> SettingRow:
    return pilot.app.screen.query_one(SettingsForm).row(name)


async def type_in(pilot: Pilot[None], screen: LaunchScreen, name: str, text: str) -> None:
    field = await go_to(pilot, screen, name)
    field.value = text  # as if pasted: a key at a time takes long
    await pilot.pause()
    if name not in ESSENTIAL:
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)


def plan(screen: LaunchScreen) -> str:
    """All that the panel tells."""
    panel = screen.query_one(PlanPanel)
    shown = [panel.query_one(name, Static) for name in ("#headline", "#remarks")]
    notes = [str(row.note) for row in panel.query(SettingRow)]
    return "\n".join([*(text_of(each) for each in shown if each.display), *notes])


def text_of(widget: Static | None) -> str:
    assert widget
    return str(widget.render())


async def start_over(pilot: Pilot[None], screen: LaunchScreen) -> None:
    """Take every change back: an app of its own for each story would take long to set up."""
    while pilot.app.screen is not screen:
        await pilot.press("escape")
    screen._drafts.drop()
    cards = screen.query_one(ProfileCards)
    cards.focus()
    if cards.chosen == "m1-16gb":
        screen._show()
    screen.choose("m1-16gb")
    await pilot.pause()


async def answer_with(pilot: Pilot[None], name: str) -> None:
    """Fill in a dialog that asks for a name; as if pasted: a key at a time takes long."""
    await until(pilot, lambda: isinstance(pilot.app.screen, NameDialog))
    pilot.app.screen.query_one(Input).value = name
    await pilot.press("enter")


async def test_the_profile_that_fits_is_chosen_and_others_can_be(runs_dir: Path) -> None:
    async with launched(runs_dir) as (pilot, screen):
        assert screen.query_one(ProfileCards).chosen == "m1-16gb"
        assert [text_of(card).splitlines()[0] for card in screen.query(ProfileCard)] == [
            "1 M1 · 8 GB",
            "2 M1 · 16 GB ● fits",
            "3 M1 · 32 GB ! too large",
            "4 Demo",
        ]
        await start_over(pilot, screen)
        await until(pilot, lambda: "to download" in plan(screen))
        assert screen.draft
        small = screen.draft.base.model.fallback
        await pilot.press("f")
        assert screen.draft.profile.model.repo == small
        await pilot.press("f")
        assert screen.draft.typed == {}
        assert "smaller model" in plan(screen)
        screen.change("model.repo", "owner/other")
        await until(pilot, lambda: "other" in plan(screen))
        assert "smaller model" not in plan(screen)  # nobody knows which one is larger
        await start_over(pilot, screen)
        cards = screen.query_one(ProfileCards)
        for key, name in (("4", "demo"), ("left", "m1-32gb"), ("right", "demo"), ("right", "demo")):
            await pilot.press(key)
            assert cards.chosen == name
        await pilot.press("9")
        assert cards.chosen == "demo"
        assert await pilot.click(cards.card("m1-8gb"), offset=(5, 1))
        assert cards.chosen == "m1-8gb"
        assert screen.draft
        assert screen.draft.base.profile.memory_gb == 8


async def test_what_is_typed_changes_the_plan_and_is_refused_if_wrong(runs_dir: Path) -> None:
    async with launched(runs_dir) as (pilot, screen):
        await pilot.press("4")
        await until(pilot, lambda: "640 rows of the sample data" in plan(screen))
        epochs = catalogue.get("demo").train.epochs
        assert "Train the small model that comes with the app on 640 rows" in plan(screen)
        assert f": {40 * epochs} steps" in plan(screen)
        assert "times through all rows, 40 steps each" in plan(screen)
        assert "here, 3 MiB" in plan(screen)
        await type_in(pilot, screen, "train.batch_size", "7")
        await type_in(pilot, screen, "train.epochs", "2")
        assert ": 184 steps" in plan(screen)
        assert "92 steps each" in plan(screen)
        assert text_of(screen.query_one(ProfileCards).card("demo")).startswith("4 Demo * 2 changed")
        await start_over(pilot, screen)
        await pilot.press("4")
        await type_in(pilot, screen, "train.learning_rate", "2")
        row = row_of(pilot, "train.learning_rate")
        fault = "must be a number above 0 and to 1, not 2"
        assert row.fault == fault
        assert fault in text_of(screen.query_one(HelpLine))
        await pilot.press("escape")
        await until(
            pilot, lambda: "enter says why it cannot" in text_of(screen.query_one(HelpLine))
        )
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, ErrorDialog))
        dialog = pilot.app.screen
        assert isinstance(dialog, ErrorDialog)
        assert dialog.error.detail == f"train.learning_rate: {fault}"
        await pilot.press("escape")
        assert pilot.app.screen is screen
        assert row.query_one(Input).value == "2"
        assert not list(runs_dir.iterdir())
        await start_over(pilot, screen)
        await pilot.press("4", "e")
        field = await go_to(pilot, screen, "run.name")
        await pilot.press(*"squirrel4", "enter")
        assert field.value == "squirrel4"
        for name in ("train.mask_prompt", "train.compile"):
            await go_to(pilot, screen, name)
            await pilot.press("s", "q", "l", "1")
        assert isinstance(pilot.app.screen, SettingsScreen)
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert screen.query_one(ProfileCards).chosen == "demo"
        assert not list(runs_dir.iterdir())
        await pilot.press("e", "escape")
        assert pilot.app.focused is screen.query_one(ProfileCards)


async def test_what_is_typed_faster_than_it_is_taken_over_is_not_lost(runs_dir: Path) -> None:
    async with launched(runs_dir) as (pilot, screen):
        await pilot.press("4")
        assert screen.draft
        row = row_of(pilot, "train.epochs")
        field = row.query_one(Input)
        await pilot.press("e")
        field.value = "1"
        older = screen.draft.with_text("train.epochs", "1")
        await until(pilot, lambda: screen.draft == older)
        field.value = "12"
        row.show(older)  # as it does when the newer one is still on its way
        await until(pilot, lambda: screen.draft and screen.draft.text("train.epochs") == "12")
        assert field.value == "12"


async def test_changes_are_kept_apart_and_undone(runs_dir: Path) -> None:
    (runs_dir / "taken").mkdir()
    async with launched(runs_dir) as (pilot, screen):
        await go_to(pilot, screen, "train.mask_prompt")
        await pilot.press("space")
        await go_to(pilot, screen, "train.compile")
        await pilot.press("enter", "down", "enter")
        await pilot.pause()
        assert screen.draft
        assert screen.draft.typed == {"train.mask_prompt": "false", "train.compile": "on"}
        await start_over(pilot, screen)
        await type_in(pilot, screen, "lora.rank", "32")
        await type_in(pilot, screen, "train.seed", "5")
        await go_to(pilot, screen, "lora.rank")
        await pilot.press("ctrl+z")
        await pilot.pause()
        assert screen.draft
        assert screen.draft.typed == {"train.seed": "5"}
        row = row_of(pilot, "lora.rank")
        assert row.query_one(Input).value == "8"
        await start_over(pilot, screen)
        await type_in(pilot, screen, "train.epochs", "9")
        await pilot.press("escape", "1", "2", "1", "2")
        await pilot.pause()
        row = row_of(pilot, "train.epochs")
        assert row.query_one(Input).value == "9"
        assert screen.draft
        assert screen.draft.typed == {"train.epochs": "9"}
        await pilot.press("1")
        await pilot.pause()
        assert screen.draft.typed == {}
        assert row.query_one(Input).value == "3"
        await start_over(pilot, screen)
        field = await go_to(pilot, screen, "run.name")
        assert field.placeholder == "m1-16gb-1"
        field.value = "taken"
        await pilot.pause()
        told = text_of(pilot.app.screen.query_one(HelpLine))
        assert told.endswith("is taken by another run")
        field.value = "mine"
        await pilot.pause()
        assert screen.draft
        assert screen.draft.run_name == "mine"
        assert not screen.draft.faults


async def test_every_setting_is_found_by_a_word_of_it(runs_dir: Path) -> None:
    assert set(WORDS) == {each.name for each in all_settings()}
    assert set(ESSENTIAL) <= set(WORDS)
    async with launched(runs_dir) as (pilot, screen):
        await pilot.press("4", "slash")
        await until(pilot, lambda: len(pilot.app.screen.query(SettingRow)) > 30)
        await pilot.pause()
        await pilot.press(*"gradient")
        shown = [row for row in pilot.app.screen.query(SettingRow) if row.display]
        names = [row.setting.name for row in shown]
        assert names == ["train.optimizer", "train.max_grad_norm", "train.grad_checkpoint"]
        sections = pilot.app.screen.query("SettingsForm .section").results(Static)
        assert [text_of(each) for each in sections if each.display] == ["The training"]
        await pilot.press("enter", "down", "end", *"5")
        assert screen.draft
        assert screen.draft.typed == {"train.max_grad_norm": "0.05"}
        headline = pilot.app.screen.query_one("#headline", Static)
        await until(pilot, lambda: "640 rows of the sample data" in text_of(headline))
        await pilot.press("escape")  # back to all of them
        assert isinstance(pilot.app.screen, SettingsScreen)
        await pilot.press("ctrl+z", "escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        assert screen.draft.typed == {}


async def test_what_the_plan_says_before_all_settings_are_there_is_not_lost(
    runs_dir: Path,
) -> None:
    async with launched(runs_dir) as (pilot, screen):
        await until(pilot, lambda: screen.query_one(PlanPanel).complete)
        screen.action_all_settings()
        settings = pilot.app.screen
        assert isinstance(settings, SettingsScreen)
        assert not settings.is_mounted
        settings.show_headline(Content("The forecast is there."))
        await until(pilot, lambda: len(settings.query(SettingRow)) > 30)
        await pilot.pause()
        assert text_of(settings.query_one("#headline", Static)) == "The forecast is there."


async def test_any_text_may_be_typed_for_model_and_data(runs_dir: Path, tmp_path: Path) -> None:
    data = write_data(tmp_path / "mine", train=3)
    (data / "valid.jsonl").write_text('{"text": "[bold]"}\n{nothing\n')
    async with launched(runs_dir) as (pilot, screen):
        await type_in(pilot, screen, "model.repo", "./nowhere")
        await type_in(pilot, screen, "data.path", str(data))
        await until(pilot, lambda: "✗ not found" in plan(screen))
        assert "✗ The model ./nowhere is not found: nowhere is not a folder" in plan(screen)
        assert f"{data}/valid.jsonl:2: not JSON" in plan(screen)
        await start_over(pilot, screen)
        for text in ("x" * 300, "~nobody/x", "a b/c", "a/b--c", "../" * 5, "["):
            row_of(pilot, "model.repo").query_one(Input).value = text
            await pilot.pause(0.02)
            assert screen.draft
            await until(pilot, lambda text=text: screen.draft.text("model.repo") == text)  # type: ignore[misc]
            await until(pilot, lambda: "✗ not found" in plan(screen) or "download" in plan(screen))
        await start_over(pilot, screen)
        await pilot.press("4")
        await type_in(pilot, screen, "data.path", "x" * 300)
        await until(pilot, lambda: "no such folder" in plan(screen))
        await pilot.press("escape", "s")
        await until(pilot, lambda: isinstance(pilot.app.screen, ErrorDialog))
        await start_over(pilot, screen)
        await pilot.press("4")
        await type_in(pilot, screen, "data.path", "/there/is/no/data")
        await pilot.press("escape", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, ErrorDialog))
        dialog = pilot.app.screen
        assert isinstance(dialog, ErrorDialog)
        assert "no such folder" in dialog.error.detail
        await pilot.press("enter")
        assert screen.draft
        assert screen.draft.typed == {"data.path": "/there/is/no/data"}
        assert not list(runs_dir.iterdir())


async def test_a_profile_is_saved_and_never_replaced_unasked(runs_dir: Path) -> None:
    async with launched(runs_dir) as (pilot, screen):
        await pilot.press("4")
        await type_in(pilot, screen, "train.epochs", "2")
        await pilot.press("escape", "w")
        await answer_with(pilot, "../x")
        assert isinstance(pilot.app.screen, NameDialog)
        await answer_with(pilot, "quick")
        await until(pilot, lambda: screen.query_one(ProfileCards).chosen == "quick")
        saved = catalogue.get("quick")
        assert (saved.train.epochs, saved.profile.title) == (2, "quick")
        assert screen.draft
        assert screen.draft.typed == {}
        await pilot.press("4")
        assert screen.draft.typed == {}
        for key, epochs in (("escape", 2), ("y", 7)):
            await type_in(pilot, screen, "train.epochs", "7")
            await pilot.press("escape", "w")
            await answer_with(pilot, "quick")
            await until(pilot, lambda: isinstance(pilot.app.screen, AskDialog))
            await pilot.press(key)
            await until(pilot, lambda: pilot.app.screen is screen)
            await until(pilot, lambda n=epochs: catalogue.get("quick").train.epochs == n)  # type: ignore[misc]


async def test_profile_files_may_have_faults_and_odd_words(runs_dir: Path) -> None:
    own = catalogue.own_folder()
    own.mkdir()
    (own / "broken.toml").write_text("[train]\nbatch_sze = 3\n")
    (own / "odd.toml").write_text(
        '[profile]\ntitle = "[red]x[/nope]"\ndescription = "[/]"\n[model]\nrepo = "[/a]/b"\n'
    )
    async with launched(runs_dir) as (pilot, screen):
        screen.choose("broken")
        await pilot.pause()
        assert "✗" in text_of(screen.query_one(ProfileCards).card("broken"))
        assert "line 2: unknown key train.batch_sze. Did you mean batch_size?" in plan(screen)
        assert not screen.query_one(SettingsForm).display
        await pilot.press("s")
        await until(pilot, lambda: isinstance(pilot.app.screen, ErrorDialog))
        await pilot.press("escape")
        screen.choose("odd")
        await until(pilot, lambda: "✗ not found" in plan(screen))
        assert "[red]x[/nope]" in text_of(screen.query_one(ProfileCards).card("odd"))
        assert "[/a]/" in plan(screen)


async def test_enter_starts_a_real_worker_and_opens_the_monitor(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holding.hold(monkeypatch, '"name":"starting"')  # it would soon refuse this model
    async with launched(runs_dir) as (pilot, _):
        await pilot.press("4", "enter")
        await until(pilot, lambda: type(pilot.app.screen).__name__ == "MonitorScreen")
        app = pilot.app
        assert isinstance(app, FarenseApp)
        (worker,) = app.started
        try:
            assert worker.folder.name == "demo-1"
            assert worker.poll() is None
            assert worker.folder.read_config().run.profile_name == "demo"
            app.open_launch()
            await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        finally:
            worker.process.kill()
            worker.wait()


async def test_the_plan_forecasts_memory_and_a_key_makes_it_fit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a real worker, asked for the machine and the rows; the model is known by its name."""
    monkeypatch.setattr(gather, "facts", REAL_FACTS)
    async with launched(tmp_path) as (pilot, screen):
        screen.choose("m1-32gb")
        await type_in(pilot, screen, "memory.limit_gb", "5.333")
        screen.action_leave_form()
        await until(pilot, lambda: "will not fit" in plan(screen))
        told = plan(screen)
        assert "will not fit" in told
        assert "gradient checkpoints" in told
        await pilot.press("y")
        assert screen.draft is not None
        changed = screen.draft.profile
        assert changed.effective_batch == 8
        assert (changed.train.batch_size, changed.train.grad_checkpoint) == (8, True)
        await until(pilot, lambda: not screen.check_action("make_fit", ()))
        await until(pilot, lambda: ": fits" in plan(screen))
        await type_in(pilot, screen, "memory.limit_gb", "0.5")
        await until(pilot, lambda: ": will not fit" in plan(screen))


async def test_of_a_model_that_nobody_knows_there_is_no_forecast(tmp_path: Path) -> None:
    async with launched(tmp_path) as (pilot, screen):
        await type_in(pilot, screen, "model.repo", "somebody/Something-4bit")
        await until(pilot, lambda: "? Memory and time are not known" in plan(screen))
        assert "nothing is known of the model's shape" in plan(screen)


async def test_it_opens_on_own_data(tmp_path: Path, runs_dir: Path) -> None:
    own = write_data(tmp_path / "mine", train=60)
    app = FarenseApp(runs_dir, data=str(own))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, DataScreen))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        screen = app.screen
        assert isinstance(screen, LaunchScreen)
        assert screen.draft
        assert screen.draft.profile.data.path == str(own)
        await pilot.press("1")
        assert screen.draft.profile.data.path == str(own)  # whatever the profile


def test_settings_are_searched_by_how_their_words_begin() -> None:
    assert matches(find("train.learning_rate"), "rate")
    assert matches(find("train.grad_checkpoint"), "checkp")
    assert not matches(find("train.modules"), "rate")  # whose help has "separate"


async def test_profiles_without_a_card_are_told(
    tmp_path: Path, runs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stood behind the last card, to which nobody can scroll."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(profile_cards, "_MOST", 5)
    for name in ("p1", "p2", "p3"):
        catalogue.save(name, catalogue.get("demo"), tmp_path / "profiles")
    async with launched(runs_dir) as (pilot, screen):
        assert len(screen.query(ProfileCard)) == 5
        told = [each.message for each in pilot.app._notifications]
        assert any("2 more in ./profiles have no card" in each for each in told), told


def test_of_thousands_of_profiles_the_first_have_cards() -> None:
    profile = catalogue.get("demo")
    found = [catalogue.Found(f"p{n}", Path(f"p{n}.toml"), profile) for n in range(10_000)]
    cards = ProfileCards(hardware.machine(), found, fits="p9000")
    assert [each.name for each in cards.found[-2:]] == ["p99", "p9000"]
    assert len(cards.found) == 101
