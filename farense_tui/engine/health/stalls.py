"""Why nothing moves: each cause by the evidence that tells it from the others.

A worker that lives says so every two seconds; that something is done, only steps, progress and
changes of phase say. How long may pass between two of them follows from this run's own steps.
"""

from __future__ import annotations

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.percent import percent
from farense_worker.protocol.plan import steps

from farense_tui.engine import readable as show
from farense_tui.engine.health.facts import Facts
from farense_tui.engine.health.finding import Found, rule
from farense_tui.engine.health.remedies import KILL, STACKS, smaller_steps, takes_less
from farense_tui.engine.status_words import phase, unit

SILENT = 20.0  # seconds; a heartbeat comes every two, and a busy machine may hold some back
SWAPPING = 4 << 20  # bytes a second
_IDLE, _BUSY = 0.02, 0.2  # cores
_GROWS = 16 << 20  # bytes a minute
_FIRST_STEP, _FIRST_STEP_LATE = 60.0, 600.0
_ADVICE = _("The stacks show where it hangs. Then stop or kill it, and resume.")


def limit(facts: Facts) -> float:
    """Seconds after which a phase in which nothing is done counts as stalled."""
    state = facts.state
    usual = facts.usual_step or 0.0
    if state.phase in ("training", "stopping"):
        return max(20.0, 10 * usual, 3 * facts.longest_step)
    if state.phase == "validating":
        return max(60.0, 10 * usual, 3 * state.validation_seconds)
    if state.phase == "saving":
        return max(60.0, 20 * max((c.seconds for c in state.checkpoints[-5:]), default=0.0))
    return {"loading_model": 120.0, "sampling": 120.0}.get(state.phase, 60.0)


def stalled(facts: Facts, *phases: str) -> bool:
    """Whether the worker lives, is in one of these phases, and does nothing in it."""
    return (
        facts.alive
        and facts.state.phase in phases
        and facts.silent <= SILENT
        and facts.still > limit(facts)
        and not _swapping(facts)
    )


def _swapping(facts: Facts) -> bool:
    return (facts.swap_rate or 0.0) > SWAPPING or facts.pressure == "critical"


def _for(facts: Facts) -> str:
    return _("nothing for {time}").format(time=show.duration(facts.still))


def _told(facts: Facts, *parts: str) -> str:
    """Evidence as a list: `parts`, and what the processors do."""
    told = list(parts)
    if facts.cpu is not None:
        told.append(_("the worker keeps {cores:.1f} cores busy").format(cores=facts.cpu))
    if facts.gpu is not None:
        told.append(_("the GPU is at {share}").format(share=percent(facts.gpu)))
    return ", ".join(told)


def _progress(facts: Facts) -> str:
    progress = facts.state.progress
    if progress is None:
        return _("before any progress")
    if progress.unit == "bytes":
        done, total = show.size(progress.done), show.size(progress.total)
        return _("at {done} of {total}").format(done=done, total=total)
    return _("at {done} of {total} {unit}").format(
        done=progress.done, total=progress.total, unit=unit(progress.unit)
    )


@rule(
    "silent",
    _("the worker's process is there and there has been no heartbeat for {seconds:.0f} s").format(
        seconds=SILENT
    ),
    _("stacks; kill and resume"),
)
def silent(facts: Facts) -> Found | None:
    """A process that is frozen as a whole, suspended, or starved by swapping."""
    if not facts.alive or facts.silent <= SILENT or not facts.state.last_time or facts.disk_full:
        return None
    return (
        "alarm",
        _("the worker gives no sign of life"),
        _told(
            facts,
            _("no heartbeat for {time}").format(time=show.duration(facts.silent)),
            _("its process is there"),
        ),
        _("It is suspended, or the machine is swapping. Wait a little; else kill it and resume."),
        KILL,
    )


@rule(
    "swapping",
    _(
        "more than 4 MiB a second are swapped out over half a minute, or macOS calls the pressure "
        "on memory critical"
    ),
    _("smaller micro-batch, fewer other programs"),
)
def swapping(facts: Facts) -> Found | None:
    """More memory is asked for than there is; everything becomes slow."""
    if not facts.alive or not _swapping(facts):
        return None
    late = facts.still > limit(facts)
    told = []
    if facts.swap_rate is not None and facts.swap_rate > SWAPPING:
        told.append(_("{size} a second go to the disk").format(size=show.size(facts.swap_rate)))
    if facts.pressure == "critical":
        told.append(_("macOS calls the pressure on memory critical"))
    if late:
        told.append(_for(facts))
    change = smaller_steps(facts.config, facts.state)
    return (
        "alarm" if late else "warning",
        _("the machine is swapping"),
        ", ".join(told),
        _("Close other programs.") + " " + takes_less(change),
        change,
    )


@rule(
    "download",
    _("the download stands still for a minute"),
    _("check the network; stop, resume"),
)
def download(facts: Facts) -> Found | None:
    """The network, or the other end of it."""
    if not stalled(facts, "downloading"):
        return None
    return (
        "alarm",
        _("the download stands still"),
        f"{_for(facts)}, {_progress(facts)}",
        _("Check the network. Stop and resume: what is there is not downloaded again."),
    )


@rule(
    "loading",
    _("the model is not loaded after two minutes and the worker's memory does not grow"),
    _("check the disk; stacks"),
)
def loading(facts: Facts) -> Found | None:
    """While weights are being read, the process grows."""
    if not stalled(facts, "loading_model", "starting"):
        return None
    last = facts.state.memory.columns(1, start=facts.now - 60)
    if last and last[0].high - last[0].low > _GROWS:
        return None
    starting = facts.state.phase == "starting"
    return (
        "alarm",
        _("the start hangs") if starting else _("the model is not being loaded"),
        _told(facts, _for(facts), _("its memory does not grow")),
        _("Is the disk a slow or a network one?") + f" {_ADVICE}",
        STACKS,
    )


