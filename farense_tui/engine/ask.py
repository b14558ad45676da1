"""Questions to models: runs `python -m worker.ask` and gives what it says, piece by piece."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from farense_tui.engine import blas
from worker.protocol.errors import ExitCode, FarenseError


@dataclass(frozen=True)
class Piece:
    """A piece of an answer. `adapter` is the name of a run, empty for the base model."""

    adapter: str
    text: str
    done: bool


def ask(
    model: str, adapters: Sequence[tuple[str, str]], question: str, max_tokens: int
) -> Iterator[Piece]:
    """Ask the base model, then each adapter (name, folder). FarenseError if it cannot be."""
    command = [sys.executable, "-P", "-m", "worker.ask"]
    command += ["--model", model, "--max-tokens", str(max_tokens)]
    command += [f"--adapter={name}={folder}" for name, folder in adapters]
    # stderr into a file: a pipe that nobody empties would stop the worker once it is full.
    with (
        tempfile.TemporaryFile() as log,
        subprocess.Popen(
            [*command, "--", question],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **blas.environment()},
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            said = json.loads(line)
            if "error" in said:
                code = ExitCode(said["error"].pop("exit_code"))
                raise FarenseError(**said["error"], exit_code=code)
            yield Piece(said["adapter"], said.get("text", ""), said.get("done", False))
        if process.wait():
            log.seek(0)
            stderr = log.read().decode("utf-8", "replace")
            raise FarenseError("the model could not answer", stderr[-2000:], kind="ask")
