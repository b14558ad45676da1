"""Which rank has ended a run, and in what words."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import msgspec
import pytest
from farense_worker.process.native_errors import explain as explain_error
from farense_worker.protocol.errors import PEER, FarenseError, refused
from farense_worker.protocol.hosts import LOCAL, Host
from farense_worker.protocol.messages.task import Failure
from farense_worker.ranks import guard
from farense_worker.ranks.guard import Guard
from farense_worker.ranks.reports import (
    MOST,
    READY,
    End,
    blame,
    decode,
    decode_word,
    encode,
    encode_word,
    explain,
    explain_absence,
)

HOSTS = (Host(LOCAL), Host("mac2.local"), Host(LOCAL))
LOST = explain_error(RuntimeError("[ring] connection to a peer was lost"))


def failure(error: FarenseError) -> Failure:
    return Failure.of(error, MOST)


def test_a_report_comes_back_from_among_other_output() -> None:
    end = End(1, 1, failure(refused("é", "x\ny", "z")), "as últimas palavras")
    line = encode(end).decode("ascii").strip()
    assert decode(line) == end
    assert decode("half a line" + line + "\r") == end  # of another rank; a terminal's line end
    assert decode(line[:-5]) is None
    assert decode("anything else") is None


def test_a_report_fits_into_a_pipe_at_once() -> None:
    assert len(encode(End(1, 1, failure(FarenseError("t", "d" * 9999)), "w" * 9999))) < 4096 + 512


def test_what_mlx_launch_says() -> None:
    end = decode("\033[33m[WARN] Node with rank 1 exited with code -9 \033[0m")
    assert end == End(1, -9, guarded=False)
    assert decode("[WARN] Node with rank 0 was killed") is None


@pytest.mark.parametrize(
    ("ends", "culprit"),
    [
        ([End(0, 1, failure(LOST)), End(1, -9)], 1),
        ([End(0, -9, put_down=True), End(1, 7)], 1),
        ([End(0, -15, guarded=False), End(1, 7)], 1),  # before it, or its guard, took signals
        ([End(0, -15), End(1, -9)], 1),
        ([End(0, -9, put_down=True), End(1, 1, failure(LOST)), End(2, -11)], 2),
        ([End(1, 3, failure(refused("data"))), End(0, 3, failure(refused("data")))], 0),
        ([End(0, 1, failure(LOST)), End(1, 1, failure(LOST))], 0),
        ([End(0, 0), End(1, 130), End(2, 1)], 2),
        ([End(0, 0), End(1, 0)], None),
    ],
)
def test_the_first_failure_is_to_blame(ends: list[End], culprit: int | None) -> None:
    found = blame(ends)
    assert (found.rank if found else None) == culprit


def test_words_for_every_end() -> None:
    told = explain(End(1, -9, words="last words"), HOSTS, "run")
    assert told.title == "rank 1 on mac2.local was killed by SIGKILL"
    assert told.detail.endswith("\nlast words")
    assert "farense-tui resume run" in told.hint
    told = explain(End(2, 7), HOSTS, "run")
    assert told.title == "rank 2 ended with exit code 7"
    told = explain(End(1, 255, guarded=False), HOSTS, "run")
    assert told.title == "rank 1 on mac2.local could not be started, or was lost"
    assert told.detail == "ssh to mac2.local ended with exit code 255."
    told = explain(End(1, 3, failure(refused("bad data", "row 7", "fix it"))), HOSTS, "run")
    assert (told.title, told.detail) == ("bad data", "rank 1 on mac2.local:\nrow 7")
    assert told.exit_code == 3
    told = explain(End(0, 3, failure(refused("bad data", "row 7", "fix it"))), HOSTS, "run")
    assert told.detail == "row 7"
    assert LOST.kind == PEER


def test_words_for_ranks_that_do_not_come() -> None:
    told = explain_absence({0, 2}, set(), HOSTS)
    assert told.title == "rank 1 on mac2.local: not started in time"
    assert "`ssh mac2.local true` must work" in told.hint
    told = explain_absence({0, 1, 2}, {0}, HOSTS)
    assert told.title == "the ranks could not connect in time"
    assert told.detail.startswith("rank 1 on mac2.local, rank 2: not connected")
    assert decode_word("x" + encode_word(2, READY).decode().strip() + "\r") == (2, READY)
    assert decode_word(encode(End(0, 0)).decode()) is None


def sleeper() -> Guard:
    """A guard of a process that sleeps, led by a process that says nothing."""
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    return Guard(0, process)


def test_a_guard_ends_its_rank_when_the_signs_of_life_stay_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "_SILENCE", 0.3)
    silent = sleeper()
    lead = subprocess.Popen(["sleep", "600"], stdout=subprocess.PIPE)
    assert lead.stdout is not None
    monkeypatch.setattr(guard, "_LEAD", lead.stdout.fileno())
    began = time.monotonic()
    end = silent.watch()
    lead.kill()
    assert end == End(0, -9, put_down=True)
    assert time.monotonic() - began > 0.3


def test_a_rank_gets_a_moment_when_mlx_launch_ends_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guard, "_GRACE", 0.5)
    lead = subprocess.Popen(["sleep", "600"], stdout=subprocess.PIPE)
    assert lead.stdout is not None
    monkeypatch.setattr(guard, "_LEAD", lead.stdout.fileno())
    ending = sleeper()
    ending.on_signal(signal.SIGTERM, None)
    began = time.monotonic()
    assert ending.watch().put_down
    lead.kill()
    assert time.monotonic() - began >= 0.5


def test_a_failure_is_reported_while_its_rank_waits_for_that(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Its end makes the other ranks fail too, and mlx.launch then cuts its guard off."""
    why = failure(refused("bad data", "row 7", "fix it"))
    code = "import sys; print(sys.argv[1], flush=True); sys.exit(3 * (sys.stdin.read(1) == '!'))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, msgspec.json.encode(why).decode()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    end = Guard(1, process, deadline=time.monotonic() + 120).watch()
    assert end == End(1, 3, why)
    assert end in map(decode, capfd.readouterr().out.splitlines())


class Impatient(Guard):
    """Puts its rank down as soon as that has told a failure."""

    def _hear(self, chunk: bytes) -> None:
        super()._hear(chunk)
        if self.failure is not None:  # the line may come in two parts
            self.deadline = 0.0


def test_a_rank_that_has_told_its_failure_is_to_blame_for_it_even_if_it_is_put_down() -> None:
    code = "import sys, time; print(sys.argv[1], flush=True); time.sleep(600)"
    why = failure(refused("bad data", "row 7", "fix it"))
    process = subprocess.Popen(
        [sys.executable, "-c", code, msgspec.json.encode(why).decode()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    end = Impatient(1, process).watch()
    assert end == End(1, -9, why)
    assert blame([End(0, 1, failure(LOST)), end]) == end
