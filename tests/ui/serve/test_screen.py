"""A server on the screen: a real one, but for the pictures, whose figures are fixed."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol.messages.evaluation import Adapter
from farense_worker.protocol.messages.serving import Ended, Figures, Handled, Listening, Setup
from farense_worker.protocol.run_folder import RunFolder
from textual.pilot import Pilot
from textual.widgets import Static

from farense_tui.engine.tasks import serving
from farense_tui.ui.common.dialogs import AskDialog
from farense_tui.ui.monitor.run_log import RunLog
from farense_tui.ui.monitor.screen import MonitorScreen
from farense_tui.ui.runs.run_table import RunTable
from farense_tui.ui.runs.screen import RunsScreen
from farense_tui.ui.serve import screen as serve_screen
from farense_tui.ui.serve.screen import ServeScreen
from tests.real_runs import RunMaker, finish
from tests.ui.conftest import NOW, in_sizes_and_themes
from tests.ui.runs.test_screen import Bare
from tests.ui.waiting import until


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, micro: Path, data: Path) -> RunFolder:
    made = RunMaker(tmp_path_factory.mktemp("runs"), micro, data)("club", train__epochs=1)
    finish(made)
    return made


def shown(screen: ServeScreen, where: str) -> str:
    return str(screen.query_one(where, Static).render())


def log(screen: ServeScreen) -> str:
    return "\n".join(line.text for line in screen.query_one(RunLog).lines)


async def test_a_run_in_the_list_is_served_and_stopped(run: RunFolder) -> None:
    app = Bare(run.path.parent)
    async with app.run_test(size=(100, 30)) as pilot:
        app.push_screen(RunsScreen(run.path.parent))
        await until(
            pilot, lambda: app.screen.query(RunTable) and app.screen.query_one(RunTable).current
        )
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, ServeScreen))
        screen = app.screen
        assert isinstance(screen, ServeScreen)
        await until(pilot, lambda: screen.at)
        assert screen.at
        assert screen.at.address in shown(screen, "#where")
        assert "curl http" in shown(screen, "#curl")
        connection = http.client.HTTPConnection("127.0.0.1", screen.at.port, timeout=120)
        asked = {"messages": [{"role": "user", "content": "Olá"}], "max_tokens": 2}
        connection.request("POST", "/v1/chat/completions", json.dumps(asked))
        assert connection.getresponse().status == 200
        await until(pilot, lambda: "200  club" in log(screen))
        await until(pilot, lambda: "1 request ·" in shown(screen, "#figures"))
        await pilot.press("y")
        assert app.clipboard == screen.at.address
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, AskDialog))
        await pilot.press("escape", "s")
        await until(pilot, lambda: screen.ended)
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(app.screen, RunsScreen))


async def test_a_finished_run_is_served_by_the_key_that_stops_a_living_one(run: RunFolder) -> None:
    app = Bare(run.path.parent)
    async with app.run_test(size=(100, 30)) as pilot:
        monitor = MonitorScreen(run)
        app.push_screen(monitor)
        await until(pilot, lambda: monitor.is_mounted and monitor.end)
        await pilot.press("s")
        await until(pilot, lambda: isinstance(app.screen, ServeScreen))
        server = app.screen
        assert isinstance(server, ServeScreen)
        await until(pilot, lambda: server._server)
        await pilot.press("escape")  # while the models load
        await until(pilot, lambda: app.screen is monitor)
        assert server._server
        await until(pilot, lambda: server._server and gone(server._server.pid))


def gone(pid: int) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 0)
        return False
    return True


class Fixed:
    """Says what a server would, the same each time, and then waits for its end."""

    def __init__(self, _asked: Setup) -> None:
        models = ("demo-1", "demo-2", "tiny-chat-pt")
        at: dict[str, Any] = {"time": NOW, "path": "/v1/chat/completions", "seconds": 0.5}
        self._said: list[Any] = [
            Listening(host="127.0.0.1", port=8080, models=models, context=8192),
            Handled(**at, status=200, model="demo-1", prompt_tokens=21, tokens=40),
            Handled(**at, status=404, fault="there is no model gpt-4 here; there are demo-1"),
            Handled(**at, status=200, model="tiny-chat-pt", prompt_tokens=18, tokens=12),
            Handled(
                **at, status=403, fault="pages of https://evil.example[b] may not ask \x1b[31m"
            ),
            Figures(
                up=3723.0,
                requests=128,
                refused=2,
                running=1,
                tokens=5120,
                requests_per_second=1.2,
                tokens_per_second=84.0,
                memory=3 << 30,
                active_memory=2 << 30,
                cache_memory=512 << 20,
                peak_memory=int(2.6 * 2**30),
                limit=11_453_250_000,
            ),
        ]
        self._end = threading.Event()

    def listen(self) -> Any:
        if self._said:
            return self._said.pop(0)
        self._end.wait(120)
        return Ended(requests=128, broken_off=0)

    def stop(self) -> None:
        self._end.set()

    close = stop


@in_sizes_and_themes
def test_serving(
    snap_compare: Callable[..., bool],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    size: tuple[int, int],
    theme: str,
) -> None:
    monkeypatch.setattr(serve_screen, "Serving", Fixed)
    app = Bare(tmp_path)
    adapters = (Adapter("demo-1", ""), Adapter("demo-2", ""))

    async def steps(pilot: Pilot[None]) -> None:
        app.theme = theme
        screen = ServeScreen(Setup(repo="embedded", base="tiny-chat-pt", adapters=adapters))
        app.push_screen(screen)
        await until(pilot, lambda: screen.is_mounted and "128" in shown(screen, "#figures"))
        assert "\x1b" not in log(screen)

    assert snap_compare(app, terminal_size=size, run_before=steps)


def test_a_log_line_tells_of_a_request() -> None:
    done = Handled(time=0, path="/v1/x", status=404, seconds=0.1, fault="nothing at\x1b[2J")
    assert serving.told(done) == "404  /v1/x  nothing at[2J" or "\x1b" not in serving.told(done)
