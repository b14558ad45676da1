"""Signals become flags, and nothing is broken off but what may be."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest
from farense_worker.process.signals import Control, StopRequested, inherited_lock

# Answers each line on stdin with what has been asked so far; "enter" goes to where a stop breaks
# off, "leave" leaves it; "again" starts it again in its own place.
CHILD = """
import os
import sys
from farense_worker.process.signals import Control, StopRequested

control = Control()
control.install()
print("ready", flush=True)

def answer(line):
    asked = control.asked
    names = [name for name in ("stop", "pause", "save") if getattr(asked, name)]
    print(" ".join(names) or "nothing", flush=True)

def inside():
    with control.interruptible():
        print("inside", flush=True)
        for line in iter(sys.stdin.readline, ""):
            if line == "leave\\n":
                break
            answer(line)
    print("outside", flush=True)

for line in iter(sys.stdin.readline, ""):
    if line == "enter\\n":
        try:
            inside()
        except StopRequested:
            print("broken off", flush=True)
    elif line == "again\\n":
        with control.handed_on():
            os.execv(sys.executable, sys.orig_argv)
    else:
        answer(line)
"""

Ask = Callable[[str], str]


@pytest.fixture
def child() -> Iterator[subprocess.Popen[str]]:
    """A process that listens to signals as the worker does."""
    with subprocess.Popen(
        [sys.executable, "-c", CHILD],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
        process.kill()


@pytest.fixture
def ask(child: subprocess.Popen[str]) -> Ask:
    def ask_(line: str) -> str:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(line + "\n")
        child.stdin.flush()
        return child.stdout.readline().strip()

    return ask_


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_ways_to_stop(child: subprocess.Popen[str], ask: Ask, number: signal.Signals) -> None:
    assert ask("?") == "nothing"
    child.send_signal(number)
    assert ask("?") == "stop"
    child.send_signal(number)  # again is no harder: that is what kill is for
    assert ask("?") == "stop"


def test_pause_continue_and_save(child: subprocess.Popen[str], ask: Ask) -> None:
    child.send_signal(signal.SIGTSTP)
    assert ask("?") == "pause"
    child.send_signal(signal.SIGUSR1)
    assert ask("?") == "pause save"
    child.send_signal(signal.SIGCONT)
    assert ask("?") == "save"


def test_a_closed_terminal_is_nothing(child: subprocess.Popen[str], ask: Ask) -> None:
    child.send_signal(signal.SIGHUP)
    assert ask("?") == "nothing"
    assert child.poll() is None


def test_a_stop_breaks_off_what_may_be_broken_off(child: subprocess.Popen[str], ask: Ask) -> None:
    assert ask("enter") == "inside"
    child.send_signal(signal.SIGUSR1)  # the others do not
    assert ask("?") == "save"
    child.send_signal(signal.SIGTERM)
    assert child.stdout is not None
    assert child.stdout.readline() == "broken off\n"
    assert ask("?") == "stop save"


def test_after_it_a_stop_breaks_nothing_off(child: subprocess.Popen[str], ask: Ask) -> None:
    assert ask("enter") == "inside"
    assert ask("leave") == "outside"
    child.send_signal(signal.SIGTERM)
    assert ask("?") == "stop"
    assert ask("enter") == "broken off"  # but what may be broken off is not begun any more


def test_who_is_started_in_its_place_hears_what_was_asked(
    child: subprocess.Popen[str], ask: Ask
) -> None:
    for number in (signal.SIGTSTP, signal.SIGUSR1):
        child.send_signal(number)
        ask("?")
    assert ask("again") == "ready"
    assert ask("?") == "pause save"
    child.send_signal(signal.SIGTERM)
    assert ask("?") == "stop pause save"


def test_stacks_are_written_without_the_help_of_python(
    child: subprocess.Popen[str], ask: Ask
) -> None:
    child.send_signal(signal.SIGUSR2)
    assert ask("?") == "nothing"
    child.kill()
    assert child.stderr is not None
    stacks = child.stderr.read()
    assert "most recent call first" in stacks
    assert "readline" in stacks or "<module>" in stacks


def test_what_is_asked_counts_from_the_moment_on_which_it_is_agreed() -> None:
    control = Control()
    control.asked.stop = control.asked.save = True
    assert not control.stop
    control.agree(lambda *flags: list(flags))
    assert (control.stop, control.pause, control.save) == (True, False, True)


def test_what_one_rank_is_asked_all_do() -> None:
    control = Control()
    control.agree(lambda *_: [0.0, 1.0, 2.0])
    assert (control.stop, control.pause, control.save) == (False, True, True)


def test_what_is_done_is_not_asked_any_more() -> None:
    control = Control()
    control.asked.pause = control.asked.save = True
    control.agree(lambda *flags: list(flags))
    control.resume()
    control.saved()
    control.agree(lambda *flags: list(flags))
    assert (control.pause, control.save) == (False, False)


def test_without_a_stop_what_is_inside_is_done_to_its_end() -> None:
    control = Control()
    with control.interruptible():
        pass
    control.asked.stop = True
    with pytest.raises(StopRequested), control.interruptible():
        pass


def test_the_lock_is_taken_over_once_and_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    monkeypatch.setenv("FARENSE_LOCK", str(writer))
    assert inherited_lock() == writer
    assert not os.get_inheritable(writer)
    assert "FARENSE_LOCK" not in os.environ
    assert inherited_lock() is None
    monkeypatch.setenv("FARENSE_LOCK", "")
    assert inherited_lock() is None
    os.close(reader)
    os.close(writer)