@rule("tokenizing", _("no more texts are turned into tokens for a minute"), _("stacks"))
def tokenizing(facts: Facts) -> Found | None:
    """A tokenizer that hangs."""
    if not stalled(facts, "tokenizing"):
        return None
    evidence = _told(facts, _for(facts), _progress(facts))
    return "alarm", _("the texts are not being turned into tokens"), evidence, _ADVICE, STACKS


@rule(
    "validation",
    _("a validation has had no progress for a minute, or three times the last one's time"),
    _("stacks; kill and resume"),
)
def validation(facts: Facts) -> Found | None:
    """With progress, a long validation is none of this."""
    if not stalled(facts, "validating", "sampling"):
        return None
    first = not facts.state.step
    return (
        "alarm",
        _("the first validation, before step 1, does not move")
        if first
        else _("the validation does not move"),
        _told(facts, _for(facts), _progress(facts)),
        _ADVICE,
        STACKS,
    )


@rule(
    "first-step",
    _("the first step has taken a minute (a note), or ten (an alarm)"),
    _("wait; after ten minutes stacks"),
)
def first_step(facts: Facts) -> Found | None:
    """mx.compile traces the model on the first step, and again for every new shape."""
    state = facts.state
    if not facts.alive or state.phase != "training" or facts.steps_here or _swapping(facts):
        return None
    if facts.still <= _FIRST_STEP or facts.silent > SILENT:
        return None
    still = show.duration(facts.still)
    evidence = _told(facts, _("nothing for {time} since it began").format(time=still))
    if facts.still <= _FIRST_STEP_LATE:
        advice = _("On a slow machine a step of a large model takes minutes. Nothing is wrong yet.")
        if _compiles(facts):
            advice = _(
                "It is compiled for the first time, which may take minutes. Nothing is wrong yet."
            )
        return "note", _("the first step takes long"), evidence, advice, STACKS
    return "alarm", _("the first step does not end"), evidence, _ADVICE, STACKS


def _compiles(facts: Facts) -> bool:
    """Whether its steps are compiled: on a CPU they are not unless that is asked for."""
    started = facts.state.started
    gpu = started is None or not started.device.startswith("cpu")
    return facts.config is None or steps.compiled(facts.config, gpu=gpu)


@rule(
    "step",
    _(
        "a step takes ten times the median of this run's newest 100, three times the longest of "
        "them, and 20 s"
    ),
    _("stacks; kill and resume"),
)
def step(facts: Facts) -> Found | None:
    """A deadlock where the processor rests too; else work that does not end."""
    if not facts.steps_here or not stalled(facts, "training", "stopping"):
        return None
    usual = facts.usual_step or 0.0
    return (
        "alarm",
        _kind(facts).format(step=facts.state.step + 1),
        _told(
            facts,
            _("{time} already").format(time=show.duration(facts.still)),
            _("usually {seconds:.1f} s").format(seconds=usual),
        ),
        _ADVICE,
        STACKS,
    )


def _kind(facts: Facts) -> str:
    """A deadlock leaves both processors at rest; where the GPU is not known, it may be at work."""
    if (facts.gpu or 0.0) > _BUSY or (facts.cpu or 0.0) > _BUSY:
        return _("step {step} does not end, though it computes")
    if facts.cpu is not None and facts.cpu < _IDLE:
        if facts.gpu is not None:
            return _("step {step} does not end: a deadlock")
        return _("step {step} does not end: a deadlock, or it waits for the GPU")
    return _("step {step} does not end")


@rule(
    "saving",
    _("a checkpoint takes a minute, or twenty times the longest"),
    _("check the disk"),
)
def saving(facts: Facts) -> Found | None:
    if not stalled(facts, "saving"):
        return None
    return (
        "alarm",
        _("the checkpoint is not being written"),
        _told(facts, _for(facts)),
        _("Check the disk: is it full, far away, or asleep?") + f" {_ADVICE}",
        STACKS,
    )


@rule(
    "deaf",
    _(
        "asked to stop, the worker has not begun to for 20 s and three steps, and neither saves "
        "nor goes on answering the sample prompts"
    ),
    _("kill, resume"),
)
def deaf(facts: Facts) -> Found | None:
    """A signal is heeded between two steps; one that is not has met a call that hangs."""
    heeded = ("stopping", "saving")  # the checkpoint of a stop; one that hangs has its own rule
    if not facts.alive or facts.stop_asked is None or facts.state.phase in heeded:
        return None
    if facts.disk_full:  # it may have, and cannot say so
        return None
    waited = facts.now - facts.stop_asked
    if waited <= max(20.0, 3 * (facts.usual_step or 0.0)):
        return None
    if facts.state.phase == "sampling" and facts.still <= limit(facts):  # the answers come first
        return None
    return (
        "alarm",
        _("the worker does not heed the request to stop"),
        _("asked {time} ago, it is still in the phase {phase}").format(
            time=show.duration(waited), phase=phase(facts.state.phase)
        ),
        _("Kill it. The newest checkpoint is sound; a resume goes on from there."),
        KILL,
    )


RULES = (
    deaf, silent, swapping, download, loading, tokenizing, validation, first_step, step, saving,
)  # fmt: skip
