"""The data screen and the launch screen's words on the data, with the real check of real files."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest
from farense_worker.protocol.messages.data_check import (
    CODES,
    Bin,
    Example,
    Finding,
    Piece,
    Report,
    Split,
)
from farense_worker.protocol.settings.profile import Profile
from textual.events import Paste
from textual.pilot import Pilot
from textual.widgets import Static

from farense_tui.engine.models import locate
from farense_tui.engine.profiles import catalogue
from farense_tui.engine.tasks import data_check
from farense_tui.engine.tasks.task import Stop
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.launch.data.choose import ChooseData
from farense_tui.ui.launch.data.dropped import data_of, path_in
from farense_tui.ui.launch.data.reader import Look
from farense_tui.ui.launch.data.remedies import Remedy, remedies
from farense_tui.ui.launch.data.rows import findings, visible
from farense_tui.ui.launch.data.screen import DataScreen
from farense_tui.ui.launch.data.summary import SHORT, words
from farense_tui.ui.launch.data.view import DataView, Part
from farense_tui.ui.launch.plan.panel import PlanPanel
from farense_tui.ui.launch.screen import LaunchScreen
from tests.ui.conftest import write_data
from tests.ui.waiting import until

REAL = data_check.request, data_check.run
SAID = Report(
    "/data", "embedded", 32, True, "chat",
    splits=(
        Split("train", 120, 7300, 4500, 7, 51, 123, 382, 12,
              (Bin(1, 16, 3), Bin(17, 32, 80), Bin(33, 48, 25), Bin(49, 0, 12))),
        Split("valid", 12, 431, 200, 9, 30, 44, 60),
    ),
    findings=(
        Finding("no_label", "/data/train.jsonl", 7, "[red]nothing is trained on"),
        Finding("truncated", "/data/train.jsonl", 118, "60 tokens, 28 are cut off"),
    ),
    counts={"no_label": 1, "truncated": 37},
    examples=(
        Example(
            "/data/train.jsonl",
            1,
            40,
            20,
            0,
            (
                Piece("<|user|>", special=True),
                Piece("Quem [b]és[/]? "),
                Piece("Sou eu.\n\x1bE tu?", label=True),
                Piece(" E ela?", label=True, cut=True),
            ),
        ),
    ),
)  # fmt: skip


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch, micro: Path, tmp_path: Path) -> Path:
    """The real check, on a data set in which something is doubled and something is no row."""
    monkeypatch.setattr(data_check, "request", REAL[0])
    monkeypatch.setattr(data_check, "run", REAL[1])
    monkeypatch.setattr(locate, "embedded_model", lambda: micro)
    data = tmp_path / "mine"
    data.mkdir()
    rows = [
        {"messages": [{"role": "user", "content": f"{n}?"}, {"role": "assistant", "content": "É."}]}
        for n in (1, 2, 1)
    ]
    (data / "train.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    own = catalogue.own_folder()
    own.mkdir()
    (own / "mine.toml").write_text(f'[model]\nrepo = "embedded"\n[data]\npath = "{data}"\n')
    return data


@asynccontextmanager
async def launched(runs_dir: Path) -> AsyncIterator[tuple[Pilot[None], LaunchScreen]]:
    app = FarenseApp(runs_dir)
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, LaunchScreen))
        screen = app.screen
        assert isinstance(screen, LaunchScreen)
        screen.choose("mine")
        yield pilot, screen


def said(node: LaunchScreen | DataScreen) -> str:
    kind = PlanPanel if isinstance(node, LaunchScreen) else Part
    shown = [part for part in node.query(kind) if part.display]
    return "\n".join(str(s.render()) for part in shown for s in part.query(Static))


async def test_the_launch_screen_and_the_data_screen_show_the_check(
    runs_dir: Path, real: Path
) -> None:
    async with launched(runs_dir) as (pilot, screen):
        await until(pilot, lambda: "longest" in said(screen))
        assert "! 1 doubled" in said(screen)
        assert "! no rows to validate on" in said(screen)
        assert "d shows them" in said(screen)
        await pilot.press("d")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataScreen))
        data = pilot.app.screen
        assert isinstance(data, DataScreen)
        await until(pilot, lambda: "train.jsonl:3" in said(data))
        assert "<|user|>1?<|end|><|assistant|>É.<|end|>" in said(data)
        (real / "train.jsonl").write_text('{"text": "x"}\nno\n')
        await pilot.press("r")
        await until(pilot, lambda: "✗ lines that are not JSON (1)" in said(data))
        await pilot.press("end", "escape")
        assert pilot.app.screen is screen
        await until(pilot, lambda: "train.jsonl:2" in said(screen))


async def test_a_check_is_ended_when_nobody_wants_it(
    runs_dir: Path, real: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    watch = Stop.watch

    def spy(stop: Stop, process: subprocess.Popen[bytes]) -> None:
        if "data_check" in str(process.args):  # and no forecast
            if not started:
                process.send_signal(signal.SIGSTOP)  # or it may have ended before it is not wanted
            started.append(process)
        watch(stop, process)

    monkeypatch.setattr(Stop, "watch", spy)
    async with launched(runs_dir) as (pilot, screen):
        await until(pilot, lambda: len(started) >= 1)
        screen.choose("demo")  # other settings, so another check
        await until(pilot, lambda: len(started) >= 2)
        await until(pilot, lambda: started[0].returncode == -9)
    assert started[1].wait(120) in (-9, 0)  # 0: it was done before the app was


class Nobody:
    """Edits nothing."""

    def look_again(self) -> None: ...

    def take_remedy(self, remedy: Remedy) -> None: ...

    def take_data(self, path: str) -> None: ...

    def action_choose_data(self) -> None: ...


async def shown(pilot: Pilot[None], look: Look) -> DataScreen:
    screen = DataScreen(Profile(), look, Nobody())
    await pilot.app.push_screen(screen)
    await pilot.pause()
    return screen


async def test_what_cannot_be_told_is_said(runs_dir: Path) -> None:
    async with launched_bare(runs_dir) as pilot:
        away = Report(
            "/data", "a/b", 512, True, splits=(Split("train", 3),), no_tokenizer="offline"
        )
        screen = await shown(pilot, Look((1,)))
        assert "looking …" in said(screen)
        screen.show(Look((1,), report=away))
        assert "told once the model is here" in said(screen)
        screen.show(Look((2,), report=SAID))  # about other data
        assert "told once the model is here" in said(screen)
        screen.show(Look((1,), report=SAID))
        assert "[red]nothing is trained on" in said(screen)
        assert "Quem [b]és[/]? Sou eu.↵\n�E tu?" in said(screen)
        view = screen.query_one(DataView)
        await pilot.press("n", "n")
        assert view.scroll_y > 0
        await pilot.press("p", "p")
        assert view.scroll_y == 0
    assert "told once" in str(words(away)[0])


@asynccontextmanager
async def launched_bare(runs_dir: Path) -> AsyncIterator[Pilot[None]]:
    from tests.ui.runs.test_screen import Bare

    async with Bare(runs_dir).run_test(size=(80, 24)) as pilot:
        await pilot.pause()
        yield pilot


@pytest.mark.parametrize("size", [(80, 24), (120, 36)], ids=str)
def test_the_data_pictured(
    snap_compare: Callable[..., bool], runs_dir: Path, size: tuple[int, int]
) -> None:
    from tests.ui.runs.test_screen import Bare

    async def steps(pilot: Pilot[None]) -> None:
        await shown(pilot, Look((), report=SAID))
        await pilot.pause()

    run_before: Callable[[Pilot[None]], Awaitable[None]] = steps
    assert snap_compare(Bare(runs_dir), terminal_size=size, run_before=run_before)


def test_every_code_has_a_short_word() -> None:
    assert SHORT.keys() == CODES.keys()


def test_spaces_stay_and_nothing_reaches_the_terminal() -> None:
    assert visible("a  b\tc\x1b[1m\u202e\n d") == "a  b c�[1m↵\n d"


def test_what_is_to_be_known_of_the_end_stands_in_the_plan() -> None:
    report = msgspec.structs.replace(SAID, counts={"end_appended": 120, "truncated": 37})
    assert [str(line) for line in words(report)][1:] == [
        "! 37 cut off",
        "· 120 with the eos appended",
    ]


def test_nothing_is_called_right_that_has_nothing_to_validate_on() -> None:
    sound = msgspec.structs.replace(SAID, findings=(), counts={}, splits=SAID.splits[:1])
    assert "there is no validation set" in str(findings(sound))
    assert "nothing is wrong" not in str(findings(sound))
    assert "! no rows to validate on" in [str(line) for line in words(sound)]
    for well in (
        msgspec.structs.replace(sound, set_aside=12),
        msgspec.structs.replace(sound, splits=SAID.splits),
    ):
        assert "nothing is wrong" in str(findings(well))
        assert len(words(well)) == 1


def faulty(**counts: int) -> Look:
    return Look((), report=msgspec.structs.replace(SAID, counts=counts))


def test_each_fault_has_its_remedy() -> None:
    found = remedies(Profile(), faulty(too_many=1, row=4, no_label=2))
    assert [(each.key, each.changes) for each in found] == [
        ("x", (("data.skip", "true"),)),
        ("g", (("train.max_seq_length", "382"),)),
    ]
    assert "these 6 rows" in found[0].words
    alone = msgspec.structs.replace(SAID, counts={}, splits=SAID.splits[:1], max_seq_length=512)
    (held,) = [each for each in remedies(Profile(), Look((), report=alone)) if each.key == "h"]
    assert held.changes == (("data.valid_fraction", "0.1"),)


@pytest.mark.usefixtures("lasting")
async def test_a_dropped_folder_is_trained_on_and_mended_by_keys(
    runs_dir: Path, real: Path
) -> None:
    async with launched(runs_dir) as (pilot, screen):
        folder = real.with_name("with a space")
        real.rename(folder)
        await until(pilot, lambda: screen.draft and screen.draft.text("model.repo") == "embedded")
        screen.post_message(Paste(str(folder).replace(" ", "\\ ") + "\n"))
        await until(pilot, lambda: isinstance(pilot.app.screen, DataScreen))
        data = pilot.app.screen
        assert isinstance(data, DataScreen)
        await until(pilot, lambda: "holds out 10%" in said(data))
        await pilot.press("h")
        assert screen.draft
        assert screen.draft.typed == {"data.path": str(folder), "data.valid_fraction": "0.1"}
        await until(pilot, lambda: "holds out 10%" not in said(data))
        table = folder.with_name("questions.csv")
        rows = "".join(f"q{n}?,a{n}.\n" for n in range(30))
        table.write_text(f"Quiz of May,\nquestion,answer\n{rows}")
        data.post_message(Paste(f"'{table}'"))
        await until(pilot, lambda: "makes rows of it" in said(data))
        await pilot.press("v")
        made = folder.with_name("questions-rows")
        await until(pilot, lambda: screen.draft.text("data.path") == str(made))  # type: ignore[union-attr]
        assert (made / "train.jsonl").is_file()
        told = [each.message for each in pilot.app._notifications]
        assert any("above it, and not read: Quiz of May" in each for each in told)


async def test_other_data_is_chosen_from_where_one_has_been(runs_dir: Path, real: Path) -> None:
    here = Path.cwd() / "club"
    write_data(here, train=3)
    async with launched(runs_dir) as (pilot, screen):
        await pilot.press("c")
        await until(pilot, lambda: isinstance(pilot.app.screen, ChooseData))
        dialog = pilot.app.screen
        assert isinstance(dialog, ChooseData)
        await until(pilot, lambda: dialog.found)
        assert dialog.found == [str(here), "embedded"]
        await pilot.press("down", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, DataScreen))
        assert screen.draft
        assert screen.draft.text("data.path") == str(here)


@pytest.mark.parametrize("told", ["{path}", "'{path}'", "file://{url}", "{escaped}", " {path}\n"])
def test_terminals_type_the_path_of_what_is_dropped(tmp_path: Path, told: str) -> None:
    folder = tmp_path / "my data"
    folder.mkdir()
    (folder / "train.jsonl").write_text("")
    forms = {"path": folder, "url": quote(str(folder)), "escaped": str(folder).replace(" ", "\\ ")}
    path = path_in(told.format(**forms))
    assert path == folder
    assert data_of(folder / "train.jsonl") == str(folder)


@pytest.mark.parametrize("text", ["", "hello", "a\nb", "/there/is/none", "'", "x" * 9999, "\0/a"])
def test_other_text_is_no_path(text: str) -> None:
    assert path_in(text) is None


def test_rows_are_made_of_what_is_foreign() -> None:
    """By what the check says of it, not by words that stand in a name or a row."""
    named = Finding("row", "/farense-tui data make it/train.jsonl", 1, "farense-tui data make it")
    for finding, keys in ((named, []), (msgspec.structs.replace(named, foreign=True), ["v"])):
        report = msgspec.structs.replace(SAID, findings=(finding,), counts={"row": 1})
        found = remedies(Profile(), Look((), report=report))
        assert [each.key for each in found if each.key == "v"] == keys
