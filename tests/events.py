"""Events as a worker might tell them, for tests in which only a few of their fields matter."""

from __future__ import annotations

from typing import Any

from farense_worker.protocol.messages import events


def started(after: int = 0, **changes: Any) -> events.RunStarted:
    """Tell of a worker that begins after a step; 20 steps in all."""
    values: dict[str, Any] = {
        "time": 100.0,
        "protocol": 1,
        "run": "r",
        "pid": 1,
        "device": "cpu",
        "versions": {},
        "trainable_parameters": 1,
        "total_parameters": 2,
        "total_steps": 20,
    }
    return events.RunStarted(resumed_from_step=after, **(values | changes))


def step(number: int, **changes: Any) -> events.Step:
    """Tell of a step; its loss is 1/number, so that no two are alike."""
    values: dict[str, Any] = {
        "time": 100.0 + number,
        "epoch": number / 10,
        "loss": 1 / number,
        "learning_rate": 1e-4,
        "grad_norm": 1.0,
        "tokens": 100,
        "padded_tokens": 120,
        "micro_batches": 1,
        "seconds": 2.0,
        "tokens_per_second": 50.0,
        "active_memory": 10,
        "cache_memory": 1,
        "peak_memory": 20 + number,
    }
    return events.Step(step=number, **(values | changes))


def validation(at: int, loss: float | None, **changes: Any) -> events.Validation:
    """Tell of a validation, which is not marked as the best."""
    values: dict[str, Any] = {
        "epoch": at / 10,
        "perplexity": None,
        "tokens": 5,
        "seconds": 3.0,
        "best": False,
    }
    return events.Validation(step=at, loss=loss, **(values | changes))


def heartbeat(**changes: Any) -> events.Heartbeat:
    """Tell that a worker lives; it is training, and its memory is a few bytes."""
    values: dict[str, Any] = {
        "phase": "training",
        "step": 1,
        "rss": 1,
        "active_memory": 1,
        "cache_memory": 1,
    }
    return events.Heartbeat(**(values | changes))
