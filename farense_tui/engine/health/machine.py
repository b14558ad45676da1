"""What the machine does to the run: memory, heat, disk, clock, and the wrong processor."""

from __future__ import annotations

from math import isfinite
from statistics import median

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.percent import percent

from farense_tui.engine import readable as show
from farense_tui.engine.health.facts import Facts
from farense_tui.engine.health.finding import Found, rule
from farense_tui.engine.health.remedies import smaller_steps, takes_less

_SLOW, _SLOW_STEPS, _SLOW_SECONDS = 0.6, 20, 60.0
_COLUMNS = 30
_MOST = 1000  # steps of that minute that are looked at
_TRUNCATED = 0.1
_DISK = 512 << 20
_GAP_IS_NEWS = 900.0  # seconds


@rule(
    "memory",
    _("the worker's memory is above memory.warning of what the machine recommends"),
    _("smaller micro-batch"),
)
def memory(facts: Facts) -> Found | None:
    """At memory.critical the worker saves and ends by itself."""
    state, config = facts.state, facts.config
    limit = state.started.memory_limit if state.started else 0
    if not facts.alive or not limit or state.heartbeat is None or config is None:
        return None
    used, change = state.heartbeat.rss, smaller_steps(config, facts.state)
    share, settings = used / limit, config.memory
    if share < settings.warning:
        return None
    return (
        "alarm" if share > (settings.warning + 2 * settings.critical) / 3 else "warning",
        _("memory is near the limit"),
        _("{used} of {limit}, {share}; at {critical} it saves and ends").format(
            used=show.size(used),
            limit=show.size(limit),
            share=percent(share),
            critical=percent(settings.critical),
        ),
        takes_less(change),
        change,
    )


@rule(
    "slower",
    _(
        "the median of tokens a second over the newest minute, and at least {steps} steps, is "
        "below {share} of the median of the steps before; those of earlier workers "
        "count if machine, versions and settings of memory were the same"
    ).format(steps=_SLOW_STEPS, share=_SLOW),
    _("air and mains power; other programs"),
)
def slower(facts: Facts) -> Found | None:
    """Heat, a battery, other programs; where swap grows, that is told instead."""
    state = facts.state
    seconds = facts.usual_step or 1.0
    if not isfinite(seconds):  # of a damaged record
        return None
    count = max(_SLOW_STEPS, min(_MOST, int(_SLOW_SECONDS / max(seconds, 1e-3))))
    first = facts.alike_from
    soon = facts.steps_here <= count or state.step - first < 3 * count
    if not facts.alive or soon:
        return None
    before = state.tokens_per_second.columns(_COLUMNS, first + 2, state.step - count)
    recent = sorted(state.tokens_per_second.tail(count))
    if not before or len(recent) < count:
        return None
    usual, now = median(column.mean for column in before), median(recent)
    if not usual or now > _SLOW * usual or recent[3 * count // 4] > 0.8 * usual:
        return None
    evidence = (
        _("{now} tokens a second over the newest {count} steps, {usual} before, on battery")
        if facts.on_battery
        else _("{now} tokens a second over the newest {count} steps, {usual} before")
    )
    return (
        "warning",
        _("it has become {times:.1f} times slower").format(times=usual / now),
        evidence.format(now=show.speed(now), count=count, usual=show.speed(usual)),
        _(
            "A hot machine slows itself down, and so does Low Power Mode: give it air and mains "
            "power. Look for other programs."
        ),
    )


@rule("cpu", _("a Mac's run computes on the CPU"), _("start it on the Mac itself, not over ssh"))
def cpu(facts: Facts) -> Found | None:
    """Only where there is a GPU: the device names an Apple chip."""
    device = facts.state.started.device if facts.state.started else ""
    if not facts.alive or not (device.startswith("cpu") and "Apple" in device):
        return None
    return (
        "warning",
        _("it trains on the CPU"),
        _("MLX computes on {device}").format(device=device),
        _("MLX has found no GPU. In a virtual machine or a session over ssh there may be none."),
    )


@rule(
    "truncated",
    _("more than {share} of the rows are longer than train.max_seq_length").format(
        share=percent(_TRUNCATED)
    ),
    _("a new run with longer sequences, or shorter rows"),
)
def truncated(facts: Facts) -> Found | None:
    """What is cut off is not learnt, and it is the end of the answers."""
    started, config = facts.state.started, facts.config
    rows = started.train_examples + started.valid_examples if started else 0
    if not facts.alive or started is None or not rows or started.truncated_examples < 1:
        return None
    if started.truncated_examples <= _TRUNCATED * rows:
        return None
    longest = config.train.max_seq_length if config else 0
    return (
        "warning",
        _("many rows are cut off"),
        _("{cut} of {rows} rows are longer than {longest} tokens and lose their ends").format(
            cut=started.truncated_examples, rows=rows, longest=longest
        ),
        _("Start anew with a larger train.max_seq_length, or split the rows."),
    )


@rule(
    "disk",
    _(
        "there is less free than two checkpoints and 512 MiB, or nothing at all, or the worker "
        "waits for space"
    ),
    _("make space: the run goes on by itself"),
)
def disk(facts: Facts) -> Found | None:
    """A checkpoint that does not fit makes the run wait, not fail."""
    state = facts.state
    if not facts.alive:
        return None
    notice = next((n for n in state.notices[-5:] if n.code == "disk_full"), None)
    if notice and state.phase == "paused" and notice.time >= state.phase_since:
        waits = _("for {time}: {what}").format(
            time=show.duration(facts.now - state.phase_since), what=notice.message
        )
        return "alarm", _("it waits for space on the disk"), waits, notice.hint
    if facts.disk_full:
        return (
            "alarm",
            _("no space on the disk"),
            _("the run goes on until its next checkpoint; what it says waits for space as well"),
            _("Make space, and it goes on by itself."),
        )
    need = 2 * max((c.bytes for c in state.checkpoints[-3:]), default=0) + _DISK
    if facts.disk_free is None or facts.disk_free >= need:
        return None
    return (
        "warning",
        _("the disk is nearly full"),
        _("{size} are free where the checkpoints go").format(size=show.size(facts.disk_free)),
        _("Make space, or delete old runs (l lists them). A full disk makes the run wait."),
    )


@rule(
    "gap",
    _(
        "the clock and the worker's own have parted by 30 s, or it said nothing for as long; "
        "told for 15 minutes"
    ),
    _("mains power, lid open"),
)
def gap(facts: Facts) -> Found | None:
    """A Mac that slept, a clock that was set, a process that was suspended."""
    state = facts.state
    newest = state.gaps[-1] if state.gaps else None
    if not facts.alive or newest is None:
        return None
    if state.last_time - newest.time > _GAP_IS_NEWS:
        return None
    if newest.silent:
        return (
            "note",
            _("it stood still for a while"),
            _("no heartbeat for {time} at step {step}; then it went on").format(
                time=show.duration(newest.silent), step=newest.step
            ),
            _("It was suspended, or the machine was swapping. Nothing is lost."),
        )
    if newest.asleep < 0:
        return (
            "note",
            _("the clock was set back"),
            _("by {time} at step {step}").format(
                time=show.duration(-newest.asleep), step=newest.step
            ),
            _("Times before and after do not compare. The training is not touched by it."),
        )
    return (
        "note",
        _("the machine slept"),
        _("for {time} at step {step}, or its clock was set forth; then it went on").format(
            time=show.duration(newest.asleep), step=newest.step
        ),
        _("Keep it on mains power with the lid open. Nothing is lost but the time."),
    )


RULES = (memory, slower, cpu, truncated, disk, gap)
