"""The cache of tokenised data: it saves time, and never does anything else."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from farense_worker.data import prepare, token_cache
from farense_worker.data.examples import Examples
from farense_worker.process.cache_folder import cache_folder
from farense_worker.process.output import Output
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.settings import profile
from farense_worker.protocol.settings.profile import Config

from tests.tokenizers import chat, load, write

Load = Callable[..., tuple[Examples, Examples | None]]


class Counting:
    """Loads the tokenizer and counts how often."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.times = 0

    def __call__(self) -> Any:
        self.times += 1
        return load(self.folder)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FARENSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "tokens"


@pytest.fixture
def tokenizer(micro: Path) -> Counting:
    return Counting(micro)


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output(os.open(tmp_path / "events", os.O_CREAT | os.O_WRONLY), tmp_path / "none")


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    folder = tmp_path / "rows"
    write(folder / "train.jsonl", *(chat(f"n. {at}?", "sim " * at) for at in range(1, 9)))
    return folder


def config(folder: Path, **changes: Any) -> Config:
    made = Config(run=profile.Run(name="x"), data=profile.Data(path=str(folder)))
    for name, value in ({"train.max_seq_length": 32} | changes).items():
        made = profile.replace_setting(made, name, value)
    return made


def same(a: Examples, b: Examples) -> bool:
    return a.digest() == b.digest() and a.truncated == b.truncated


def test_the_second_time_nothing_is_tokenised(
    cache: Path, rows: Path, micro: Path, tokenizer: Counting, output: Output, tmp_path: Path
) -> None:
    first, none, *_more = prepare.load(config(rows), micro, tokenizer, output)
    told = (tmp_path / "events").read_text().splitlines()
    again, none_again, *_more = prepare.load(config(rows), micro, tokenizer, output)
    assert tokenizer.times == 1
    assert none is none_again is None
    assert same(first, again)
    assert first.truncated == 3
    assert isinstance(again.tokens, np.memmap)
    for at in range(8):
        assert list(first.example(at)) == list(again.example(at))
    # what there was to say is said again
    told_again = (tmp_path / "events").read_text().splitlines()[len(told) :]
    assert [msgspec.json.decode(line)["code"] for line in told_again] == [
        "no_validation",
        "truncated",
    ]
    assert len(told_again) == len(told)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("train.max_seq_length", 31),
        ("train.mask_prompt", False),
        ("data.valid_fraction", 0.25),
        ("model.trust_remote_code", True),
    ],
)
def test_another_setting_is_another_entry(
    cache: Path,
    rows: Path,
    micro: Path,
    tokenizer: Counting,
    output: Output,
    name: str,
    value: object,
) -> None:
    prepare.load(config(rows), micro, tokenizer, output)
    prepare.load(config(rows, **{name: value}), micro, tokenizer, output)
    assert tokenizer.times == 2


def test_a_setting_that_does_not_matter_is_none(
    cache: Path, rows: Path, micro: Path, tokenizer: Counting, output: Output
) -> None:
    prepare.load(config(rows), micro, tokenizer, output)
    changes: dict[str, Any] = {"train.learning_rate": 0.5, "train.seed": 9, "lora.rank": 2}
    prepare.load(config(rows, **changes), micro, tokenizer, output)
    assert tokenizer.times == 1


def test_other_rows_and_another_template_are_other_entries(
    cache: Path, rows: Path, micro: Path, output: Output, tmp_path: Path
) -> None:
    from tests.tokenizers import variant

    own = variant(micro, tmp_path / "own")
    tokenizer = Counting(own)
    before = (rows / "train.jsonl").stat()
    prepare.load(config(rows), own, tokenizer, output)
    content = (rows / "train.jsonl").read_bytes()
    (rows / "train.jsonl").write_bytes(content.replace(b"n. 1?", b"n. 9?"))
    os.utime(rows / "train.jsonl", ns=(before.st_atime_ns, before.st_mtime_ns))
    prepare.load(config(rows), own, tokenizer, output)
    assert tokenizer.times == 2
    write(rows / "valid.jsonl", chat("a", "b"))
    assert prepare.load(config(rows), own, tokenizer, output)[1] is not None
    assert tokenizer.times == 3
    variant(micro, own, "{{ messages[0].content }}<|end|>")
    with pytest.raises(FarenseError):  # no label with this one
        prepare.load(config(rows), own, tokenizer, output)
    assert tokenizer.times == 4


def _cut(entry: Path) -> None:
    path = entry / "train.tokens.npy"
    path.write_bytes(path.read_bytes()[:-8])


def _flip(entry: Path) -> None:
    path = entry / "train.tokens.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\x7f")


def _lose(entry: Path) -> None:
    (entry / "train.bounds.npy").unlink()


def _empty(entry: Path) -> None:
    (entry / "train.is_label.npy").write_bytes(b"")


