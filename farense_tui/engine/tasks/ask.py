"""A conversation with models: runs the worker's tasks/ask.py and gives what it says."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from types import TracebackType

import msgspec
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.conversation import (
    Answered,
    Piece,
    Question,
    Ready,
    Said,
    Setup,
    Stop,
    decode,
)
from farense_worker.protocol.messages.evaluation import Adapter
from farense_worker.protocol.messages.task import Failure
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.machine import blas
from farense_tui.engine.tasks import evaluation


def setup(runs: Sequence[RunFolder]) -> Setup:
    """Ask for the adapters of these runs; FarenseError if they have none, or different models."""
    configs = [run.read_config() for run in runs]
    adapters = tuple(Adapter(run.name, str(evaluation.adapter_of(run))) for run in runs)
    repos = sorted({config.model.repo for config in configs})
    if len(repos) > 1:
        raise refused(
            _("the runs have different base models"),
            "\n".join(repos),
            _("Ask those together that have the same one."),
            kind="model",
        )
    model = configs[0].model
    return Setup(model.repo, adapters, model.revision, model.trust_remote_code)


class Conversation:
    """Models that stay loaded between questions. Not for two threads at once, but for `stop`."""

    def __init__(self, asked: Setup) -> None:
        """Start the worker; the models are there once `ready` has come."""
        # A pipe that nobody empties would stop the worker.
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as this
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "farense_worker.tasks.ask"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, **blas.environment(), "TOKENIZERS_PARALLELISM": "false"},
        )
        self._write(asked)

    def __enter__(self) -> Conversation:
        """Use it until the block ends."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the worker."""
        self.close()

    def ready(self) -> Ready:
        """Wait until the models are loaded; FarenseError if they cannot be."""
        while not isinstance(said := self._listen(), Ready):
            pass
        return said

    def ask(self, question: Question) -> Iterator[Piece | Answered]:
        """Ask all models; gives what they say, one after the other."""
        self._write(question)
        return self._answers()

    def stop(self) -> None:
        """Break off the answers that are being given; from any thread."""
        self._write(Stop())

    def close(self) -> None:
        """End the worker, whatever it does; from any thread."""
        self._process.kill()
        self._process.wait()

    def _write(self, line: msgspec.Struct) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):  # its last words tell why
            self._process.stdin.write(msgspec.json.encode(line) + b"\n")
            self._process.stdin.flush()

    def _answers(self) -> Iterator[Piece | Answered]:
        while not isinstance(said := self._listen(), Ready):
            yield said

    def _listen(self) -> Piece | Answered | Ready:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = _decoded(line)
            if isinstance(said, Failure):
                raise said.error()
            if said is not None:
                return said
        self._log.seek(0)
        words = self._log.read()[-2000:].decode("utf-8", "replace")
        raise FarenseError(_("the model could not answer"), words, kind="ask")


def _decoded(line: bytes) -> Said | None:
    with contextlib.suppress(msgspec.DecodeError):  # half a line: it was killed
        return decode(line)
    return None
