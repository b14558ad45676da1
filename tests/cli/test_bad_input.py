"""Bad input: a message that names what is wrong and what would be right, exit code 3, no traces."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.run_folder import RunFolder, check_name

from farense_tui.cli import main
from tests.real_runs import RunMaker

GOOD = {
    "messages": [{"role": "user", "content": "Quem?"}, {"role": "assistant", "content": "Ele."}]
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to stand in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FARENSE_RUNS", raising=False)
    return tmp_path


def rows(folder: Path, *lines: object) -> Path:
    """Write a data set of these lines: strings as they are, bytes too, all else as JSON."""
    folder.mkdir()
    with (folder / "train.jsonl").open("wb") as file:
        for line in lines:
            if isinstance(line, bytes):
                file.write(line + b"\n")
            else:
                text = line if isinstance(line, str) else json.dumps(line)
                file.write(text.encode() + b"\n")
    return folder


Refused = Callable[..., str]


@pytest.fixture
def refused(place: Path, micro: Path, capfd: pytest.CaptureFixture[str]) -> Refused:
    """Run `train` with these arguments; its message, after checking that it left no trace."""

    def run(*args: str) -> str:
        before = sorted(place.rglob("*"))
        defaults = ["--model", str(micro)] if "--model" not in args else []
        assert main(["train", "--profile", "demo", *defaults, *args]) == 3
        assert sorted(place.rglob("*")) == before
        err = capfd.readouterr()[1]
        assert "Traceback" not in err
        return err

    return run


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{'messages': 1}", "train.jsonl:2: not JSON: Expecting property name"),
        ("[1]", "train.jsonl:2: not a JSON object"),
        ({"question": "x"}, 'train.jsonl:2: no "messages"'),
        ({"messages": []}, 'train.jsonl:2: "messages" must be a list of at least one message'),
        (
            {"messages": [{"content": "x"}]},
            'train.jsonl:2: message 1 must be an object with a "role"',
        ),
        ({"messages": [{"role": "user"}]}, 'train.jsonl:2: message 1 (user) has no "content"'),
        ({"text": "prose"}, "train.jsonl:2: a text row among chat rows"),
        ({"prompt": 1, "completion": ""}, 'train.jsonl:2: "prompt" and "completion" must be'),
        (b'{"text": "\xff"}', "train.jsonl:2: not UTF-8 at byte 11"),
    ],
)
def test_a_faulty_line(place: Path, refused: Refused, line: object, message: str) -> None:
    err = refused("--data", str(rows(place / "data", GOOD, line)))
    assert message in err
    assert '{"messages": [{"role": "user"' in err  # what would be right


def test_all_faults_are_told_at_once(place: Path, refused: Refused) -> None:
    err = refused("--data", str(rows(place / "data", *["x"] * 50)))
    assert "the data has 50 faults" in err
    assert "train.jsonl:20:" in err
    assert "and 30 more" in err


def test_no_data_and_empty_data(place: Path, refused: Refused) -> None:
    assert "nowhere: there is no such folder" in refused("--data", "nowhere")
    (place / "empty").mkdir()
    assert "there is no train.jsonl in it" in refused("--data", "empty")
    assert "there is no row in it" in refused("--data", str(rows(place / "blank", "", " ")))


def test_rows_without_a_label(place: Path, refused: Refused) -> None:
    """Only the worker, which has the tokenizer, can see this."""
    long = {"messages": [{"role": "user", "content": "x" * 300}, GOOD["messages"][1]]}
    only = {"messages": [GOOD["messages"][0]]}
    err = refused("--data", str(rows(place / "data", GOOD, long, only)))
    assert "train.jsonl:2: all labels are cut off: its first label is token 304" in err
    assert "train.max_seq_length is 128" in err
    assert "train.jsonl:3: there is no answer in this row to learn from" in err
    assert err.count("data has 2 faults") == 1


def test_fewer_rows_than_a_batch_are_trained_on(
    place: Path, micro: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    data = rows(place / "data", GOOD, GOOD, GOOD)
    args = ["--model", str(micro), "--data", str(data), "--set", "train.epochs=2"]
    assert main(["train", "--profile", "demo", "--name", "few", *args]) == 0
    out, _ = capfd.readouterr()
    assert "3 examples, 0 for validation, 2 steps" in out
    assert "there is no validation set" in out
    assert (place / "checkpoints/few/adapters/adapters.safetensors").is_file()


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("nowhere", "neither a folder nor a repository (owner/name)"),
        ("./nowhere", "nowhere is not a folder"),
        (".", "has no config.json"),
    ],
)
def test_an_unknown_model(refused: Refused, model: str, message: str) -> None:
    err = refused("--model", model)
    assert f"there is no model {model}" in err
    assert message in err


def test_a_model_that_mlx_lm_does_not_know(place: Path, micro: Path, refused: Refused) -> None:
    odd = place / "odd"
    odd.mkdir()
    for path in micro.iterdir():
        (odd / path.name).write_bytes(path.read_bytes())
    config = (odd / "config.json").read_text().replace('"llama"', '"lhama"')
    (odd / "config.json").write_text(config)
    assert "Model type lhama not supported" in refused("--model", str(odd))


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        (
            "train.batch_sise=4",
            "there is no setting train.batch_sise\n  Did you mean train.batch_size?",
        ),
        ("train.batch_size=0", "train.batch_size must be a whole number from 1 to 1024, not 0"),
        ("lora.dropout=1", "lora.dropout must be a number from 0 and below 1, not 1"),
        ("train.compile=maybe", 'train.compile must be "auto", "on" or "off", not "maybe"'),
        ("lora.keys=nothing_proj", "the model has none of the layers that lora.keys names"),
    ],
)
def test_a_setting(refused: Refused, assignment: str, message: str) -> None:
    assert message in refused("--set", assignment)


def test_a_profile_with_faults(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    profile = place / "own.toml"
    profile.write_text('[train]\nbatch_sise = 4\nepochs = "x"\n\n[lore]\n')
    assert main(["train", "--profile", str(profile)]) == 3
    _, err = capfd.readouterr()
    assert f"{profile} has 3 faults" in err
    assert "line 2: unknown key train.batch_sise. Did you mean batch_size?" in err
    assert 'line 3: train.epochs must be a whole number from 1 to 10000, not "x"' in err
    assert "line 5: unknown section [lore]. Did you mean lora?" in err
    assert main(["train", "--profile", "nothing"]) == 3
    assert "There are: m1-8gb, m1-16gb, m1-32gb, demo" in capfd.readouterr()[1]


def test_a_profile_may_not_trust_a_model_for_the_user(
    place: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    profile = place / "own.toml"
    profile.write_text('[model]\nrepo = "embedded"\ntrust_remote_code = true\n')
    assert main(["train", "--profile", str(profile)]) == 3
    assert "lets embedded run its own Python code" in capfd.readouterr()[1]


@pytest.mark.parametrize("name", ["../out", "a/b", "/tmp/out", ".hidden", "", "x" * 101, "a b"])
def test_a_name_that_leaves_the_runs_folder(refused: Refused, name: str) -> None:
    if name:
        assert "cannot be the name of a run" in refused("--name", name)
    else:
        with pytest.raises(FarenseError):
            check_name(name)


def test_a_name_that_exists(
    place: Path, make_run: RunMaker, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = make_run("taken")
    before = sorted(folder.path.iterdir())
    runs_dir = str(folder.path.parent)
    assert main(["train", "--profile", "demo", "--name", "taken", "--runs-dir", runs_dir]) == 3
    assert "there is a run taken already" in capfd.readouterr()[1]
    assert sorted(folder.path.iterdir()) == before


def test_a_run_that_another_worker_holds(
    make_run: RunMaker, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = make_run("held")
    lock = folder.acquire()
    try:
        code = main(["resume", "held", "--runs-dir", str(folder.path.parent)])
    finally:
        os.close(lock)
    assert code == 3
    assert "run held is already being trained" in capfd.readouterr()[1]
    assert not folder.events.exists()


def test_a_run_folder_that_takes_no_other_settings(
    make_run: RunMaker, capfd: pytest.CaptureFixture[str]
) -> None:
    folder = make_run("mine")
    before = folder.config.read_bytes()
    (folder.path / ".config.toml.tmp").mkdir()  # root may write everywhere, but not there
    words = ["resume", "mine", "--runs-dir", str(folder.path.parent)]
    assert main([*words, "--set", "train.epochs=9"]) == 3
    told = " ".join(capfd.readouterr()[1].split())
    assert f"cannot write {folder.path}/.config.toml.tmp" in told
    assert "Give this user the right to write there" in told
    assert "Traceback" not in told
    assert folder.config.read_bytes() == before
    assert not folder.events.exists()


def test_no_space_on_the_disk(
    place: Path, refused: Refused, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(total=1, used=1, free=0))
    assert "no space on the disk" in refused()


def test_runs_that_are_not_there(place: Path, capfd: pytest.CaptureFixture[str]) -> None:
    for command in (["resume", "x"], ["stop", "x"], ["attach", "x"], ["ask", "x", "Quem?"]):
        assert main(command) == 3
        assert "there is no run x" in capfd.readouterr()[1]


def test_stopping_a_run_that_does_not_run(
    make_run: RunMaker, capfd: pytest.CaptureFixture[str]
) -> None:
    folder: RunFolder = make_run("idle")
    assert main(["stop", "idle", "--runs-dir", str(folder.path.parent)]) == 3
    assert "run idle is not being trained" in capfd.readouterr()[1]
    assert main(["ask", "idle", "Quem?", "--runs-dir", str(folder.path.parent)]) == 3
    assert "run idle has no adapter yet" in capfd.readouterr()[1]


@pytest.mark.parametrize(
    "args", [["train", "--json", "--detach"], ["nonsense"], ["resume"], ["train", "--set", "x"]]
)
def test_wrong_usage(place: Path, args: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(args)
    except SystemExit as ended:  # argparse
        code = int(str(ended.code))
    assert code == 2
    assert capfd.readouterr()[1]


def test_a_data_path_that_no_file_can_have(refused: Refused) -> None:
    assert "there is no such folder" in refused("--data", "x" * 5000)


def test_a_name_that_was_misspelt(
    place: Path, refused: Refused, capfd: pytest.CaptureFixture[str]
) -> None:
    rows(place / "club", GOOD)
    (place / "questions.csv").write_text("question,answer\na,b\n")
    assert "Did you mean club?" in refused("--data", "clbu").replace(f"{place}/", "")
    for command in (
        ["data", "make", "questions.cvs", "--to", "x"],
        ["data", "draft", "question.csv", "--to", "x"],
        ["import", "questions.yaml"],
        ["./question.csv"],
    ):
        assert main(command) == 3
        assert "Did you mean" in capfd.readouterr()[1]


def test_no_data_is_told_what_data_is(refused: Refused) -> None:
    said = refused("--data", "nowhere")
    assert "farense-tui data make FILE --to DIR" in said
    assert '{"messages"' not in said
