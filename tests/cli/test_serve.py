"""`farense-tui serve`, as a shell has it: what it prints, ctrl-c, and what it does not take."""

from __future__ import annotations

import http.client
import json
import os
import signal
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from farense_worker.protocol.errors import ExitCode

from farense_tui.cli import main
from tests.cli.conftest import Start
from tests.real_runs import RunMaker, finish


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, micro: Path, data: Path) -> Path:
    make = RunMaker(tmp_path_factory.mktemp("runs"), micro, data)
    finish(make("club", train__epochs=1))
    return make.folder


@pytest.mark.parametrize("ended_by", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_it_answers_and_ends_in_order(
    folder: Path, start: Start, ended_by: signal.Signals
) -> None:
    process = start("serve", "club", "--port", "0", "--runs-dir", str(folder))
    assert process.stdout
    assert process.stderr
    first = process.stdout.readline()
    assert "club" in first, process.stderr.read()
    address = first.split()[0]
    process.stdout.readline()
    assert process.stdout.readline().strip().startswith(f"curl {address}/chat/completions")
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=120)
    asked = {"messages": [{"role": "user", "content": "Olá"}], "max_tokens": 2}
    connection.request("POST", "/v1/chat/completions", json.dumps(asked))
    assert json.loads(connection.getresponse().read())["model"] == "club"
    os.killpg(process.pid, ended_by)  # as a terminal does: the worker gets it too
    out, err = process.communicate(timeout=120)
    if ended_by is signal.SIGINT:
        assert process.returncode == ExitCode.DONE
        assert "1 request" in out
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["--port", "99999"], ExitCode.USAGE),
        (["--context", "0"], ExitCode.USAGE),
        (["--api-key", "sk-on-the-command-line"], ExitCode.USAGE),
        (["--host", "256.1.1.1", "--port", "0"], ExitCode.REFUSED),
        (["--host", "a..b", "--port", "0"], ExitCode.REFUSED),
        (["nobody"], ExitCode.USAGE),
    ],
)
def test_what_it_does_not_take(folder: Path, words: list[str], code: ExitCode) -> None:
    found = main(["serve", "club", *words, "--runs-dir", str(folder)])
    assert found in (code, ExitCode.REFUSED)
