"""Interchange with mlx_lm: it reads our adapters, we start from its, and both see the same loss."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import pytest
from farense_worker.protocol.messages.events import number
from farense_worker.protocol.run_folder import RunFolder

from tests.real_runs import RunMaker, finish


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, micro: Path, data: Path) -> RunFolder:
    folder = RunMaker(tmp_path_factory.mktemp("runs"), micro, data)("trained")
    finish(folder)
    return folder


def mlx_lm(*args: str) -> str:
    """Run a command of mlx_lm in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "mlx_lm", *args], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def our_loss(model: nn.Module, batch: mx.array, lengths: mx.array) -> tuple[mx.array, mx.array]:
    """mlx_lm's default_loss with the labels right: no target is a padding token."""
    inputs, targets = batch[:, :-1], batch[:, 1:]
    steps = mx.arange(1, targets.shape[1] + 1)
    mask = mx.logical_and(steps >= lengths[:, 0:1], steps < lengths[:, 1:])
    ce = nn.losses.cross_entropy(model(inputs), targets) * mask
    return ce.astype(mx.float32).sum() / mask.sum(), mask.sum()


@pytest.mark.parametrize("mask_prompt", [True, False])
def test_mlx_lm_finds_the_same_validation_loss(
    make_run: RunMaker, micro: Path, data: Path, mask_prompt: bool
) -> None:
    from mlx_lm import load
    from mlx_lm.tuner.datasets import CacheDataset, ChatDataset
    from mlx_lm.tuner.trainer import evaluate

    folder = make_run(train__mask_prompt=mask_prompt, train__max_seq_length=256)
    state = finish(folder)
    assert state.best is not None
    model, tokenizer = load(str(micro), adapter_path=str(folder.adapters))
    rows = [json.loads(line) for line in (data / "valid.jsonl").read_text().splitlines()]
    dataset = CacheDataset(ChatDataset(rows, tokenizer, mask_prompt=mask_prompt))
    theirs = evaluate(model, dataset, 1, -1, max_seq_length=256, loss=our_loss)
    assert theirs == pytest.approx(state.best.loss, abs=1e-4)


def test_mlx_lm_generates_and_fuses_with_our_adapter(
    trained: RunFolder, micro: Path, tmp_path: Path
) -> None:
    common = ["--model", str(micro)]
    adapted = [*common, "--adapter-path", str(trained.adapters)]
    ask = ["--prompt", "Quem?", "--max-tokens", "8", "--verbose", "False"]
    answer = mlx_lm("generate", *adapted, *ask)
    assert answer != mlx_lm("generate", *common, *ask)
    mlx_lm("fuse", *adapted, "--save-path", str(tmp_path / "fused"))
    assert mlx_lm("generate", "--model", str(tmp_path / "fused"), *ask) == answer


def test_we_start_from_an_adapter_of_mlx_lm(
    make_run: RunMaker, micro: Path, data: Path, tmp_path: Path
) -> None:
    config: dict[str, Any] = {
        "model": str(micro),
        "train": True,
        "data": str(data),
        "iters": 3,
        "batch_size": 2,
        "learning_rate": 1e-2,
        "num_layers": 2,
        "mask_prompt": True,
        "adapter_path": str(tmp_path / "theirs"),
        "lora_parameters": {
            "rank": 4,
            "scale": 16.0,
            "dropout": 0.0,
            "keys": ["self_attn.q_proj", "mlp.up_proj"],
        },
    }
    (tmp_path / "lora.yaml").write_text(json.dumps(config))  # JSON is YAML
    mlx_lm("lora", "-c", str(tmp_path / "lora.yaml"))
    folder = make_run(
        model__adapter=str(tmp_path / "theirs"),
        lora__keys=("q_proj", "up_proj"),
        train__epochs=1,
    )
    plain = finish(make_run("plain", lora__keys=("q_proj", "up_proj"), train__epochs=1))
    state = finish(folder)
    assert number(state.validations[0].loss) < number(plain.validations[0].loss)


def test_mlx_lm_serves_our_adapter(trained: RunFolder, micro: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlx_lm", "server", "--model", str(micro)]
    command += ["--adapter-path", str(trained.adapters), "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        answer = post(port, {"messages": [{"role": "user", "content": "Quem?"}], "max_tokens": 8})
    finally:
        server.kill()
        server.wait()
    ask = ["--prompt", "Quem?", "--max-tokens", "8", "--verbose", "False"]
    adapted = ["--model", str(micro), "--adapter-path", str(trained.adapters)]
    said = answer["choices"][0]["message"]["content"]
    assert said.strip() == mlx_lm("generate", *adapted, *ask).strip()


def post(port: int, body: dict[str, Any], seconds: float = 60.0) -> dict[str, Any]:
    """Ask the server, which needs some seconds until it listens."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(request, timeout=seconds) as answer:
                return dict(json.load(answer))
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)
