"""`farense-tui export --upload`: to a hub on loopback, never unasked, and on from where it was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.cli import common, main
from farense_tui.engine.tasks import upload
from tests import real_runs
from tests.hub.uploads import OWNER, READS, WRITES, UploadHub
from tests.real_runs import RunMaker
from tests.waiting import until

REPO = f"{OWNER}/club"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[UploadHub]:
    with UploadHub({}, place=tmp_path / "hub") as served:
        for name in ("HF_HUB_OFFLINE", "HF_HUB_CACHE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", served.endpoint)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")  # the loopback hub takes files by git-lfs
        monkeypatch.setenv("HF_TOKEN", WRITES)
        yield served


@pytest.fixture
def exported(
    make_run: RunMaker, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> tuple[RunFolder, list[str]]:
    """A finished run, exported once, and the words of the command that did it."""
    run = make_run("one", train__epochs=1)
    real_runs.finish(run)
    monkeypatch.setenv("FARENSE_RUNS", str(run.path.parent))
    words = ["export", "one", "--to", str(tmp_path / "out"), "--no-check"]
    assert main(words) == ExitCode.DONE
    return run, [*words, "--upload", REPO]


def test_a_private_repository_with_a_card(
    exported: tuple[RunFolder, list[str]],
    hub: UploadHub,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    run, words = exported
    assert main([*words, "--yes", "--overwrite"]) == ExitCode.DONE
    out, err = capfd.readouterr()
    assert f"uploaded, private: {hub.endpoint}/{REPO}" in out
    assert "A new repository, private" in err
    there = {path.name: path.read_bytes() for path in hub.repos[REPO].iterdir()}
    made = tmp_path / "out" / "adapter"
    assert there == {path.name: path.read_bytes() for path in made.iterdir()}
    assert hub.public == set()
    assert hub.commits == [sorted(there)]  # all at once
    assert hub.verified == hub.arrived
    card = there["README.md"].decode()
    assert "library_name: mlx" in card
    assert f"hf download {REPO} --local-dir club" in card
    assert "| validation loss before |" in card
    assert "| best validation loss |" in card
    for private in (str(tmp_path), run.read_config().data.path, WRITES):
        assert not [name for name, data in there.items() if private.encode() in data]
    seen = [
        out,
        err,
        *(p.read_text("utf-8", "replace") for p in run.path.rglob("*.*") if p.is_file()),
    ]
    assert not [text for text in seen if WRITES in text]

    assert main([*words, "--yes"]) == ExitCode.DONE  # nothing is new: nothing is sent
    assert "is there already, from this adapter" in capfd.readouterr().err
    assert (len(hub.arrived), len(hub.commits)) == (1, 1)


def test_a_continued_upload_does_not_stumble_over_what_the_first_try_handed_over(
    make_run: RunMaker,
    hub: UploadHub,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The same command continues it, though Ollama and LM Studio have the model by now."""
    run = make_run("one", train__epochs=1)
    real_runs.finish(run)
    monkeypatch.setenv("FARENSE_RUNS", str(run.path.parent))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".lmstudio").mkdir()
    programs = tmp_path / "programs"
    programs.mkdir()
    made = programs / "made"
    (programs / "ollama").write_text(
        f'#!/bin/sh\n[ "$1" = show ] && {{ [ -f "{made}" ]; exit $?; }}\necho "$@" >> "{made}"\n'
    )
    (programs / "ollama").chmod(0o755)
    monkeypatch.setenv("PATH", str(programs), prepend=":")
    words = ["export", "one", "--to", str(tmp_path / "out"), "--no-check", "--fuse", "--dequantize"]
    words += ["--ollama", "club", "--lm-studio", "--upload", REPO, "--yes"]
    assert main(words) == ExitCode.DONE
    capfd.readouterr()
    assert main(words) == ExitCode.DONE
    told = capfd.readouterr().err
    assert "Ollama has a model club already" in told
    assert "LM Studio has a model farense-tui/one already" in told
    assert made.read_text() == "create club -f Modelfile\n"
    assert main(words[:-3]) == ExitCode.REFUSED  # no continued one


