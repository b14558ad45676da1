"""What reaches a user who looks elsewhere."""

from __future__ import annotations

import os
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
import tomli_w

from farense_tui.engine.machine import desktop
from farense_tui.ui import preferences
from farense_tui.ui.app import FarenseApp
from farense_tui.ui.messages import Course, News
from farense_tui.ui.monitor.screen import MonitorScreen
from farense_tui.ui.notifications import Reach
from tests.ui import recorded
from tests.ui.monitor_host import Host, settled
from tests.ui.waiting import until


def test_the_title_and_the_mark_are_written_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desktop, "can_notify", lambda: False)
    written: list[str] = []
    reach = Reach(written.append, lambda name: True)
    for share in (0.101, 0.104, 0.11):
        reach.course("10% \x1b]demo-1", share)
    assert written == [
        "\x1b]2;10% �]demo-1\x1b\\", "\x1b]9;4;1;10\x1b\\",
        "\x1b]2;10% �]demo-1\x1b\\", "\x1b]9;4;1;11\x1b\\",
    ]  # fmt: skip
    reach.course("demo-1", None)
    assert written[-1] == "\x1b]9;4;0;0\x1b\\"
    reach.tell("demo-1", "complete; well")
    assert written[-3:] == [
        "\a", "\x1b]9;demo-1: complete, well\x1b\\", "\x1b]777;notify;demo-1;complete, well\x1b\\",
    ]  # fmt: skip


def test_a_terminal_gets_no_mark_that_it_takes_for_a_message() -> None:
    written: list[str] = []
    reach = Reach(written.append, lambda name: True, progress=False)
    reach.course("10%", 0.1)
    assert written == ["\x1b]2;10%\x1b\\"]


def test_a_message_comes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """From a Mac's own program, or over ssh from the terminal."""
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    written: list[str] = []
    reach = Reach(written.append, lambda name: True)
    reach.tell("demo-1", "complete")
    assert written == ["\a"]
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.2 50000 10.0.0.1 22")
    reach.tell("demo-1", "complete")
    assert len(written) == 4
    assert not desktop.notify("demo-1", "complete")


def test_each_can_be_turned_off() -> None:
    preferences.path().parent.mkdir(parents=True)
    preferences.path().write_text("title = false\nprogress = false\nbell = false\nnotify = false\n")
    written: list[str] = []
    reach = Reach(written.append, preferences.wanted)
    reach.course("demo-1", 0.5)
    reach.tell("demo-1", "complete")
    assert written == []
    preferences.keep_theme("farense-light")  # and stays turned off
    assert not preferences.wanted("bell")
    assert preferences.theme() == "farense-light"


@pytest.mark.parametrize("answer", [b"SSH-2.0-x\r\n", b"", b"HTTP/1.1 500 No\r\n\r\n"])
def test_a_webhook_that_answers_nonsense_is_no_fault_of_ours(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            caller, _address = server.accept()
            with caller:
                caller.recv(1 << 16)
                caller.sendall(answer)

        thread = threading.Thread(target=listen)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/topic"
        with pytest.raises(OSError):  # noqa: PT011 - whatever it says
            Reach(print, lambda name: False).send("demo-1", "complete", address)
        thread.join()


def test_a_webhook_names_nobody_else_who_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        other = socket.create_server(("127.0.0.1", 0))
        answer = f"HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:{other.getsockname()[1]}/\r\n\r\n"

        def listen() -> None:
            caller, _address = server.accept()
            with caller:
                caller.recv(1 << 16)
                caller.sendall(answer.encode())

        thread = threading.Thread(target=listen)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/topic"
        with pytest.raises(OSError, match="302"):
            Reach(print, lambda name: False).send("demo-1", "complete", address)
        thread.join()
        other.setblocking(False)
        with other, pytest.raises(BlockingIOError):  # nobody has called
            other.accept()


@pytest.mark.parametrize(
    "address",
    ["http://[", "https://", "file:///etc", "file://host/etc", "ftp://host/", "ntfy.sh/me", 3],
)
def test_what_is_no_address_is_no_webhook(address: object) -> None:
    preferences.path().parent.mkdir(parents=True)
    preferences.path().write_text(tomli_w.dumps({"webhook": address}))
    assert preferences.webhook() == ""


def test_a_slip_in_the_preferences_costs_nothing_that_is_in_them() -> None:
    preferences.path().parent.mkdir(parents=True)
    text = 'webhook = "https://ntfy.sh/me"\nbell = flase\n'
    preferences.path().write_text(text)
    preferences.keep_theme("farense-light")
    assert preferences.path().read_text() == text


@pytest.mark.usefixtures("lasting")
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("bell = flase\n", "nothing of it is heeded"),
        ("bell = 'no'\n", "bell must be true or false"),
        ("theme = 'pink'\n", "theme must be one of farense-dark"),
        ("webhook = 'ntfy.sh/me'\n", "webhook must be an address"),
        ("Bell = false\n", "there is no Bell"),
    ],
)
async def test_what_is_passed_over_in_the_preferences_is_told(
    text: str, said: str, runs_dir: Path
) -> None:
    preferences.path().parent.mkdir(parents=True)
    preferences.path().write_text(text)
    app = FarenseApp(runs_dir)
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: any(said in each.message for each in app._notifications))
        assert any("preferences.toml" in each.message for each in app._notifications)


def test_right_preferences_have_no_faults() -> None:
    assert preferences.faults() == []
    preferences.keep_theme("farense-light")
    preferences.keep_welcomed()
    preferences.path().write_text(preferences.path().read_text() + 'bell = false\nwebhook = ""\n')
    assert preferences.faults() == []


async def test_the_end_of_a_run_is_news_and_an_old_end_is_none(tmp_path: Path) -> None:
    told: list[tuple[str, Any]] = []

    class Listening(Host):
        def on_course(self, message: Course) -> None:
            told.append((message.title, message.share))

        def on_news(self, message: News) -> None:
            told.append((message.title, message.text))

    run = recorded.live(tmp_path)
    lock = run.folder.acquire()
    app = Listening(run.folder)
    async with app.run_test() as pilot:
        monitor = await settled(pilot)
        assert isinstance(monitor, MonitorScreen)
        begin = "38% demo-1 · training · done at "
        await until(pilot, lambda: any(title.startswith(begin) for title, _ in told))
        assert 230 / 600 in [share for _, share in told]
        assert ("demo-1", "the worker gives no sign of life") in told  # NOW is long after
        run.end("stopped")
        os.close(lock)
        await until(pilot, lambda: any("stopped at step 230" in str(each) for each in told))
    told.clear()
    app = Listening(run.folder)
    async with app.run_test() as pilot:
        await settled(pilot)
        await until(pilot, lambda: ("■ demo-1 · stopped", None) in told)
        assert not [text for title, text in told if title == "demo-1"]


async def test_a_name_that_is_not_utf_8_is_copied(runs_dir: Path) -> None:
    app = FarenseApp(runs_dir)
    async with app.run_test():
        app.copy_to_clipboard("/runs/\udcff é")
        assert app.clipboard == "/runs/? é"
