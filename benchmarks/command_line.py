"""farense-tui and mlx_lm as commands, for the benchmarks that use them as users do."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from farense_tui.engine.machine import blas

_START = 600  # seconds in which a server has to answer; 16-bit products are slow on a CPU


class Failed(RuntimeError):
    """A command that did not do what it was asked for, with its last words."""


def environment() -> dict[str, str]:
    """What both sides run under: the same BLAS, English."""
    return {**os.environ, **blas.environment(), "FARENSE_LANG": "en"}


def farense(place: Path, *words: str) -> list[Any]:
    """Run a command of ours; the JSON of each line that it prints."""
    return [json.loads(line) for line in text(ours(place, *words)).splitlines()]


def ours(place: Path, *words: str) -> list[str]:
    """Give a command of ours, with its runs in `place`."""
    return [sys.executable, "-m", "farense_tui", *words, "--runs-dir", str(place)]


def text(command: list[str]) -> str:
    """Run a command and give what it prints."""
    done = subprocess.run(command, capture_output=True, text=True, env=environment())
    if done.returncode:
        raise Failed(f"{' '.join(command)}\n{(done.stdout + done.stderr)[-2000:]}")
    return done.stdout


def killed(command: list[str], step: int) -> None:
    """Start a training and kill its worker with SIGKILL as soon as it has done this step."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment()
    )
    assert process.stdout
    pid = 0
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == "run_started":
            pid = event["pid"]
        if event["type"] == "step" and event["step"] >= step:
            os.kill(pid, signal.SIGKILL)
            break
    process.stdout.read()
    process.wait()
    if not pid:
        raise Failed("nothing was trained that could be killed")


def answer(place: Path, run: str, question: str, tokens: int) -> str:
    """What `ask` answers with the run's adapter."""
    words = ("ask", run, question, "--max-tokens", str(tokens))
    printed = text(ours(place, *words))
    return printed.rpartition(f"[{run}]")[2].strip()


def their_answer(model: Path, adapter: Path | None, question: str, tokens: int) -> str:
    """What `mlx_lm.generate` answers."""
    more = ["--adapter-path", str(adapter)] if adapter else []
    command = [sys.executable, "-m", "mlx_lm", "generate", "--model", str(model), *more]
    asked = ["--prompt", question, "--max-tokens", str(tokens), "--temp", "0"]
    return text([*command, *asked, "--verbose", "False"]).strip()


def served_answer(model: Path, adapter: Path, question: str, tokens: int) -> str:
    """What `mlx_lm.server` answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlx_lm", "server", "--model", str(model)]
    server = subprocess.Popen(
        [*command, "--adapter-path", str(adapter), "--port", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=environment(),
    )
    body = {
        "messages": [{"role": "user", "content": question}],
        "max_tokens": tokens,
        "temperature": 0,
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        limit = time.monotonic() + _START
        while True:
            try:
                with urllib.request.urlopen(request, timeout=_START) as answered:
                    found: str = json.load(answered)["choices"][0]["message"]["content"]
                    return found.strip()
            except (ConnectionError, urllib.error.URLError) as error:
                if server.poll() is not None or time.monotonic() > limit:
                    raise Failed(f"mlx_lm.server does not answer: {error}") from error
                time.sleep(0.5)
    finally:
        server.terminate()
        server.wait()
