"""Ranks that are started through ssh, with a stand-in for it (tests/worker/ranks/fake_ssh.py)."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from farense_worker.protocol import hosts
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.runs import resuming, supervisor
from farense_tui.engine.runs.rank_options import group
from tests import holding
from tests.real_runs import ENDLESS, RunMaker, finish, state_of, until_state
from tests.waiting import until

MACHINE = "mac2.test"


@pytest.fixture
def machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hosts.json of this machine and one that is reached by ssh."""
    own = [ip for ip in sorted(hosts.own_addresses()) if "." in ip]
    own = [ip for ip in own if not ipaddress.ip_address(ip).is_loopback]
    if not own:
        pytest.skip("this machine has no address but the loopback's")
    fake = tmp_path / "bin" / "ssh"
    fake.parent.mkdir()
    script = Path(__file__).with_name("fake_ssh.py")
    fake.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n')
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(fake.parent), prepend=":")
    file = tmp_path / "hosts.json"
    entries = [{"ssh": "localhost", "ips": own[:1]}, {"ssh": MACHINE, "ips": own[:1]}]
    file.write_text(json.dumps(entries))
    return file


def prepare(
    make_run: RunMaker,
    machines: Path,
    monkeypatch: pytest.MonkeyPatch,
    elsewhere: dict[str, str] | None = None,
    **settings: Any,
) -> RunFolder:
    """Prepare a run on both machines; the other one does not know its folder."""
    folder = make_run(lora__dropout=0.0, **settings)
    changes = {f"run.{key}": value for key, value in group(hosts_file=str(machines)).items()}
    resuming.prepare_resume(folder, changes)
    monkeypatch.setenv("FAKE_SSH_NAME", str(folder.path))
    paths = {str(folder.path): "/nowhere/run", **(elsewhere or {})}
    monkeypatch.setenv("FAKE_SSH_PATHS", json.dumps(paths))
    return folder


def processes_elsewhere(folder: RunFolder) -> list[psutil.Process]:
    """The processes of a run on the other machine."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # it may end at any moment
            own = process.environ().get("OTHER_MACHINE") == str(folder.path)
            if own and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def wait_until_gone(folder: RunFolder, seconds: float = 60.0) -> None:
    until(lambda: not processes_elsewhere(folder), seconds)


def test_the_other_machine_needs_no_run_folder(
    make_run: RunMaker, machines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepare(make_run, machines, monkeypatch, train__epochs=2)
    worker = holding.launch(folder, 5)  # 4 is saved
    assert processes_elsewhere(folder)
    worker.process.kill()
    worker.wait()
    wait_until_gone(folder)
    assert supervisor.wait_until_gone(folder, 120)
    state = finish(folder)  # the checkpoint goes over the wire
    assert state.segments[-1].resumed_from_step == 4
    alone = finish(make_run("alone", lora__dropout=0.0, train__epochs=2))
    assert [v for _, v in state.loss] == pytest.approx([v for _, v in alone.loss], rel=1e-4)
    assert "rank 1| " in folder.log.read_text()


def test_a_lost_connection_ends_the_run_on_both_sides(
    make_run: RunMaker, machines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = prepare(make_run, machines, monkeypatch, **ENDLESS)
    worker = supervisor.launch(folder)
    until_state(worker, lambda state: state.step >= 1)
    found = []
    for process in psutil.Process(worker.process.pid).children(recursive=True):
        with contextlib.suppress(psutil.Error):  # another one may end at any moment
            words = process.cmdline()
            found += [process] if any(each.endswith("fake_ssh.py") for each in words) else []
    (ssh,) = found
    ssh.kill()
    assert worker.wait() == 1
    wait_until_gone(folder)
    failure = state_of(folder).failure
    assert failure is not None
    assert failure.title == f"rank 1 on {MACHINE} could not be started, or was lost"
    assert f"`ssh {MACHINE} true` must work" in failure.hint


@pytest.mark.parametrize(
    ("language", "detail"),
    [
        ("en", "rank 1 on {}:\nthe training data on this rank is not what it is on rank 0"),
        ("pt", "rank 1 em {}:\nos dados de treino neste rank não são os do rank 0"),
    ],
)
def test_other_data_on_the_other_machine_is_refused(
    make_run: RunMaker,
    machines: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    language: str,
    detail: str,
) -> None:
    monkeypatch.setenv("FARENSE_LANG", language)
    own = tmp_path / "own"
    own.mkdir()
    rows = (make_run.data / "train.jsonl").read_bytes()
    (own / "train.jsonl").write_bytes(rows.replace(b"ele", b"ela"))
    (own / "valid.jsonl").write_bytes((make_run.data / "valid.jsonl").read_bytes())
    paths = {str(make_run.data): str(own)}
    folder = prepare(make_run, machines, monkeypatch, paths)
    assert supervisor.launch(folder).wait() == 3
    failure = state_of(folder).failure
    assert failure is not None
    assert failure.detail == detail.format(MACHINE)
