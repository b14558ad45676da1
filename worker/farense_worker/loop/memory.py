"""Memory: what this process uses, what MLX is allowed, and the heartbeat that tells of it."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from farense_worker.process.output import Output
from farense_worker.protocol.errors import LIMIT, FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.events import Heartbeat, Notice
from farense_worker.protocol.percent import percent
from farense_worker.protocol.plan import memory as plan
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.processes import machine, macos
from farense_worker.protocol.settings.profile import Memory

_BEAT = 2.0
# So many steps in a row the machine may starve before anything is done: other programs come and go.
PATIENCE = 5


def footprint() -> int:
    """Memory of this process in bytes, as the system counts it against the machine.

    On macOS that is phys_footprint, which Activity Monitor shows: RSS leaves out what is
    compressed and what the GPU holds. Elsewhere RSS.
    """
    if sys.platform == "darwin" and (told := macos.usage(os.getpid())):
        return int(told.ri_phys_footprint)
    return machine.own_memory()


def memory_limit(mx: Any) -> int:
    """Bytes that the machine lets MLX use well: Metal's recommended working set.

    The CPU build has no such figure; there MLX's own limit stands in for it.
    """
    info = mx.device_info()
    return int(info.get("max_recommended_working_set_size") or mx.get_memory_limit())


def limit(mx: Any, settings: Memory) -> int:
    """Bytes that the run may take: what the machine lets MLX use well, or less."""
    return plan.limit(settings, memory_limit(mx))


def room(mx: Any, settings: Memory) -> int:
    """Bytes of weights that may be loaded now."""
    return plan.room(settings, limit(mx, settings), footprint())


def apply_limits(mx: Any, settings: Memory) -> None:
    """Set MLX's limits as the profile says.

    The wired limit stays at MLX's default unless asked for: raising it to the maximum, as mlx_lm
    does, is what the kernel panics of mlx#3186 have in common.
    """
    mx.set_cache_limit(int(settings.cache_limit_gb * GIB))
    if settings.wired_limit_gb:
        try:
            mx.set_wired_limit(int(settings.wired_limit_gb * GIB))
        except ValueError as error:  # Metal's: more than its recommended working set
            title = _("memory.wired_limit_gb is more than this machine allows")
            hint = _("{most:.1f} is the most here, 0 leaves it to MLX.")
            most = memory_limit(mx) / GIB
            raise refused(title, str(error), hint.format(most=most), kind="wired") from error


def keep_buffers(mx: Any, settings: Memory, needed: int) -> None:
    """Let MLX keep as many bytes of freed buffers as a step came to need, by the profile the most.

    Micro-batches of many shapes fill whatever it may keep with buffers that fit no other shape.
    """
    mx.set_cache_limit(min(int(settings.cache_limit_gb * GIB), needed))
    if mx.get_cache_memory() > needed:
        mx.clear_cache()


@dataclass(frozen=True)
class Seen:
    """used: bytes of this process, or the peak of MLX's since the last step if that is more.

    free: bytes that the machine has for other programs without swapping.
    """

    used: int
    free: int


class Guard:
    """Compares the process's memory with the limit, and the machine's with what it must keep.

    A process near its limit is critical at once. A machine that starves, whoever took the memory,
    is so after a while.
    """

    def __init__(self, settings: Memory, limit: int) -> None:
        """Take the profile's thresholds and the limit in bytes."""
        self._settings = settings
        self.limit = limit
        self._warned = False

    def see(self, peak: int) -> Seen:
        """Look at this process, of which MLX's peak is given, and at the machine."""
        return Seen(max(footprint(), peak), machine.memory().available)

    def look(self, seen: Seen) -> Notice | None:
        """Give a notice when the warning threshold is crossed, once until it is well below."""
        share = seen.used / self.limit
        if share < self._settings.warning * 0.95:
            self._warned = False
        if self._warned or not plan.warns(self._settings, self.limit, seen.used):
            return None
        self._warned = True
        return Notice(
            level="warning",
            code="memory",
            message=_("memory is at {share} of the limit ({used:.1f} of {limit:.1f} GiB)").format(
                share=percent(share), used=seen.used / GIB, limit=self.limit / GIB
            ),
            hint=_(
                "A smaller train.batch_size with more train.grad_accumulation takes less, and so "
                "does train.grad_checkpoint."
            ),
        )

    def critical(self, seen: Seen) -> bool:
        """Whether the critical threshold is crossed."""
        return plan.critical(self._settings, self.limit, seen.used)

    def starved(self, seen: Seen) -> bool:
        """Whether less is free on the machine than the profile wants kept."""
        return seen.free < self._settings.keep_free_gb * GIB

    def cut_finer(self, seen: Seen, tokens: int) -> Notice:
        """Make the notice for a run that goes on with smaller micro-batches."""
        return Notice(
            level="warning",
            code="memory_cut",
            message=_(
                "{why}: from here on at most {tokens} tokens go through the model at once, in the "
                "same steps"
            ).format(why=self._why(seen), tokens=tokens),
            hint=_(
                "Nothing else changes. A smaller train.batch_size with more "
                "train.grad_accumulation has it so from the start."
            ),
        )

    def _why(self, seen: Seen) -> str:
        if not self.critical(seen):
            free = seen.free / GIB
            return _("only {free:.1f} GiB are free on this machine").format(free=free)
        return _("memory is at {share} of the limit").format(share=percent(seen.used / self.limit))

    def stopped(self, seen: Seen, *, checkpointing: bool) -> FarenseError:
        """Make the error for a run that is ended before the machine suffers.

        Its rows go through the model one by one: no smaller batch takes less. checkpointing:
        whether activations are computed again already.
        """
        saved = _(
            "A checkpoint was saved. Every row goes through the model alone by now: resume with "
            "train.grad_checkpoint on, which takes less."
        )
        if checkpointing:
            saved = _(
                "A checkpoint was saved. Every row goes through the model alone by now: a new run "
                "takes less with a smaller train.max_seq_length or fewer lora.num_layers."
            )
        if not self.critical(seen):
            return FarenseError(
                _("stopped before the machine ran out of memory"),
                _(
                    "{free:.1f} GiB are free on this machine, memory.keep_free_gb is {kept:g}; "
                    "this run takes {used:.1f} GiB"
                ).format(
                    free=seen.free / GIB, kept=self._settings.keep_free_gb, used=seen.used / GIB
                ),
                _("Close other programs.") + " " + saved,
                kind=LIMIT,
            )
        return FarenseError(
            _("stopped before memory ran out"),
            _(
                "{used:.1f} GiB are in use, the limit is {limit:.1f} GiB and memory.critical "
                "{critical:g}"
            ).format(
                used=seen.used / GIB, limit=self.limit / GIB, critical=self._settings.critical
            ),
            saved,
            kind=LIMIT,
        )


class HeartbeatThread(threading.Thread):
    """Says every two seconds that the process lives, also while MLX computes."""

    def __init__(self, output: Output, look: Callable[[], None] = lambda: None) -> None:
        """Prepare; `start` begins, `finish` ends. look: is done before each beat."""
        super().__init__(name="heartbeat", daemon=True)
        self._output, self._look = output, look
        self._finished = threading.Event()

    def run(self) -> None:
        """Beat until told to finish."""
        while not self._finished.wait(_BEAT):
            self._look()
            self._output.emit(self._beat())

    def finish(self) -> None:
        """End the thread, so that no heartbeat follows the last event."""
        self._finished.set()
        if self.is_alive():
            self.join()

    def _beat(self) -> Heartbeat:
        # MLX may not be imported yet: a heartbeat must not be what imports it.
        mx = sys.modules.get("mlx.core")
        active = getattr(mx, "get_active_memory", int)
        cache = getattr(mx, "get_cache_memory", int)
        return Heartbeat(
            phase=self._output.phase,
            step=self._output.step,
            rss=footprint(),
            active_memory=active(),
            cache_memory=cache(),
            monotonic=time.monotonic(),
        )
