"""What native errors mean: the texts of MLX and Metal, told to a person.

The texts are those of MLX's sources and of public reports (see docs/architecture.md); they were
not seen on a Mac by us.
"""

from __future__ import annotations

import re

from farense_worker.protocol.errors import PEER, FarenseError, of_system
from farense_worker.protocol.language import gettext as _

_SMALLER = _(
    "Take a smaller micro-batch (train.batch_size, with train.grad_accumulation raised), turn "
    "train.grad_checkpoint on, or lower lora.num_layers or train.max_seq_length."
)

# First match wins. kind, what the text looks like, title, hint.
_KNOWN = (
    (
        "gpu_memory",
        r"kIOGPUCommandBufferCallbackErrorOutOfMemory|Insufficient Memory",  # not translated: regex
        _("the GPU ran out of memory"),
        _SMALLER,
    ),
    (
        "gpu_watchdog",
        r"ImpactingInteractivity|0000000e:Internal Error",  # not translated: regex
        _("macOS stopped the GPU work because it got in the way of the display"),
        _(
            "Let the display sleep (pmset displaysleepnow), put AGX_RELAX_CDM_CTXSTORE_TIMEOUT=1 "
            "before the command, which has helped others, or make each step smaller: "
            "train.batch_size 1, shorter train.max_seq_length."
        ),
    ),
    (
        "gpu_timeout",
        r"kIOGPUCommandBufferCallbackErrorTimeout|GPU Timeout",  # not translated: regex
        _("one piece of GPU work took too long for macOS"),
        _(
            "Often the machine is swapping; if not, AGX_RELAX_CDM_CTXSTORE_TIMEOUT=1 before the "
            "command has helped others."
        )
        + " "
        + _SMALLER,
    ),
    (
        "gpu_fault",
        r"kIOGPUCommandBufferCallbackError|GPU (Address Fault|Hang)",  # not translated: regex
        _("the GPU driver gave up"),
        _("Resume: a new process starts with a clean driver state."),
    ),
    (
        "gpu_buffers",
        r"Resource limit \(\d+\) exceeded",  # not translated: regex
        _("MLX holds more buffers than Metal allows"),
        _("Resume: only a new process clears it."),
    ),
    (
        "memory",
        r"\[malloc|metal::malloc|"  # not translated: regex
        r"Unable to allocate|maximum allowed buffer size",
        _("there is not enough memory"),
        _SMALLER,
    ),
    (
        PEER,
        r"connection to a peer was lost|\[(jaccl|nccl|mpi)\]",  # not translated: regex
        _("the connection to another rank was lost"),
        _("Resume. If it comes again, check the network between the machines."),
    ),
    (
        "no_gpu",
        r"No Metal device available|Failed to load the default metallib",  # not translated: regex
        _("MLX finds no GPU"),
        _("Over ssh or in a virtual machine there may be none; start it on the Mac itself."),
    ),
)


def explain(error: BaseException) -> FarenseError:
    """Make a FarenseError of anything that ended the training."""
    if isinstance(error, FarenseError):
        return error
    if isinstance(error, MemoryError):
        return FarenseError(_("there is not enough memory"), str(error), _SMALLER, kind="memory")
    text = str(error)
    for kind, pattern, title, hint in _KNOWN:
        if re.search(pattern, text):
            return FarenseError(title, text, hint, kind=kind)
    log = _("worker.log has the whole traceback.")
    if isinstance(error, OSError):
        told = of_system(error)
        return FarenseError(told.title, told.detail, told.hint or log, kind=told.kind)
    return FarenseError(
        _("the training ended by {error}").format(error=type(error).__name__),
        text,
        log,
        kind="unexpected",
    )
