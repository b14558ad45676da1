"""The arithmetic's checks: they hold, and each finds its subject broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlx.core as mx
import pytest
from farense_worker.model import dropout, loss, split_forward
from farense_worker.protocol.messages import verification
from farense_worker.protocol.messages.verification import Compared, Done, Request, Untried
from farense_worker.protocol.settings.profile import Data as DataSettings
from farense_worker.protocol.settings.profile import Lora, Model, Profile
from farense_worker.verify import mlx_lm_loss
from farense_worker.verify.subject import Subject, distance, make
from farense_worker.verify.task import verify

from farense_tui.engine.verify.tolerance import tolerance

ALL: tuple[verification.Subject, ...] = (
    "accumulated",
    "evaluate",
    "chunked_head",
    "trunk",
    "checkpointing",
)
ALLOWED = tolerance("float32", gpu=False)


@pytest.fixture
def profile(micro: Path, data: Path) -> Profile:
    return Profile(
        model=Model(repo=str(micro), dtype="float32"),
        data=DataSettings(path=str(data)),
        lora=Lora(dropout=0.0),
    )


def compared(profile: Profile, *subjects: verification.Subject) -> dict[str, float]:
    told: list[Any] = []
    done = verify(Request(profile=profile, subjects=subjects, rows=6), told.append)
    assert isinstance(done, Done)
    assert done.dtype == "float32"
    assert all(isinstance(each, Compared) for each in told), told
    return {each.subject: max(each.difference, each.loss) for each in told}


def test_both_ways_agree(profile: Profile) -> None:
    found = compared(profile, *ALL, "contrast")
    contrast = found.pop("contrast")
    assert {name: value for name, value in found.items() if not value <= ALLOWED} == {}
    assert contrast > 0.01  # the fault that all of this was begun for


def _lose_a_label(patch: pytest.MonkeyPatch) -> None:
    """The second micro-batch of a step is forgotten."""
    patch.setattr(loss, "add", lambda total, more: more if total is None else total)


def _lose_a_chunk(patch: pytest.MonkeyPatch) -> None:
    """The gradient of a chunk is that of its neighbour."""
    real = loss._chunk

    def wrong(head: Any, hidden: mx.array, targets: mx.array, mask: mx.array) -> Any:
        value, by_hidden = real(head, hidden, targets, mask)
        return value, by_hidden * (0.99 if len(hidden) == 7 else 1.0)

    patch.setattr(loss, "_chunk", wrong)


def _wrong_activations(patch: pytest.MonkeyPatch) -> None:
    real = split_forward.Anatomy.trunk
    patch.setattr(
        split_forward.Anatomy, "trunk", lambda self, *given: real(self, *given).astype(mx.bfloat16)
    )


def _wrong_labels(patch: pytest.MonkeyPatch) -> None:
    """A padding token is counted as a label, as mlx_lm's own batches have it."""
    real = mlx_lm_loss.rows
    patch.setattr(
        mlx_lm_loss, "rows", lambda subject: [([*row, 0], first) for row, first in real(subject)]
    )


def _another_mask(patch: pytest.MonkeyPatch) -> None:
    """The recomputed layer is not the same."""

    def wrap(model: Any, *, checkpointing: bool) -> None:
        for kind in {type(layer) for layer in model.layers}:
            call = kind.__call__
            kind.__call__ = lambda layer, x, *rest, call=call, **more: call(
                layer, x * 1.001, *rest, **more
            )

    patch.setattr(dropout, "wrap_layers", wrap)


@pytest.mark.parametrize(
    ("subject", "breaks"),
    [
        ("accumulated", _lose_a_label),
        ("chunked_head", _lose_a_chunk),
        ("trunk", _wrong_activations),
        ("evaluate", _wrong_labels),
        ("checkpointing", _another_mask),
    ],
)
def test_what_is_wrong_comes_out(
    profile: Profile,
    monkeypatch: pytest.MonkeyPatch,
    subject: verification.Subject,
    breaks: Callable[[pytest.MonkeyPatch], None],
) -> None:
    breaks(monkeypatch)
    assert not compared(profile, subject)[subject] <= ALLOWED


def test_a_compiled_step_that_differs_comes_out(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a compiler: what stands in for the compiled function is wrong by a thousandth."""

    def compile_(function: Callable[..., Any], **_how: Any) -> Callable[..., Any]:
        def wrong(weight: mx.array, *batch: mx.array) -> Any:
            return function(weight * 1.001, *batch)

        return wrong

    monkeypatch.setattr(mx, "compile", compile_)
    assert not compared(profile, "compiled")["compiled"] <= ALLOWED


def test_not_a_number_is_not_within_anything(profile: Profile) -> None:
    subject = make(profile, 4)
    _value, gradient = subject.of_step(subject.ours())
    broken = {name: value * mx.array(float("nan")) for name, value in gradient.items()}
    assert not distance(broken, gradient) <= 1.0


def test_a_class_that_does_not_come_apart_is_left_out(
    profile: Profile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(split_forward, "find", lambda _: None)
    told: list[Any] = []
    verify(Request(profile=profile, subjects=("chunked_head", "trunk", "accumulated")), told.append)
    assert [type(each) for each in told] == [Untried, Untried, Compared]


def test_rows_are_of_different_lengths(profile: Profile) -> None:
    subject: Subject = make(profile, 6)
    lengths = subject.examples.lengths[list(subject.rows)]
    assert len(set(subject.rows)) == 6
    assert lengths.min() == subject.examples.lengths.min()
    assert lengths.max() == subject.examples.lengths.max()
