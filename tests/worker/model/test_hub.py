"""Downloads from a hub on loopback that serves the embedded model, by real worker processes."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from farense_worker.model import hub as client
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.messages.download import Downloaded, Request
from farense_worker.protocol.messages.task import Progress

from farense_tui.engine.models.assets import embedded_model
from farense_tui.engine.runs import supervisor
from farense_tui.engine.tasks import task
from tests.hub.loopback import COMMIT, Hub
from tests.real_runs import RunMaker, state_of, until_state
from tests.waiting import until

REPO = "owner/tiny"


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "hf" / "hub"


@pytest.fixture
def hub(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub({REPO: embedded_model()}) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.endpoint)
        monkeypatch.setenv("HF_HOME", str(cache.parent))
        for name in ("HF_HUB_OFFLINE", "HF_TOKEN", "HF_HUB_CACHE"):
            monkeypatch.delenv(name, raising=False)
        yield served


def get(repo: str = REPO, revision: str = "", told: list[Progress] | None = None) -> Downloaded:
    tell = told.append if told is not None else lambda _: None
    return task.result_of("download", Request(repo, revision), Downloaded, tell)


def refusal(repo: str = REPO, revision: str = "") -> FarenseError:
    with pytest.raises(FarenseError) as caught:
        get(repo, revision)
    assert caught.value.exit_code == ExitCode.REFUSED
    return caught.value


def same_files(folder: Path) -> bool:
    return all(
        (folder / path.name).read_bytes() == path.read_bytes()
        for path in embedded_model().iterdir()
    )


def test_a_repository_is_brought_into_the_cache(hub: Hub, cache: Path) -> None:
    told: list[Progress] = []
    made = get(told=told)
    assert Path(made.path) == (cache / "models--owner--tiny" / "snapshots" / COMMIT).resolve()
    assert same_files(Path(made.path))
    assert (told[-1].done, told[-1].unit) == (told[-1].total, "bytes")
    assert told[-1].total == made.bytes
    sent = hub.sent
    assert get() == made
    assert hub.sent == sent  # nothing is fetched twice


@pytest.mark.parametrize("place", ["models--owner--tiny", "models--owner--tiny/blobs"])
def test_a_cache_that_takes_nothing_is_not_called_a_hub_that_is_away(
    hub: Hub, cache: Path, place: str
) -> None:
    (cache / place).parent.mkdir(parents=True)
    (cache / place).write_text("")
    told = refusal()
    assert told.title.startswith(f"cannot write {cache}")
    assert "HF_HOME" in told.hint
    assert "reached" not in str(told)


def test_a_file_that_may_not_grow_is_told_with_its_limit(hub: Hub) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, limit[1]))  # the task inherits it
    try:
        told = refusal()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
    assert "ulimit -f" in told.hint
    assert same_files(Path(get().path))


def test_a_connection_that_breaks_is_continued(hub: Hub) -> None:
    hub.cut_after = 900_000
    assert same_files(Path(get().path))
    assert len(hub.ranges) == 2  # 2.4 MB in three pieces


def test_a_connection_that_says_nothing_more_is_made_anew(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "1")
    hub.stalls = 2
    assert same_files(Path(get().path))
    assert len(hub.ranges) == 2


def test_a_download_that_is_killed_goes_on_where_it_was(hub: Hub, cache: Path) -> None:
    hub.pause = threading.Event()
    stop = task.Stop()
    told: list[Progress] = []
    failed: list[FarenseError] = []

    def run() -> None:
        try:
            task.result_of("download", Request(REPO), Downloaded, told.append, stop)
        except FarenseError as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    blobs = cache / "models--owner--tiny" / "blobs"
    partial = until(lambda: [p for p in blobs.glob("*.farense-partial") if p.stat().st_size])
    stop.ask()
    thread.join(120)
    assert failed
    there = partial[0].stat().st_size
    assert 0 < there < (embedded_model() / "model.safetensors").stat().st_size

    hub.pause.set()
    hub.pause = None
    assert same_files(Path(get().path))
    assert hub.ranges == [f"bytes={there}-"]
    assert not list(blobs.glob("*.farense-partial"))


def test_a_file_that_arrives_damaged_is_not_taken(hub: Hub, cache: Path) -> None:
    blobs = cache / "models--owner--tiny" / "blobs"
    blobs.mkdir(parents=True)
    import hashlib

    weights = (embedded_model() / "model.safetensors").read_bytes()
    partial = blobs / f"{hashlib.sha256(weights).hexdigest()}.farense-partial"
    partial.write_bytes(b"x" * 1000)
    assert "has arrived damaged" in refusal().detail
    assert not partial.exists()
    assert same_files(Path(get().path))


def test_what_a_hub_says_is_no_place_outside_the_cache(hub: Hub, cache: Path) -> None:
    outside = cache.parents[1] / "outside"
    outside.mkdir()
    for name in (str(outside / "file"), "../../../../outside/file", "0" * 63, "A" * 64):
        hub.sums = name
        assert "not a SHA-256" in refusal().detail
        assert not list(outside.iterdir())


_ANSWERS = (
    b"<html>log in to the network of the hotel</html>",
    b"[]",
    b"[" * 200_000,
    b'{"id": 1e999, "siblings": 3}',
    b'{"id": "o/t", "sha": "1", "siblings": [{"rfilename": 5}]}',
    b'{"id": "o/t", "sha": "1", "siblings": [{"rfilename": "a.json", "size": 1e999}]}',
)


def test_what_a_hub_does_not_answer_is_told(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.endpoint)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    for hub.answer in _ANSWERS:
        for ask in (client.size, partial(client.fetch, told=lambda _done, _total: None)):
            with pytest.raises(FarenseError, match=r"the model owner/tiny cannot") as caught:
                ask(client.Wanted(REPO))
            assert "none of a hub's answers" in caught.value.detail, hub.answer[:99]


def test_what_comes_after_the_end_of_a_file_is_not_taken(hub: Hub) -> None:
    hub.too_much = 1 << 22
    assert same_files(Path(get().path))


def test_a_token_goes_to_the_hub_alone(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with Hub({REPO: embedded_model()}) as other:
        hub.elsewhere = other.endpoint
        assert same_files(Path(get().path))
        assert "Bearer hf_secret" in hub.tokens
        assert other.sent > 1 << 20
        assert other.tokens == {""}


def test_a_gated_repository(hub: Hub) -> None:
    hub.gated.add(REPO)
    error = refusal()
    assert "gated" in error.detail
    assert "hf auth login" in error.hint


def test_a_repository_that_is_not_there(hub: Hub) -> None:
    error = refusal("owner/nothing")
    assert error.title == "the model owner/nothing cannot be downloaded"
    assert "no such repository" in error.detail


def test_a_revision_that_is_not_there(hub: Hub) -> None:
    assert "no revision v9" in refusal(revision="v9").detail


def test_without_a_network(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert "cannot be reached" in refusal().detail
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert "HF_HUB_OFFLINE is set" in refusal().detail


def test_what_is_here_needs_no_network(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked of a model that is in the cache, though the hub would answer."""
    made = get()
    asked = hub.requests
    code = f"from farense_tui.engine.models import locate; print(locate.resolve({REPO!r}))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == made.path
    assert hub.requests == asked
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert get() == made


def test_a_run_downloads_its_model_first_and_a_stop_breaks_that_off(
    hub: Hub, cache: Path, make_run: RunMaker
) -> None:
    hub.pause = threading.Event()
    run = make_run("one", model__repo=REPO)
    worker = supervisor.launch(run)
    partials = cache / "models--owner--tiny" / "blobs"
    until_state(worker, lambda _: any(p.stat().st_size for p in partials.glob("*.farense-partial")))
    supervisor.send(run, supervisor.Control.STOP)
    assert worker.wait() == ExitCode.STOPPED

    hub.pause.set()
    hub.pause = None
    assert supervisor.launch(run).wait() == ExitCode.DONE
    assert state_of(run).status == "completed"
    assert len(hub.ranges) == 1  # it went on where it was


def test_a_worker_that_hangs_in_a_download_can_still_be_killed(
    hub: Hub, make_run: RunMaker
) -> None:
    hub.pause = threading.Event()
    run = make_run("one", model__repo=REPO)
    worker = supervisor.launch(run)
    until_state(worker, lambda state: state.phase == "downloading")
    os.kill(worker.process.pid, signal.SIGKILL)
    assert worker.wait() == -signal.SIGKILL
