"""The task `probe`: some real steps on made-up tokens, to see what they take."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import mlx.core as mx
import msgspec
import numpy as np

from farense_worker.loop import memory, optimizer
from farense_worker.loop.master_weights import where_needed
from farense_worker.model import dropout, inference, loss, model, split_forward, trainable
from farense_worker.process.output import unheard
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.estimation import Probe, Probed
from farense_worker.protocol.messages.task import Progress, Tell
from farense_worker.protocol.plan import steps, trunk
from farense_worker.protocol.settings.profile import Config, Run


def probe(asked: Probe, tell: Tell) -> Probed:
    """Load the model as the training does, and take some steps on one micro-batch.

    Nothing is written and nothing learnt. Raises FarenseError for a model that cannot be trained.
    """
    config = Config(**msgspec.structs.asdict(asked.profile), run=Run(name="probe"))
    memory.apply_limits(mx, config.memory)
    tell(Progress(_("loading the model")))
    path = inference.find(config.model)
    network = model.load(path, config.model)
    mx.random.seed(config.train.seed)
    trainable.make_trainable(network, config, unheard())
    model.dequantise(network, memory.room(mx, config.memory))
    if config.train.grad_checkpoint or config.lora.dropout > 0:
        dropout.wrap_layers(network, checkpointing=config.train.grad_checkpoint)
    parts = split_forward.find(network)
    if parts and not split_forward.comes_apart(parts, [1, 2]):
        parts = None
    start = trunk.frozen(config, len(network.layers)) if asked.cached and parts else 0
    batch: list[Any] = [*_batch(asked), None]
    before = None
    if parts and start:
        entering = parts.trunk(mx.zeros((1, 8), mx.int32), None, 0, start)
        parts.release(0, start)
        batch[4] = mx.zeros((asked.rows, asked.width, entering.shape[-1]), entering.dtype)
        before = mx.zeros((1, asked.prefix, entering.shape[-1]), entering.dtype)
    if parts and asked.prefix:
        tokens = mx.ones((1, asked.prefix), mx.int32)
        batch.append((tokens, mx.zeros((0,), mx.int32), before, []))
    model.read_weights(network, config.model)
    trained = network.trainable_parameters()
    chosen = where_needed(optimizer.make(config.train), trained)
    chosen.init(trained)
    optimizer.set_learning_rate(chosen, 0.0)
    mx.eval(chosen.state)
    compiled = steps.compiled(config, gpu=model.on_gpu())
    label_loss = loss.LabelLoss(network, parts, start)
    share: Callable[..., Any] = loss.loss_and_gradient(network, label_loss, compiled)
    if parts and asked.handed:
        *batch, prefix = batch
        left = label_loss.ahead(prefix)
        mx.eval(left)
        behind = loss.behind_and_gradient(network, label_loss, compiled)
        share, batch = (lambda weight, *its: behind(weight, left, *its)), [*batch, prefix[0]]
    mx.clear_cache()
    mx.reset_peak_memory()
    resident = mx.get_active_memory()
    network.train()

    def step() -> float:
        began = time.perf_counter()
        value, gradients, *back = share(mx.array(1.0 / asked.labels, mx.float32), *batch)
        mx.eval(value, gradients, back)
        loss.scalar(loss.norm(gradients))
        chosen.update(network, gradients)
        mx.eval(network.trainable_parameters(), chosen.state)
        return time.perf_counter() - began

    tell(Progress(_("taking steps")))
    first, seconds = step(), [step()]
    while len(seconds) < asked.steps and sum(seconds) < asked.most_seconds:
        seconds.append(step())
    return Probed(
        device=model.device(),
        resident=resident,
        peak=mx.get_peak_memory(),
        first_seconds=first,
        seconds=statistics.median(seconds),
        lowest=min(seconds),
        highest=max(seconds),
        steps=len(seconds),
    )


def _batch(asked: Probe) -> list[mx.array]:
    """Tokens like any: which they are changes neither memory nor time."""
    places = np.arange(asked.rows * asked.width).reshape(asked.rows, asked.width)
    positions = places[:, -(-asked.labels // asked.rows) * -1 :].reshape(-1)[: asked.labels]
    return [
        mx.array(np.ones_like(places, np.int32)),
        mx.array(positions.astype(np.int32)),
        mx.array(np.ones(len(positions), np.int32)),
        mx.array(np.ones(len(positions), np.float32)),
    ]
