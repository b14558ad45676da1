"""`d` then `f`: documents are asked about, read and made the profile's data, within the app."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from farense_worker.protocol.settings import profile as settings
from farense_worker.protocol.settings.profile import Profile
from msgspec.structs import replace
from textual.pilot import Pilot
from textual.widgets import Input, Static

from farense_tui.dataset.documents import draft, drafting
from farense_tui.dataset.documents.models import Model
from farense_tui.engine.models.assets import embedded_model
from farense_tui.engine.profiles import catalogue
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.common.dialogs import ErrorDialog
from farense_tui.ui.common.setting_row import Choice
from farense_tui.ui.review.draft_screen import DraftScreen
from farense_tui.ui.review.screen import ReviewScreen
from tests.dataset import files
from tests.dataset.documents.papers import FOUNDED, GROUND, Scripted
from tests.ui.conftest import in_sizes_and_themes
from tests.ui.runs.test_screen import Bare
from tests.ui.waiting import until


class Waiting(Scripted):
    """Answers when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.may, self.broken_off = threading.Semaphore(0), False

    def ask(self, text: str, max_tokens: int) -> str:
        self.may.acquire()
        return "" if self.broken_off else super().ask(text, max_tokens)

    def end(self) -> None:
        self.broken_off = True
        self.may.release()


def scripted(model: Model) -> Callable[[Profile, str, str], object]:
    @contextmanager
    def asked(_profile: Profile, _address: str, _name: str) -> Iterator[Model]:
        yield model

    return asked


async def may(_model: settings.Model) -> bool:
    return True


@pytest.fixture
def documents(tmp_path: Path) -> Path:
    folder = tmp_path / "os documentos"
    folder.mkdir()
    for name, text in (("a.txt", FOUNDED), ("b.md", GROUND)):
        (folder / name).write_text(text, encoding="utf-8")
    return folder


async def opened(pilot: Pilot[None], model: Model, documents: Path) -> list[str | None]:
    """Open the screen and begin; gives a list into which it puts what it gives."""
    given: list[str | None] = []
    profile = catalogue.get("demo")
    pilot.app.push_screen(DraftScreen(profile, may, scripted(model)), given.append)  # type: ignore[arg-type]
    await begin(pilot, documents)
    return given


async def begin(pilot: Pilot[None], documents: Path) -> None:
    app = pilot.app
    await until(pilot, lambda: isinstance(app.screen, DraftScreen) and app.screen.is_mounted)
    app.screen.query_one("#draft-documents", Input).value = f"'{documents}'"
    await pilot.press("enter", "enter")


def told(app: FarenseApp) -> str:
    return str(app.screen.query_one("#draft-told Static", Static).render())


async def test_documents_become_rows_without_leaving_the_app(documents: Path) -> None:
    app = Bare(documents.parent / "runs")
    async with app.run_test(size=(100, 30)) as pilot:
        given = await opened(pilot, Scripted(), documents)
        await until(pilot, lambda: "all passages are asked" in told(app))
        assert "6 pairs, 2 set aside, 0 kept" in told(app)
        await pilot.press("m")  # nothing is kept yet
        assert not given
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, ReviewScreen))
        await pilot.press("enter", "enter", "d", "escape")
        await until(pilot, lambda: isinstance(app.screen, DraftScreen))
        assert "2 kept" in told(app)
        await pilot.press("m")
        await until(pilot, lambda: bool(given))
    assert given == [str(documents.parent / "os documentos-draft-rows")]
    assert len(files.rows(Path(str(given[0])))) == 2


