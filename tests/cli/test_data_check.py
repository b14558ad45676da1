"""`farense-tui data check`: what it prints, in colour and without, and its exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pexpect
import psutil
import pytest
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.messages.data_check import Report, Request
from farense_worker.protocol.messages.task import Progress
from farense_worker.protocol.settings.profile import replace_setting

from farense_tui.cli import main
from farense_tui.engine.profiles.catalogue import get
from farense_tui.engine.tasks import data_check, task
from tests.tokenizers import chat, write
from tests.waiting import until


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in, and no wish for colours."""
    monkeypatch.chdir(tmp_path)
    for name in ("FORCE_COLOR", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def check(*args: str, model: Path) -> int:
    return main(["data", "check", *args, "--profile", "demo", "--model", str(model)])


def test_a_pipe_gets_brackets_and_no_escape_codes(
    place: Path, micro: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(place / "d/train.jsonl", chat("Quem [b]é[/b]?", "Ele.\nSó ele."), chat("x" * 130, "y"))
    assert check("d", model=micro) == 3
    out, err = capfd.readouterr()
    assert "\x1b" not in out
    assert err == ""
    assert "<|user|>Quem [b]é[/b]?<|end|><|assistant|>⟦Ele.↵\n  Só ele.<|end|>⟧" in out
    assert "warning: rows whose labels are all cut off (1)" in out
    assert "d/train.jsonl:2  all labels are cut off: its first label is token 134" in out


@pytest.mark.parametrize("colour", [True, False])
def test_a_terminal_gets_colours_unless_it_wants_none(
    place: Path, micro: Path, colour: bool
) -> None:
    write(place / "d/train.jsonl", chat("Quem?", "Ele."))
    env = dict(os.environ) | {"TERM": "xterm-256color", "PYTHONSAFEPATH": "1"}
    env |= {} if colour else {"NO_COLOR": "1"}
    command = ["-m", "farense_tui", "data", "check", "d", "--profile", "demo"]
    child = pexpect.spawn(
        sys.executable,
        [*command, "--model", str(micro)],
        env=env,
        dimensions=(40, 100),
        encoding="utf-8",
        timeout=300,
    )
    out = child.read()
    child.close()
    assert child.exitstatus == 0
    assert ("\x1b[1;32mEle." in out) == colour
    assert ("⟦Ele.<|end|>⟧" in re.sub(r"\x1b\[[0-9;]*m", "", out)) != colour
    assert ("\x1b[32m" in out) == colour


def test_what_the_data_holds_reaches_no_terminal(
    place: Path, micro: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\u202e[red]x[/red]"
    write(place / "d/train.jsonl", chat(evil, evil), "\x1b[2J", {evil: 1})
    assert check("d", model=micro) == 3
    out, _ = capfd.readouterr()
    assert not set(out) & {"\x1b", "\x07", "\u202e"}
    assert "[red]x[/red]" in out
    assert "U+0007, U+001B, U+202E" in out


def test_json_is_the_report_and_nothing_else(
    place: Path, micro: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(place / "d/train.jsonl", chat("a", "b"), chat("a", "b"))
    assert check("d", "--json", "--rows", "1", model=micro) == 0
    out, err = capfd.readouterr()
    report = json.loads(out)
    assert err == ""
    assert report["counts"] == {"duplicate": 1}
    assert [piece["text"] for piece in report["examples"][0]["pieces"] if piece["label"]] == [
        "b",
        "<|end|>",
    ]


def test_what_is_counted_is_what_a_run_trains_on(
    place: Path, micro: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    for name, first in (("train", 1), ("valid", 5)):
        rows = [chat(f"n. {at}", "sim " * at) for at in range(first, 12)]
        write(place / "d" / f"{name}.jsonl", *rows)
    changes = ["--set", "train.max_seq_length=24"]
    assert check("d", "--json", *changes, model=micro) == 0
    train, valid = json.loads(capfd.readouterr()[0])["splits"]
    args = ["--profile", "demo", "--data", "d", "--model", str(micro), *changes]
    assert main(["train", *args, "--set", "train.epochs=1", "--json"]) == 0
    events = [json.loads(line) for line in capfd.readouterr()[0].splitlines()]
    (started,) = (event for event in events if event["type"] == "run_started")
    assert started["train_examples"] == train["rows"]
    assert started["truncated_examples"] == train["truncated"] + valid["truncated"] > 0
    validated = {event["tokens"] for event in events if event["type"] == "validation"}
    assert validated == {valid["labels"]}


def test_of_a_text_every_token_is_trained_on(
    place: Path, micro: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(place / "d/train.jsonl", {"text": "O Farense."})
    assert check("d", model=micro) == 0
    assert "text rows, at most 128 tokens, every token is trained on" in capfd.readouterr()[0]


def test_that_there_is_nothing_to_validate_on_is_told(
    place: Path, micro: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(place / "d/train.jsonl", *(chat(f"Ano {at}?", "Sim.") for at in range(8)))
    assert check("d", model=micro) == 0
    assert "there is no validation set" in capfd.readouterr()[0]
    assert check("d", "--set", "data.valid_fraction=0.5", model=micro) == 0
    assert "there is no validation set" not in capfd.readouterr()[0]


def test_what_cannot_be_checked(
    place: Path, micro: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert check("nowhere", model=micro) == 3
    assert "there is no such folder" in capfd.readouterr()[0]
    write(place / "d/train.jsonl", chat("a", "b"))
    assert check("d", model=Path("nothing")) == 3
    assert "there is no model nothing" in capfd.readouterr()[1]
    broken = place / "broken"
    broken.mkdir()
    for path in micro.iterdir():
        (broken / path.name).write_bytes(path.read_bytes())
    (broken / "tokenizer.json").write_text("{")
    assert check("d", model=broken) == 3
    err = capfd.readouterr()[1]
    assert "the tokenizer of" in err
    assert "Traceback" not in err


def test_without_the_network_it_says_what_it_can(
    place: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(place / "hub"))
    write(place / "d/train.jsonl", chat("a", "b"), chat("a", "b"))
    assert check("d", model=Path("nobody/nothing")) == 0
    out, _ = capfd.readouterr()
    assert (
        "lengths and labels are not checked: the tokenizer is not here\n  HF_HUB_OFFLINE is set"
        in out
    )
    assert "d/train.jsonl:2  the same as train.jsonl:1" in out


# ---- the engine's side --------------------------------------------------------------------------


def request(data: Path, model: Path, **changes: object) -> Request:
    profile = get("demo")
    given = {"data.path": str(data), "model.repo": str(model)} | changes
    for name, value in given.items():
        profile = replace_setting(profile, name, value)
    return data_check.request(profile)


def test_a_worker_that_dies_is_told(
    tmp_path: Path, micro: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "train.jsonl", chat("a", "b"))
    script = "import sys, os, signal; sys.stderr.write('last words'); sys.stderr.flush();"
    script += "print('{\"type\":\"progr', end='', flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr(task, "_command", lambda _: [sys.executable, "-c", script])
    with pytest.raises(FarenseError, match="without a result: data_check") as caught:
        task.result_of("data_check", request(tmp_path, micro), Report)
    assert caught.value.detail.startswith("the worker was killed by SIGKILL\n")
    assert caught.value.detail.endswith("\nlast words")


def test_progress_comes_and_leaving_ends_the_process(tmp_path: Path, micro: Path) -> None:
    rows = [chat(f"n. {at}", "x" * 1500) for at in range(20_000)]
    write(tmp_path / "train.jsonl", *rows)
    said = data_check.run(request(tmp_path, micro))
    first = next(said)
    assert isinstance(first, Progress)
    assert 0 < first.done < first.total == 20_000
    (child,) = _children()
    said.close()  # type: ignore[attr-defined]
    until(lambda: child not in _children())


def _children() -> list[int]:
    found = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):  # it may end at any moment
            asked = child.cmdline()[-2:] == ["farense_worker.tasks", "data_check"]
            if asked and child.status() != psutil.STATUS_ZOMBIE:
                found.append(child.pid)
    return found


def test_ctrl_c_ends_it(tmp_path: Path, micro: Path) -> None:
    write(tmp_path / "d/train.jsonl", *(chat(f"n. {at}", "x" * 1500) for at in range(20000)))
    command = [sys.executable, "-P", "-m", "farense_tui", "data", "check", str(tmp_path / "d")]
    process = subprocess.Popen(
        [*command, "--profile", "demo", "--model", str(micro)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        cwd=tmp_path,
    )
    until(psutil.Process(process.pid).children)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130
    assert b"Traceback" not in err


def test_the_app_pays_nothing_for_it() -> None:
    code = (
        "import sys, farense_tui.cli, farense_tui.engine.tasks.data_check;"
        "print(*{'mlx', 'transformers', 'yaml', 'rich'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == ""
