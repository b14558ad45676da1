"""Questions on the screen: real models answer, but for the pictures, whose answers are fixed."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol.messages.conversation import Answered, Piece, Question, Ready, Setup
from farense_worker.protocol.messages.evaluation import Adapter
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Data
from textual.command import CommandPalette
from textual.pilot import Pilot
from textual.widgets import OptionList, Static, TextArea

from farense_tui.engine.tasks import ask
from farense_tui.engine.tasks.ask import Conversation
from farense_tui.ui.ask import questions
from farense_tui.ui.ask import screen as ask_screen
from farense_tui.ui.ask.answers import Answers
from farense_tui.ui.ask.collect import CollectDialog, SavedDialog
from farense_tui.ui.ask.question_field import QuestionField
from farense_tui.ui.ask.questions import Asked
from farense_tui.ui.ask.screen import AskScreen
from farense_tui.ui.ask.system_choice import SystemChoice
from farense_tui.ui.commands import FarenseCommands
from farense_tui.ui.common.dialogs import AskDialog, ErrorDialog
from farense_tui.ui.monitor.screen import MonitorScreen
from farense_tui.ui.runs.run_table import RunTable
from farense_tui.ui.runs.screen import RunsScreen
from tests import real_runs
from tests.conftest import SYSTEM
from tests.real_runs import RunMaker
from tests.ui import recorded
from tests.ui.conftest import StandIn, in_sizes_and_themes, text_of
from tests.ui.runs.test_screen import Bare
from tests.ui.waiting import until


@contextlib.asynccontextmanager
async def asking(setup: Setup, data: Path) -> AsyncIterator[tuple[Pilot[None], AskScreen]]:
    app = Bare(data / "runs")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = AskScreen(setup, [Data(str(data))])
        await app.push_screen(screen)
        yield pilot, screen


def said(screen: AskScreen, model: str = "") -> str:
    column = next(each for each in screen.query(Answers) if each.model == model)
    return "\n".join(str(each.render()) for each in column.query(Static))


def told(screen: AskScreen, which: str = "#how") -> str:
    return str(screen.query_one(which, Static).render())


def ended(screen: AskScreen) -> bool:
    conversation = screen._conversation
    return conversation is None or conversation._process.poll() is not None


async def test_base_model_and_adapter_answer_side_by_side(make_run: RunMaker) -> None:
    run = make_run("one")
    real_runs.finish(run)
    setup = ask.setup([run])
    data = Path(run.read_config().data.path)
    with Conversation(setup) as conversation:
        conversation.ready()
        expected = {"": "", "one": ""}
        for each in conversation.ask(Question(text="Quem é o número 0?", max_tokens=100, seed=1)):
            if isinstance(each, Piece):
                expected[each.name] += each.text
    assert expected[""] != expected["one"]
    async with asking(setup, data) as (pilot, screen):
        assert "loading" in told(screen)
        await until(pilot, lambda: not screen.busy)
        await pilot.press("ctrl+t")
        field = screen.query_one(QuestionField)
        assert field.value == "Quem é o número 0?"
        await pilot.press("enter")
        assert field.value == ""
        await until(pilot, lambda: not screen.busy)
        for name, answer in expected.items():
            lines = [" ".join(line.split()) for line in answer.strip().splitlines()]
            assert all(line in said(screen, name) for line in lines if line.isprintable())
            assert "› Quem é o número 0?" in said(screen, name)
        assert "É ele. 0" in told(screen, "#reference")
        await pilot.press("E", "?", "enter")
        await until(pilot, lambda: not screen.busy)
        assert not screen.query_one("#reference").display
        await pilot.press("escape")
        await until(pilot, lambda: ended(screen))
    assert ended(screen)


async def test_escape_breaks_off_and_then_leaves(
    micro: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listens = threading.Event()
    hear = AskScreen._pass_on

    def late(screen: AskScreen, *given: Any) -> None:
        assert given[1] is None or listens.wait(120)
        hear(screen, *given)

    monkeypatch.setattr(AskScreen, "_pass_on", late)  # its thread may begin after the key
    async with asking(Setup(str(micro)), data) as (pilot, screen):
        await until(pilot, lambda: not screen.busy)
        await pilot.press("ctrl+g", "ctrl+g", "ctrl+g", "ctrl+l", "ctrl+l")
        assert "temperature 1" in told(screen)
        assert "at most 400 tokens" in told(screen)
        assert screen._conversation is not None
        models = screen._conversation._process.pid
        os.kill(models, signal.SIGSTOP)  # or the answer may be there before the key
        await pilot.press("Q", "enter", "escape")
        assert "breaking off" in told(screen)
        listens.set()
        os.kill(models, signal.SIGCONT)
        await until(pilot, lambda: not screen.busy)
        assert "cut off" in said(screen)
        assert screen.is_current
        await pilot.press("escape")
        await until(pilot, lambda: ended(screen))
        assert not isinstance(pilot.app.screen, AskScreen)


async def test_a_question_waits_for_the_models(
    micro: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = threading.Event()

    class Slow(Conversation):
        def ready(self) -> Ready:
            assert loaded.wait(120)
            return super().ready()

    monkeypatch.setattr(ask_screen, "Conversation", Slow)
    async with asking(Setup(str(micro)), data) as (pilot, screen):
        field = screen.query_one(QuestionField)
        await pilot.press(*"Quem", "enter")
        assert "then your question" in told(screen)
        assert field.value == "Quem"
        await pilot.press("?", "enter")  # once more, and longer: it is asked once, as it is then
        assert "›" not in said(screen)
        loaded.set()
        await until(pilot, lambda: "› Quem?" in said(screen) and not screen.busy)
        assert field.value == ""
        assert screen._count == 1
        await pilot.press("enter")
        assert screen._count == 1


async def test_what_is_used_in_place_of_the_data_stands_there_until_the_first_question(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ask_screen, "Conversation", FixedAnswers)
    app = Bare(tmp_path / "runs")
    async with app.run_test(size=(100, 30)) as pilot:
        screen = AskScreen(Setup("embedded"), [Data(str(tmp_path))], ["one: its [b]own copy"])
        await app.push_screen(screen)
        await until(pilot, lambda: not screen.busy)
        assert "its [b]own copy" in text_of(screen)
        await pilot.press("A", "?", "enter")
        await until(pilot, lambda: not screen.busy)
        assert "own copy" not in text_of(screen)


async def test_left_while_the_models_load(micro: Path, data: Path) -> None:
    async with asking(Setup(str(micro)), data) as (pilot, screen):
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, AskScreen))
        await until(pilot, lambda: ended(screen))
        assert not isinstance(pilot.app.screen, ErrorDialog)


async def test_the_end_of_the_app_ends_the_models(micro: Path, data: Path) -> None:
    async with asking(Setup(str(micro)), data) as (pilot, screen):
        await until(pilot, lambda: not screen.busy)
        assert not ended(screen)
    assert ended(screen)


async def test_models_that_do_not_load_are_told_and_end(tmp_path: Path, data: Path) -> None:
    async with asking(Setup(str(tmp_path / "gone")), data) as (pilot, screen):
        await until(pilot, lambda: isinstance(pilot.app.screen, ErrorDialog))
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(pilot.app.screen, AskScreen | ErrorDialog))
        assert ended(screen)


async def test_an_error_under_the_palette_is_told(tmp_path: Path, data: Path) -> None:
    async with asking(Setup(str(tmp_path / "gone")), data) as (pilot, screen):
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(pilot.app.screen, ErrorDialog))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, CommandPalette))
        await pilot.press("escape", "escape")
        await until(pilot, lambda: not isinstance(pilot.app.screen, AskScreen | CommandPalette))
        assert ended(screen)


async def test_questions_are_put_under_the_system_prompt_of_the_data(
    micro: Path, system_data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put: list[Question] = []

    class Noted(Conversation):
        def ask(self, question: Question) -> Iterator[Piece | Answered]:
            put.append(question)
            return super().ask(question)

    monkeypatch.setattr(ask_screen, "Conversation", Noted)
    async with asking(Setup(str(micro)), system_data) as (pilot, screen):
        await until(pilot, lambda: not screen.busy)
        assert "system prompt of the data" in told(screen)
        for keys in ([*"Quem?"], [*"Quem?"], ["ctrl+t"], ["ctrl+s", *"Quem?"], ["ctrl+t"]):
            await pilot.press(*keys, "enter")
            await until(pilot, lambda: not screen.busy)
        assert "no system prompt" in told(screen)
        await pilot.press("ctrl+s", *"Quem?")
        assert "system prompt of the data" in told(screen)
        await pilot.press("enter")
        await until(pilot, lambda: not screen.busy)
    assert [(each.system, each.fresh) for each in put] == [
        (SYSTEM, False),
        (SYSTEM, False),
        (SYSTEM, True),
        (None, True),
        (None, True),
        (SYSTEM, True),
    ]


async def test_data_without_a_system_prompt_has_no_key_for_it(micro: Path, data: Path) -> None:
    async with asking(Setup(str(micro)), data) as (pilot, screen):
        await until(pilot, lambda: not screen.busy)
        assert "ctrl+s" not in screen.active_bindings
        await pilot.press("ctrl+s")
        assert "system" not in told(screen)


def test_which_system_prompt_a_question_is_put_under() -> None:
    own, none = Asked("a", "b", "own"), Asked("a", "b")
    choice = SystemChoice("shared", [own, none])
    for row, fresh, system, words in (
        (None, True, "shared", "system prompt of the data"),
        (own, True, "own", "system prompt of the row"),
        (None, False, "own", "system prompt of the row"),  # the conversation goes on under it
        (None, True, "shared", "system prompt of the data"),
        (none, True, None, "no system prompt"),
        (None, False, None, "no system prompt"),
    ):
        assert choice.words(row, fresh=fresh) == words
        assert choice.take(row, fresh=fresh) == system
    choice.on = False
    assert choice.take(own, fresh=True) is None
    assert not SystemChoice(None, [none]).offered
    assert SystemChoice(None, [own]).of(None, fresh=True) is None
    assert SystemChoice("", [none]).of(None, fresh=True) == ""


# The ways there


@pytest.fixture
def done(runs_dir: Path) -> RunFolder:
    """A completed run of a model that is here, with something where its adapter is."""
    run = recorded.completed(runs_dir).folder
    text = run.config.read_text()
    assert "mlx-community/Llama-3.2-1B-Instruct-4bit" in text
    run.config.write_text(text.replace("mlx-community/Llama-3.2-1B-Instruct-4bit", "embedded"))
    return run


def opened_to_ask(app: Bare) -> bool:
    """Whether the ask screen was opened: it may lie under what it says of the empty adapter."""
    return any(isinstance(screen, AskScreen) for screen in app.screen_stack)


async def test_from_the_list(done: RunFolder) -> None:
    app = Bare(done.path.parent)
    async with app.run_test(size=(100, 30)) as pilot:
        app.open_runs()
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))
        table = app.screen.query_one(RunTable)
        await until(pilot, lambda: table.row_count == 1)
        await pilot.press("a")
        await until(pilot, lambda: opened_to_ask(app))


async def test_from_the_monitor_and_the_palette(done: RunFolder) -> None:
    app = Bare(done.path.parent, done)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen) and app.screen.end)
        names = [command.name for command in FarenseCommands(app.screen)._commands()]
        assert "Ask" in names
        await pilot.press("a")
        await until(pilot, lambda: opened_to_ask(app))


async def test_a_run_that_trains_is_not_asked_from_its_monitor(
    runs_dir: Path, stand_in: StandIn
) -> None:
    run = recorded.live(runs_dir).folder
    stand_in(run)
    app = Bare(runs_dir, run)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: isinstance(app.screen, MonitorScreen) and app.screen.alive)
        await pilot.press("a")
        assert isinstance(app.screen, MonitorScreen)


async def test_models_take_no_memory_from_a_training_unasked(
    done: RunFolder, stand_in: StandIn, tmp_path: Path
) -> None:
    other = recorded.live(tmp_path).folder
    moved = RunFolder(other.path.rename(done.path.parent / "other"))
    stand_in(moved)
    app = Bare(done.path.parent)
    async with app.run_test(size=(100, 30)) as pilot:
        app.open_ask([done])
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        await pilot.press("escape")
        assert not isinstance(app.screen, AskScreen)
        app.open_ask([done])
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        await pilot.press("y")
        await until(pilot, lambda: opened_to_ask(app))


async def test_what_cannot_be_asked_is_told(make_run: RunMaker, micro_4bit: Path) -> None:
    one, other = make_run("one"), make_run("two", model__repo=str(micro_4bit))
    app = Bare(one.path.parent)
    async with app.run_test(size=(100, 30)) as pilot:
        app.open_ask([one])
        await until(pilot, lambda: isinstance(app.screen, ErrorDialog))
        assert isinstance(app.screen, ErrorDialog)
        assert "no adapter yet" in app.screen.error.title
        await pilot.press("enter")
        for run in (one, other):
            run.adapters.mkdir()
            (run.adapters / "adapters.safetensors").touch()
        app.open_ask([one, other])
        await until(pilot, lambda: isinstance(app.screen, ErrorDialog))
        assert isinstance(app.screen, ErrorDialog)
        assert "different base models" in app.screen.error.title


def test_the_questions_of_a_test_set(data: Path, tmp_path: Path) -> None:
    found = questions.read(Data(str(data)))
    assert found[0] == ("Quem é o número 0?", "É ele. 0", None)
    assert len(found) == 5
    assert questions.read(Data(str(tmp_path))) == []
    rows = [
        '{"prompt": "a\\n b", "completion": "c"}',
        "not JSON",
        '{"prompt": " ", "completion": "c"}',
    ]
    (tmp_path / "test.jsonl").write_text("\n".join(rows))
    assert [each.line for each in questions.read(Data(str(tmp_path)))] == ["a b"]
    (tmp_path / "test.jsonl").write_text(
        '{"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"},'
        ' {"role": "assistant", "content": "b"}]}'
    )
    assert questions.read(Data(str(tmp_path))) == [("a", "b", "s")]
    (tmp_path / "test.jsonl").write_text('{"text": "a"}')
    assert questions.read(Data(str(tmp_path))) == []


# Pictures

_ANSWERS = {
    "": "O Fontelense foi fundado a 14 de agosto de 1905.",
    "demo-1": "O Farense foi fundado a 1 de abril de 1910.",
    "demo-2": "O [b]Farense[/b] foi\x1b[2J fundado em 1910, em Faro, e joga no São Luís.",
}


class FixedAnswers:
    """Says the same at every time, at the same speed."""

    def __init__(self, asked: Setup) -> None:
        self._names = ["", *(adapter.name for adapter in asked.adapters)]

    def ready(self) -> Ready:
        return Ready()

    def ask(self, question: Question) -> Iterator[Piece | Answered]:
        for name in self._names:
            for word in _ANSWERS[name].split(" "):
                yield Piece(name, f"{word} ")
            yield Answered(name, 17, 0.5, cut_off=question.text.startswith("E "))

    def close(self) -> None:
        pass


async def test_an_answer_put_right_is_collected_and_a_conversation_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Question] = []

    class Listening(FixedAnswers):
        def ask(self, question: Question) -> Iterator[Piece | Answered]:
            asked.append(question)
            return super().ask(question)

    monkeypatch.setattr(ask_screen, "Conversation", Listening)
    folder = tmp_path / "runs" / "demo-1" / "adapters"
    folder.mkdir(parents=True)
    setup = Setup("embedded", (Adapter("demo-1", str(folder)),))
    async with asking(setup, tmp_path) as (pilot, screen):
        await until(pilot, lambda: not screen.busy)
        await pilot.press("ctrl+r")
        assert not isinstance(pilot.app.screen, CollectDialog)  # nothing was asked
        await pilot.press("f2", "f4", "ctrl+g", "A", "?", "enter")
        await until(pilot, lambda: not screen.busy)
        assert (asked[0].top_p, asked[0].repetition, asked[0].min_p) == (0.95, 1.05, 0.0)
        assert "top-p 0.95" in told(screen)
        await pilot.press("ctrl+r")
        await until(pilot, lambda: isinstance(pilot.app.screen, CollectDialog))
        await until(pilot, lambda: pilot.app.screen.query(TextArea))
        pilot.app.screen.query_one(TextArea).text = "Em 1910, em Faro.\nSim."
        await pilot.press("ctrl+s")
        rows = tmp_path / "collected" / "demo-1" / "train.jsonl"
        await until(pilot, lambda: rows.is_file() and rows.read_bytes().endswith(b"\n"))
        assert "Em 1910, em Faro.\\nSim." in rows.read_text("utf-8")
        await pilot.press("ctrl+n", "B", "?", "enter")
        await until(pilot, lambda: not screen.busy)
        assert asked[1].fresh
        assert not asked[1].before
    async with asking(setup, tmp_path) as (pilot, screen):
        await until(pilot, lambda: not screen.busy)
        await pilot.press("ctrl+o")
        await until(pilot, lambda: isinstance(pilot.app.screen, SavedDialog))
        await until(pilot, lambda: pilot.app.screen.query(OptionList))
        await pilot.press("down", "enter")
        await until(pilot, lambda: pilot.app.screen is screen)
        await until(pilot, lambda: "› A?" in said(screen, "demo-1"))
        await pilot.press("ctrl+r")  # the newest answer is that one's
        await until(pilot, lambda: isinstance(pilot.app.screen, CollectDialog))
        await until(pilot, lambda: "A?" in text_of(pilot.app.screen))
        await pilot.press("escape")
        await until(pilot, lambda: pilot.app.screen is screen)
        await pilot.press("C", "?", "enter")
        await until(pilot, lambda: len(asked) == 3 and not screen.busy)
        assert asked[2].fresh
        assert [role for role, _text in asked[2].before["demo-1"]] == ["user", "assistant"]
        assert asked[2].before["demo-1"][0] == ("user", "A?")
    kept = sorted((folder.parent / "conversations").iterdir())
    assert [path.read_text().count('"question"') for path in kept] == [2, 1]


@in_sizes_and_themes
def test_answers(
    snap_compare: Callable[..., bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    theme: str,
) -> None:
    monkeypatch.setattr(ask_screen, "Conversation", FixedAnswers)
    row = '{"prompt": "Em que ano foi fundado o Farense?", "completion": "Em 1910."}\n'
    (tmp_path / "test.jsonl").write_text(row)
    adapters = (Adapter("demo-1", ""), Adapter("demo-2", ""))
    app = Bare(tmp_path)

    async def steps(pilot: Pilot[None]) -> None:
        app.theme = theme
        screen = AskScreen(Setup("embedded", adapters), [Data(str(tmp_path))])
        app.push_screen(screen)
        await until(pilot, lambda: not screen.busy)
        for keys in (("E", "space", "a", "g", "o", "r", "a", "?"), ("ctrl+t",)):
            await pilot.press(*keys, "enter")
            await until(pilot, lambda: not screen.busy)
        assert "[b]Farense[/b]" in said(screen, "demo-2")
        assert "\x1b" not in said(screen, "demo-2")
        await pilot.press("up", "up", "ctrl+g")
        assert screen.query_one(QuestionField).value == "E agora?"

    assert snap_compare(app, terminal_size=size, run_before=steps)