async def test_it_is_paused_stopped_and_goes_on_to_the_same_bytes(documents: Path) -> None:
    whole = documents.parent / "whole"
    repo = catalogue.get("demo").model.repo
    drafting.begin([documents], whole, model=repo)
    draft.go_on(whole, Scripted(), lambda _: None)
    model, folder = Waiting(), documents.parent / "os documentos-draft"
    app = Bare(documents.parent / "runs")
    async with app.run_test(size=(100, 30)) as pilot:
        given = await opened(pilot, model, documents)
        await until(pilot, lambda: "passage 1 of 2" in told(app))
        await pilot.press("space")
        assert told(app).startswith("paused")
        model.may.release(4)  # the answer that is being given, and no other
        await until(pilot, lambda: len(model.asked) == 1)
        await pilot.press("space")
        await until(pilot, lambda: "passage 2 of 2" in told(app))
        await pilot.press("escape")
        await until(pilot, lambda: told(app).startswith("stopped"))
        assert (folder / draft.PAIRS).read_bytes().count(b"\n") == 1
        model.broken_off = False
        model.may.release(9)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "all passages are asked" in told(app))
        await pilot.press("escape")
        await until(pilot, lambda: given == [""])
    for name in (draft.SETTINGS, draft.PASSAGES, draft.PAIRS):
        assert (folder / name).read_bytes() == (whole / name).read_bytes()


async def test_what_is_no_document_is_told_and_another_can_be_named(documents: Path) -> None:
    app = Bare(documents.parent / "runs")
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, Scripted(), documents.parent / "nowhere.pdf")
        await until(pilot, lambda: isinstance(app.screen, ErrorDialog))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DraftScreen))
        app.screen.query_one("#draft-to", Input).value = ""
        await begin(pilot, documents)
        await until(pilot, lambda: "all passages are asked" in told(app))


@pytest.mark.parametrize("what", ["empty", "locked", "nowhere", "nobody"])
async def test_whatever_cannot_be_drafted_is_told_and_the_screen_is_free(
    what: str, documents: Path
) -> None:
    """An empty folder; a draft's place below a file; a model that is not here; ~ of nobody."""
    given, profile = documents, catalogue.get("demo")
    asked: object = scripted(Scripted())
    if what == "empty":
        given = documents / "empty"
        given.mkdir()
    elif what == "nobody":
        given = Path("~nobody-of-this-name/x")
    elif what == "nowhere":
        profile = settings.replace_setting(profile, "model.repo", "owner/nowhere")
        asked = drafting.asked
    app = Bare(documents.parent / "runs")
    async with app.run_test(size=(100, 30)) as pilot:
        left: list[str | None] = []
        app.push_screen(DraftScreen(profile, may, asked), left.append)  # type: ignore[arg-type]
        await until(pilot, lambda: isinstance(app.screen, DraftScreen) and app.screen.is_mounted)
        app.screen.query_one("#draft-documents", Input).value = f"'{given}'"
        to = app.screen.query_one("#draft-to", Input)
        to.value = str(documents / "a.txt" / "draft" if what == "locked" else documents / "draft")
        to.focus()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(app.screen, ErrorDialog))
        assert "fault" not in app.screen.error.title  # type: ignore[attr-defined]
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DraftScreen))
        await pilot.press("escape")
        await until(pilot, lambda: left == [""])


async def test_the_demo_s_model_is_asked_in_a_worker_of_its_own(documents: Path) -> None:
    """It is far too small to write what it is asked for, which is told."""
    (documents / "b.md").unlink()
    app = Bare(documents.parent / "runs")
    async with app.run_test(size=(100, 30)) as pilot:
        profile = replace(catalogue.get("demo"), model=settings.Model(repo=str(embedded_model())))
        app.open_draft(profile, lambda _made: None)
        await begin(pilot, documents)
        await until(pilot, lambda: "all passages are asked" in told(app))
        assert "take a larger model" in told(app)
    assert draft.barren(documents.parent / "os documentos-draft")


