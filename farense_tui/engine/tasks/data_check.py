"""Looking through a data set before it is trained on: runs the worker's tasks/data_check.py."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec
from farense_worker.protocol.errors import ExitCode, FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages import data_check
from farense_worker.protocol.messages.data_check import Failure, Progress, Report
from farense_worker.protocol.settings.profile import Profile

from farense_tui.engine import format as f
from farense_tui.engine.models import locate
from farense_tui.engine.runs import folders


@dataclass(frozen=True)
class Request:
    """All that a report depends on: an equal request gives an equal report, as long as the files
    stay as they are. data and model are absolute folders, or model is a repository.
    """

    data: str
    model: str
    revision: str
    trust_remote_code: bool
    max_seq_length: int
    mask_prompt: bool
    valid_fraction: float
    seed: int
    rows: int = 3
    offline: bool = False


def request(profile: Profile, *, rows: int = 3, offline: bool = False) -> Request:
    """Ask for the report on a profile's data as its model reads it.

    rows: examples to show. offline: a tokenizer that is not here is not downloaded, and the report
    says nothing of tokens. Raises FarenseError (refused) for a model that is nowhere.
    """
    model, train = profile.model, profile.train
    return Request(
        data=str(folders.data_folder(profile)),
        model=locate.resolve(model.repo, model.revision),
        revision=model.revision,
        trust_remote_code=model.trust_remote_code,
        max_seq_length=train.max_seq_length,
        mask_prompt=train.mask_prompt,
        valid_fraction=profile.data.valid_fraction,
        seed=train.seed,
        rows=rows,
        offline=offline,
    )


class Stop:
    """Ends a check from another thread: an iterator that is being waited on cannot be closed."""

    def __init__(self) -> None:
        """Nothing has been asked yet."""
        self.asked = False
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()

    def ask(self) -> None:
        """End the check, now or as soon as it starts; `run` raises as for any that was killed."""
        with self._lock:
            self.asked = True
            if self._process:
                self._process.kill()

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        """Take the process that is to be ended."""
        with self._lock:
            self._process = process
            if self.asked:
                process.kill()


def run(asked: Request, stop: Stop | None = None) -> Iterator[Progress | Report]:
    """Check in a process of its own: progress, then the report.

    Takes seconds, so not for the UI's loop. Closing the iterator ends the process, and so does
    `stop` from another thread. Raises FarenseError where there can be no report.
    """
    with (
        tempfile.TemporaryFile() as stderr,
        subprocess.Popen(
            _command(asked),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            env={**os.environ, "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
        ) as process,
    ):
        assert process.stdout is not None
        if stop:
            stop.watch(process)
        try:
            for line in process.stdout:
                said = data_check.decode(line)
                if isinstance(said, Failure):
                    raise _error(said)
                yield said
                if isinstance(said, Report):
                    return
        except msgspec.DecodeError:
            pass  # half a line: it was killed, as the missing report will tell
        finally:
            process.kill()
        process.wait()
        stderr.seek(0)
        words = stderr.read()[-2000:].decode("utf-8", "replace")
    raise FarenseError(_("the data could not be checked"), words, kind="data_check")


def check(asked: Request, tell: Callable[[Progress], None] = lambda _: None) -> Report:
    """Check and give the report; `tell` is called with the progress."""
    for said in run(asked):
        if isinstance(said, Report):
            return said
        tell(said)
    raise AssertionError("run() ends with a report or raises")  # not translated: a fault of ours


def summary(report: Report) -> list[str]:
    """The report in a few short lines, the first the whole in one."""
    rows = ", ".join(f"{split.rows} {split.name}" for split in report.splits) or _("no rows")
    if report.set_aside:
        rows = _("{rows} ({n} of them to validate)").format(rows=rows, n=report.set_aside)
    lines = [rows]
    train = next((split for split in report.splits if split.name == "train"), None)
    if train is not None and train.tokens:
        lines.append(
            _(
                "{labels} of {tokens} tokens are trained on; "
                "median {median}, 95 % within {most}, longest {longest}"
            ).format(
                labels=f.count(train.labels),
                tokens=f.count(train.tokens),
                median=train.median,
                most=train.most,
                longest=train.longest,
            )
        )
    if report.no_tokenizer:
        lines.append(_("lengths and labels are not known: the tokenizer is not here"))
    for level, word in (("error", _("error")), ("warning", _("warning"))):
        lines += [
            f"{word}: {meaning} ({number})"
            for code, (its_level, meaning) in data_check.CODES.items()
            if its_level == level and (number := report.counts.get(code, 0))
        ]
    return lines


def _command(asked: Request) -> list[str]:
    command = [
        sys.executable,
        "-P",
        "-m",
        "farense_worker.tasks.data_check",
        f"--data={asked.data}",
    ]
    command += [f"--model={asked.model}", f"--revision={asked.revision}"]
    command += [f"--max-seq-length={asked.max_seq_length}", f"--rows={asked.rows}"]
    command += [f"--valid-fraction={asked.valid_fraction}", f"--seed={asked.seed}"]
    command += ["--trust-remote-code"] * asked.trust_remote_code
    command += ["--mask-prompt"] * asked.mask_prompt + ["--offline"] * asked.offline
    return command


def _error(said: Failure) -> FarenseError:
    return FarenseError(
        said.title,
        said.detail,
        said.hint,
        kind=said.kind,
        exit_code=ExitCode(said.exit_code),
    )
