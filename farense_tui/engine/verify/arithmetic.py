"""What a training step comes to on this machine: operations a second, for forecasts of time.

Of a model with random weights that is large enough to keep the machine busy; which they are changes
nothing. A step of the embedded model would measure how fast steps are begun.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.estimation import Probe, Probed
from farense_worker.protocol.plan import model_shape
from farense_worker.protocol.plan.step_memory import MicroBatch
from farense_worker.protocol.processes.programs import program

from farense_tui.engine.forecast import workload
from farense_tui.engine.forecast.gather import resolved
from farense_tui.engine.machine import blas
from farense_tui.engine.tasks import task
from farense_tui.engine.verify.row import Row
from farense_tui.engine.verify.workshop import Workshop

GROUP = _("speed")
_STEPS = 2


@dataclass(frozen=True)
class Size:
    """A model to make, and the micro-batch that goes through it. hidden is 64 x heads."""

    bits: int
    layers: int
    hidden: int
    rows: int
    width: int
    vocabulary: int = 512


# On a GPU: layers as wide as those of a 1B. A CPU multiplies quantised weights slowly.
_GPU = {"quantised": Size(4, 4, 2048, 4, 256), "floats": Size(0, 4, 2048, 4, 256)}
_CPU = {"quantised": Size(4, 2, 512, 1, 64), "floats": Size(0, 2, 768, 2, 64)}


def rows(workshop: Workshop, *, gpu: bool) -> Iterator[Row]:
    """Measure both kinds of model."""
    names = {"quantised": _("4 bits"), "floats": _("not quantised")}
    for name, size in (_GPU if gpu else _CPU).items():
        model = _made(workshop.path / f"model-{name}", size)
        speed, seconds = _measured(workshop, model, size)
        check = _("arithmetic of a step, {kind}").format(kind=names[name])
        found = f"{speed / 1e9:.3g} GFLOP/s"
        detail = _("{rows} x {width} tokens through {layers} layers of {hidden}: {seconds:.2f} s")
        detail = detail.format(
            rows=size.rows,
            width=size.width,
            layers=size.layers,
            hidden=size.hidden,
            seconds=seconds,
        )
        figures = {"flops": speed, "seconds": seconds}
        yield Row(GROUP, f"arithmetic_{name}", check, "—", found, "told", detail, figures)


def _made(folder: Path, size: Size) -> Path:
    shape = {
        "layers": size.layers,
        "hidden": size.hidden,
        "heads": size.hidden // 64,
        "vocabulary": size.vocabulary,
        "bits": size.bits,
        "intermediate_size": 3 * size.hidden,
    }
    command = program("farense_worker.verify.made_model", str(folder), json.dumps(shape))
    environment = {**os.environ, **blas.environment()}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise FarenseError(_("no model could be made"), done.stderr[-2000:], kind="verify")
    return folder


def _measured(workshop: Workshop, model: Path, size: Size) -> tuple[float, float]:
    """Operations a second, and the seconds of a step."""
    profile = resolved(workshop.profile(model__repo=str(model), lora__dropout=0.0))
    labels = size.rows * size.width // 2
    asked = Probe(profile=profile, rows=size.rows, width=size.width, labels=labels, steps=_STEPS)
    took = task.result_of("probe", asked, Probed).seconds
    shape = model_shape.read(model)
    assert shape is not None
    batch = MicroBatch(size.rows, size.width, labels)
    return workload.flops(shape, profile, batch, cached=False) / took, took