async def test_a_server_is_asked_for_as_many_pairs_as_are_wanted(documents: Path) -> None:
    """Its model must be named; nothing is loaded here, so that nobody has to agree to it."""

    async def never(_model: settings.Model) -> bool:
        raise AssertionError

    told_: list[tuple[str, str]] = []

    @contextmanager
    def asked(_profile: Profile, address: str, name: str) -> Iterator[Model]:
        told_.append((address, name))
        yield Scripted()

    app, url = Bare(documents.parent / "runs"), "http://127.0.0.1:1/v1"
    async with app.run_test(size=(100, 30)) as pilot:
        app.push_screen(DraftScreen(catalogue.get("demo"), never, asked))
        await until(pilot, lambda: isinstance(app.screen, DraftScreen) and app.screen.is_mounted)
        app.screen.query_one("#draft-documents", Input).value = f"'{documents}'"
        app.screen.query_one("#draft-questions", Choice).value = "1"
        app.screen.query_one("#draft-address", Input).value = url
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, ErrorDialog))
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DraftScreen))
        app.screen.query_one("#draft-name", Input).value = "big"
        await pilot.pause()
        helps = app.screen.query_one("#draft-help", Static)
        assert f"big at {url} writes questions" in str(helps.render())
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "all passages are asked" in told(app))
        assert "2 pairs" in told(app)
    assert told_ == [(url, "big")]
    there = json.loads((documents.parent / "os documentos-draft" / draft.SETTINGS).read_text())
    assert (there["address"], there["model"], there["questions"]) == (url, "big", 1)


async def test_another_model_here_is_asked_once_it_may(documents: Path) -> None:
    """A draft that is there with other settings is refused, and another folder can be named."""
    may_, loaded = False, list[str]()

    async def may(model: settings.Model) -> bool:
        loaded.append(model.repo)
        return may_

    app = Bare(documents.parent / "runs")
    drafting.begin([documents], documents.parent / "os documentos-draft", model="other/model")
    async with app.run_test(size=(100, 30)) as pilot:
        app.push_screen(DraftScreen(catalogue.get("demo"), may, scripted(Scripted())))  # type: ignore[arg-type]
        await until(pilot, lambda: isinstance(app.screen, DraftScreen) and app.screen.is_mounted)
        app.screen.query_one("#draft-model", Input).value = "owner/small"
        await begin(pilot, documents)
        await until(pilot, lambda: loaded == ["owner/small"])
        may_ = True
        await pilot.press("ctrl+s")
        await until(pilot, lambda: isinstance(app.screen, ErrorDialog))
        assert "model: other/model there, owner/small now" in app.screen.error.detail  # type: ignore[attr-defined]
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, DraftScreen))
        to = app.screen.query_one("#draft-to", Input)
        assert not to.disabled
        to.value = str(documents.parent / "anew")
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "all passages are asked" in told(app))
    there = json.loads((documents.parent / "anew" / draft.SETTINGS).read_text())
    assert (there["address"], there["model"]) == ("", "owner/small")


@in_sizes_and_themes
def test_what_a_draft_begins_with(
    snap_compare: Callable[..., bool], documents: Path, size: tuple[int, int], theme: str
) -> None:
    app = Bare(documents.parent / "runs")

    async def steps(pilot: Pilot[None]) -> None:
        app.theme = theme
        app.push_screen(DraftScreen(catalogue.get("demo"), may))
        await until(pilot, lambda: isinstance(app.screen, DraftScreen) and app.screen.is_mounted)
        app.screen.query_one("#draft-address", Input).value = "http://127.0.0.1:8080/v1"
        app.screen.query_one("#draft-name").focus()
        await until(pilot, lambda: app.focused is not None and app.focused.id == "draft-name")

    assert snap_compare(app, terminal_size=size, run_before=steps)


@in_sizes_and_themes
def test_drafting(
    snap_compare: Callable[..., bool], documents: Path, size: tuple[int, int], theme: str
) -> None:
    app = Bare(documents.parent / "runs")

    async def steps(pilot: Pilot[None]) -> None:
        app.theme = theme
        await opened(pilot, Scripted(), documents)
        await until(pilot, lambda: "all passages are asked" in told(app))
        for field, shown in (("documents", "documents"), ("to", "documents-draft")):
            app.screen.query_one(f"#draft-{field}", Input).value = shown  # no folder of this run

    assert snap_compare(app, terminal_size=size, run_before=steps)
