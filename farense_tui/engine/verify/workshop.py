"""Where runs are tried: a temporary runs folder, and nothing of it left when it is closed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.processes import leash
from farense_worker.protocol.processes.programs import temporary_folder
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Profile, replace_setting

from farense_tui.engine.machine.awake import keep_awake
from farense_tui.engine.models.assets import embedded_data
from farense_tui.engine.profiles import catalogue
from farense_tui.engine.record.state import RunState
from farense_tui.engine.runs import death, new_run, supervisor
from farense_tui.engine.runs.supervisor import Worker
from farense_tui.engine.verify.outcome import state_of

ROWS, VALID = 40, 8
# Small steps of few rows: what is looked at is whether it is right, not what it learns.
_SETTINGS: dict[str, Any] = {
    "train.batch_size": 4,
    "train.grad_accumulation": 2,
    "train.epochs": 2,
    "train.max_seq_length": 128,
    "train.rollbacks": 0,
    "lora.rank": 8,
    "lora.dropout": 0.1,
    "checkpoint.every": 4,
    "report.eval_every": 5,
    "checkpoint.at_least": 0,
    "report.eval_at_least": 0,
    "report.questions": 0,
    "report.prompts": (),
    "report.at_end": False,
    "report.trackers": (),
}


class Workshop:
    """A folder for runs of one model. Whatever was started in it ends when it is closed."""

    def __init__(self, model: str, compiled: str = "auto") -> None:
        """model: a folder, a repository or `embedded`. compiled: train.compile of the runs."""
        self.model, self.compiled = model, compiled
        self.path = temporary_folder()
        self.runs = self.path / "runs"
        self.data = write_rows(self.path / "data")
        self._started: list[subprocess.Popen[bytes]] = []
        changed = {"FARENSE_CACHE": str(self.path / "cache"), **leash.on_leash()}
        self._before = {name: os.environ.get(name) for name in changed}
        os.environ |= changed  # so whatever is started ends with this process, however it ends

    def __enter__(self) -> Workshop:
        keep_awake(os.getpid())
        return self

    def __exit__(self, *_error: object) -> None:
        for lock in self.path.rglob("lock"):  # of runs that `farense-tui train` has started, too
            with contextlib.suppress(FarenseError):
                supervisor.kill(RunFolder(lock.parent))
        for process in self._started:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, 9)
            process.wait()
        shutil.rmtree(self.path, ignore_errors=True)
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value

    def profile(self, **settings: Any) -> Profile:
        """Give the settings of its runs; `section__key=value` changes one."""
        made = catalogue.get("demo")
        changes = _SETTINGS | {"model.repo": self.model, "data.path": str(self.data)}
        changes["train.compile"] = self.compiled
        changes |= {name.replace("__", "."): value for name, value in settings.items()}
        for name, value in changes.items():
            made = replace_setting(made, name, value)
        return made

    def run(self, name: str, **settings: Any) -> RunFolder:
        """Prepare a run."""
        return self.prepare(name, self.profile(**settings))

    def prepare(self, name: str, profile: Profile) -> RunFolder:
        """Prepare a run of this profile."""
        return new_run.prepare(profile, name=name, profile_name="verify", folder=self.runs)

    def launch(self, folder: RunFolder, module: str = "") -> Worker:
        """Start a worker, which ends with the workshop; module: see supervisor.launch."""
        worker = supervisor.launch(folder, module)
        self._started.append(worker.process)
        return worker

    def finish(self, folder: RunFolder) -> RunState:
        """Train to the end; the state. FarenseError with the worker's own words if it fails."""
        return self.ended(folder, self.launch(folder))

    def ended(self, folder: RunFolder, worker: Worker) -> RunState:
        """Wait for the end of a run that has to complete; its state."""
        code = worker.wait()
        state = state_of(folder)
        if code != 0:
            why = state.failure.title if state.failure else _("exit code {n}").format(n=code)
            words = state.failure.detail if state.failure else death.last_words(folder.log)
            title = _("the run {name} did not end well: {why}")
            raise FarenseError(title.format(name=folder.name, why=why), words, kind="verify")
        return state

    @contextlib.contextmanager
    def program(self, command: list[str], **how: Any) -> Iterator[subprocess.Popen[bytes]]:
        """Start a program in a group of its own, which is killed at the end."""
        process = subprocess.Popen(command, start_new_session=True, **how)
        self._started.append(process)
        try:
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, 9)
            process.wait()


def write_rows(folder: Path, length: int = 0) -> Path:
    """Write some of the embedded rows. length: answers are made longer, to so many letters."""
    folder.mkdir()
    for split, count in (("train", ROWS), ("valid", VALID)):
        lines = (embedded_data() / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()
        with (folder / f"{split}.jsonl").open("w", encoding="utf-8") as file:
            for line in lines[:count]:
                row = json.loads(line)
                answer = row["messages"][-1]
                text = answer["content"]
                answer["content"] = (f"{text} " * (1 + length // len(text)))[:length] or text
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return folder