def test_nothing_without_a_yes(
    exported: tuple[RunFolder, list[str]],
    hub: UploadHub,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    _run, words = exported
    assert main(words) == ExitCode.REFUSED
    assert "nothing is uploaded without a yes" in capfd.readouterr().err
    monkeypatch.setattr(common, "terminal", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _question: "")
    assert main(words) == ExitCode.STOPPED
    told = capfd.readouterr().err
    assert f"to {hub.endpoint}/{REPO}" in told
    assert "adapters.safetensors" in told
    assert (hub.repos, hub.arrived) == ({}, [])


def test_a_public_repository_takes_a_word_of_its_own(
    exported: tuple[RunFolder, list[str]],
    hub: UploadHub,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    _run, words = exported
    hub.repos[REPO] = tmp_path / "theirs"
    hub.repos[REPO].mkdir()
    hub.public.add(REPO)
    assert main([*words, "--yes"]) == ExitCode.REFUSED
    assert "there already, and public" in capfd.readouterr().err
    assert hub.arrived == []
    assert main([*words, "--yes", "--public"]) == ExitCode.DONE
    assert "uploaded, public" in capfd.readouterr().out


@pytest.mark.parametrize(
    ("token", "repo", "said"),
    [
        (READS, REPO, "may read and not write"),
        (WRITES, "somebody/club", "may not write to somebody"),
        ("hf_revoked", REPO, "does not take the token"),
        ("", REPO, "No token says who you are"),
    ],
    ids=["reads", "another's", "revoked", "none"],
)
def test_who_may_not(
    exported: tuple[RunFolder, list[str]],
    hub: UploadHub,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    token: str,
    repo: str,
    said: str,
) -> None:
    _run, words = exported
    monkeypatch.setenv("HF_TOKEN", token)
    assert main([*words[:-1], repo, "--yes"]) == ExitCode.REFUSED
    err = capfd.readouterr().err
    assert said in err
    assert not token or token not in err
    assert hub.commits == []


def test_offline_and_no_network_in_words(
    exported: tuple[RunFolder, list[str]],
    hub: UploadHub,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    _run, words = exported
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert main([*words, "--yes"]) == ExitCode.REFUSED
    assert "cannot be reached" in capfd.readouterr().err
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main([*words, "--yes"]) == ExitCode.REFUSED
    assert "HF_HUB_OFFLINE is set" in capfd.readouterr().err


def test_interrupted_it_goes_on(
    exported: tuple[RunFolder, list[str]], hub: UploadHub, tmp_path: Path
) -> None:
    _run, words = exported
    hub.hold = threading.Event()
    process = subprocess.Popen(
        [sys.executable, "-m", "farense_tui", *words, "--yes"],
        env=os.environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    until(lambda: REPO in hub.repos and hub.waiting)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=120)
    assert process.returncode == ExitCode.STOPPED
    assert "the same command continues it" in err
    assert list(hub.repos[REPO].iterdir()) == []  # never half of it
    hub.hold.set()
    assert main([*words, "--yes"]) == ExitCode.DONE
    assert (hub.repos[REPO] / "adapters.safetensors").is_file()


def test_a_gguf_file_goes_with_its_card(tmp_path: Path) -> None:
    from farense_worker.protocol.messages.export import Exported, Part

    for name in ("one.gguf", "Modelfile", "README.md", "export.json", "notes.txt"):
        (tmp_path / name).write_text(name)
    parts = (
        Part(what="adapter", path="adapter", bytes=1),
        Part(what="model", path="model", bytes=1),
        Part(what="GGUF", path="one.gguf", bytes=1),
    )
    made = Exported(run="one", model="m", time=0.0, precision="float", parts=parts)
    assert upload.parcel(tmp_path, made).files == ("one.gguf", "Modelfile", "README.md")


def test_what_a_manifest_names_elsewhere_is_not_sent(tmp_path: Path) -> None:
    """Of an export that somebody else has handed on."""
    from farense_worker.protocol.messages.export import Exported, Part, Request

    to, adapter = tmp_path / "out", tmp_path / "run" / "adapters"
    for folder in (to / "adapter", adapter):
        folder.mkdir(parents=True)
        (folder / "adapters.safetensors").write_text("weights")
    (tmp_path / "secret").write_text("secret")
    (to / "adapter" / "link").symlink_to(tmp_path / "secret")
    part = Part(what="adapter", path="adapter", bytes=1)
    asked = Request(name="one", repo="r", base="r", adapter=str(adapter), to=str(to), data="d")
    own = "adapter/adapters.safetensors"
    for named, sent in ((own, True), ("adapter/../../secret", False), ("adapter/link", False)):
        made = Exported(
            run="one", model="m", time=0.0, precision="keep", parts=(part,), files=(own, named)
        )
        (to / "export.json").write_bytes(msgspec.json.encode(made))
        assert bool(upload.earlier(asked)) == sent


@pytest.mark.parametrize("name", ["club", "a/b/c", "../x", "owner/", "owner/a--b", "owner/a b", ""])
def test_what_is_no_repository(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    from farense_worker.protocol.errors import FarenseError

    with pytest.raises(FarenseError) as caught:
        upload.check_name(name)
    assert caught.value.exit_code == ExitCode.USAGE
