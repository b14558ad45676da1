"""A process on a leash ends with the one that started it, and so does all below it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.processes import leash

from farense_tui.engine.verify.workshop import Workshop

PAUSE = (
    "import signal; from farense_worker.protocol.processes import leash\n"
    "leash.{how}(); print('up', flush=True); signal.pause()"
)


def test_one_whose_parent_was_gone_before_it_looked_ends_too() -> None:
    """Its first second is its imports, and whoever asked for it may be killed in that."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    for how in ("follow_parent", "follow_if_named"):
        done = subprocess.run(
            [sys.executable, "-c", PAUSE.format(how=how)],
            env={**os.environ, leash.PARENT: str(gone.pid)},
            check=False,
        )
        assert done.returncode == ExitCode.STOPPED


def test_what_one_starts_that_is_on_a_leash_ends_with_it() -> None:
    """The first names itself, the second takes the leash, the third has it of the second."""
    third = PAUSE.format(how="follow_if_named")
    second = (
        "import subprocess, sys; from farense_worker.protocol.processes import leash\n"
        f"leash.follow_if_named(); subprocess.run([sys.executable, '-c', {third!r}])"
    )
    first = (
        "import os, subprocess, sys; from farense_worker.protocol.processes import leash\n"
        "os.environ |= leash.on_leash()\n"
        f"subprocess.run([sys.executable, '-c', {second!r}])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", first], stdout=subprocess.PIPE, env=_nobodys()
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"
        parent.send_signal(signal.SIGKILL)
        assert parent.stdout.read() == b""  # the end of all that held it


def test_who_is_not_named_is_outlived() -> None:
    code = (
        "import threading; from farense_worker.protocol.processes import leash\n"
        "leash.follow_if_named(); print(threading.active_count())"
    )
    said = subprocess.run([sys.executable, "-c", code], env=_nobodys(), stdout=subprocess.PIPE)
    assert said.stdout == b"1\n"


def test_all_that_verify_starts_is_on_its_leash(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(leash.PARENT, raising=False)
    with Workshop("embedded"):
        assert os.environ[leash.PARENT] == str(os.getpid())
    assert leash.PARENT not in os.environ


def _nobodys() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != leash.PARENT}