def _garble(entry: Path) -> None:
    (entry / "meta.json").write_text("{")


@pytest.mark.parametrize("damage", [_cut, _flip, _lose, _empty, _garble])
def test_a_damaged_entry_is_made_anew(
    cache: Path,
    rows: Path,
    micro: Path,
    tokenizer: Counting,
    output: Output,
    damage: Callable[[Path], None],
    capfd: pytest.CaptureFixture[str],
) -> None:
    first, _, *_more = prepare.load(config(rows), micro, tokenizer, output)
    (entry,) = cache.iterdir()
    damage(entry)
    again, _, *_more = prepare.load(config(rows), micro, tokenizer, output)
    assert tokenizer.times == 2
    assert same(first, again)
    assert "are damaged" in capfd.readouterr().err
    third, _, *_more = prepare.load(config(rows), micro, tokenizer, output)
    assert tokenizer.times == 2
    assert same(first, third)


def test_without_a_cache(
    rows: Path,
    micro: Path,
    tokenizer: Counting,
    output: Output,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    (tmp_path / "file").write_text("")
    for off in ("off", "OFF", str(tmp_path / "file"), str(tmp_path / ("x" * 300))):
        monkeypatch.setenv("FARENSE_CACHE", off)
        before = tokenizer.times
        for _ in range(2):
            assert len(prepare.load(config(rows), micro, tokenizer, output)[0]) == 8
        assert tokenizer.times == before + 2


def test_where_the_cache_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FARENSE_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_folder("tokens") == tmp_path / "farense-tui" / "tokens"
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert cache_folder("tokens") == tmp_path / "Library" / "Caches" / "farense-tui" / "tokens"


def test_a_file_that_changes_while_it_is_read_is_not_cached(
    cache: Path, rows: Path, micro: Path, output: Output
) -> None:
    def late() -> Any:
        write(rows / "train.jsonl", chat("a", "b"), chat("c", "d"))
        return load(micro)

    assert len(prepare.load(config(rows), micro, late, output)[0]) == 2
    assert not cache.exists()


def test_faulty_data_is_not_cached(
    cache: Path, micro: Path, tokenizer: Counting, output: Output, tmp_path: Path
) -> None:
    write(tmp_path / "bad" / "train.jsonl", chat("a", "b"), "{")
    for _ in range(2):
        with pytest.raises(FarenseError, match="the data has a fault"):
            prepare.load(config(tmp_path / "bad"), micro, tokenizer, output)
    assert not cache.exists()


LONG = [each * 64 for each in "abcdef"]  # as the hashes that entries go by


def test_what_was_not_used_for_longest_goes_first(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(parents=True)
    now = time.time()
    own = cache / "somebody's own"
    own.mkdir()
    os.utime(own, (0, 0))
    for at, name in enumerate(LONG):
        (cache / name).mkdir()
        (cache / name / "tokens").write_bytes(b"x" * 100)
        os.utime(cache / name, (now - at, now - at))
    half, left = (cache / f".{each * 16}.tmp" for each in "01")
    half.mkdir()
    left.mkdir()
    os.utime(left, (0, 0))
    monkeypatch.setattr(token_cache, "MOST_ENTRIES", 4)
    token_cache.prune(cache)
    assert sorted(path.name for path in cache.iterdir()) == [half.name, *LONG[:4], own.name]
    monkeypatch.setattr(token_cache, "MOST_BYTES", 250)
    token_cache.prune(cache)
    assert sorted(path.name for path in cache.iterdir()) == [half.name, *LONG[:2], own.name]
    monkeypatch.setattr(token_cache, "MOST_BYTES", 50)
    token_cache.prune(cache)
    assert sorted(path.name for path in cache.iterdir()) == [
        half.name,
        LONG[0],
        own.name,
    ]  # the newest stays


def test_two_writers_of_one_entry(
    cache: Path, rows: Path, micro: Path, tokenizer: Counting, output: Output
) -> None:
    made = prepare.tokenise(config(rows), micro, load(micro), output)
    token_cache.write("key", made)
    token_cache.write("key", made)
    assert [path.name for path in cache.iterdir()] == ["key"]
    found = token_cache.read("key")
    assert found is not None
    assert same(found.splits["train"], made.splits["train"])


def test_a_link_is_no_cache(
    cache: Path, rows: Path, micro: Path, tokenizer: Counting, output: Output, tmp_path: Path
) -> None:
    """What is old is deleted there: it may be anybody's folder."""
    own = tmp_path / "own"
    own.mkdir()
    cache.parent.mkdir()
    cache.symlink_to(own)
    for _ in range(2):
        prepare.load(config(rows), micro, tokenizer, output)
    assert (tokenizer.times, list(own.iterdir())) == (2, [])
