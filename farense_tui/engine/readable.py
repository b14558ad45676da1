"""Numbers, and names that are too long, as people read them."""

from __future__ import annotations

import time
from math import floor, isfinite, nan
from pathlib import Path

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.percent import percent

from farense_tui.engine import status_words

UNKNOWN = "—"
_AGO = (
    (_("{n} min ago"), 60, 60),
    (_("{n} h ago"), 3600, 48),
    (_("{n} days ago"), 86400, 31),
)


def size(count: float | None) -> str:
    """Bytes in binary units: `1.5 GiB`."""
    if count is None:
        return UNKNOWN
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if abs(amount) < 1024:
            return f"{amount:.0f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


def short_size(count: float | None) -> str:
    """Bytes in at most five characters: `400M`, `1.5G`, `64G`."""
    if count is None:
        return UNKNOWN
    if count < 1000 * (1 << 20):
        return f"{count / (1 << 20):.0f}M"
    gib = count / (1 << 30)
    return f"{gib:.0f}G" if gib >= 99.95 else f"{gib:.1f}G"


def duration(seconds: float | None) -> str:
    """`4 s`, `3:07` or `2:03:07`."""
    if seconds is None or not isfinite(seconds):
        return UNKNOWN
    whole = int(max(0.0, seconds) + 0.5)
    hours, rest = divmod(whole, 3600)
    minutes, secs = divmod(rest, 60)
    if hours:
        return f"{hours}:{minutes:02}:{secs:02}"
    return f"{minutes}:{secs:02}" if minutes else f"{secs} s"


def long_duration(seconds: float) -> str:
    """As one says it: `1 h 50 min`, `12 min`, `40 s`."""
    if seconds < 60:
        return _("{n} s").format(n=round(seconds))
    minutes = round(seconds / 60)
    if minutes < 60:
        return _("{n} min").format(n=minutes)
    said = _("{hours} h {minutes} min") if minutes % 60 else _("{hours} h")
    return said.format(hours=minutes // 60, minutes=minutes % 60)


def download_size(gigabytes: float) -> str:
    """As the hub lists it, in units of a thousand: `4.1 GB`, `720 MB`."""
    return f"{gigabytes:.1f} GB" if gigabytes >= 1 else f"{gigabytes * 1000:.0f} MB"


def part(done: int, total: int, unit: str) -> str:
    """How far something is: `695 MiB of 1.5 GiB`, `12 of 108 rows`; `unit` is the worker's."""
    if unit == "bytes":
        return _("{done} of {total}").format(done=size(done), total=size(total))
    return _("{done} of {total} {unit}").format(
        done=done, total=total, unit=status_words.unit(unit)
    )


def steps(n: int) -> str:
    return ngettext("{n} step", "{n} steps", n).format(n=n)


def examples(n: int) -> str:
    return ngettext("{n} example", "{n} examples", n).format(n=n)


def rows(n: int) -> str:
    return ngettext("{n} row", "{n} rows", n).format(n=n)


def tokens(n: int, *, short: bool = False) -> str:
    """`1 token`, `23127 tokens`; in short `23.1 k tokens`."""
    return ngettext("{n} token", "{n} tokens", n).format(n=count(n) if short else n)


def from_here(text: str) -> str:
    """Leave the folder out where the user stands: its files go by their short names."""
    try:
        return text.replace(f"{Path.cwd()}/", "")
    except OSError:  # it was deleted
        return text


def middle_cut(text: str, width: int) -> str:
    """Fit a name into so many cells: what is cut is its middle, as names differ at their ends.

    Of an odd width the end has the larger part.
    """
    if len(text) <= width:
        return text
    tail = max(0, width // 2)
    return f"{text[: max(0, width - 1 - tail)]}…{text[len(text) - tail :]}"


def ago(then: float, now: float) -> str:
    """How long ago, roughly: `now`, `3 min ago`, `2 h ago`, `5 days ago`; a date after a month."""
    seconds = max(0.0, now - then)
    for text, length, upto in _AGO:
        if seconds < 60:
            return _("now")
        if seconds < length * upto:
            return text.format(n=int(seconds / length))
    return time.strftime("%Y-%m-%d", time.localtime(then))


def loss(value: float | None) -> str:
    """Four decimals, as trainers print it; at most eight characters, however small or large."""
    if value is None:
        return UNKNOWN
    if not isfinite(value):
        return _("not finite")
    amount = abs(value)
    if 0 < amount < 5e-5 or amount >= 99_999.95:
        return f"{value:.1e}"
    return f"{value:.4f}" if amount < 99.99995 else f"{value:.1f}"


def perplexity(value: float | None) -> str:
    """exp(loss), in four digits: `1.097`, `16.16`, `1.253e+05`."""
    if value is None:
        return UNKNOWN
    return f"{value:.4g}" if isfinite(value) else _("not finite")


def rate(value: float | None) -> str:
    """A learning rate: `2e-04`, `1.5e-03`."""
    return UNKNOWN if value is None else f"{value:.3g}"


def speed(value: float | None) -> str:
    """Tokens a second: `0.04`, `0.4`, `958`, `12043`."""
    if value is None or not isfinite(value):
        return UNKNOWN
    if 0 < value < 0.095:
        return f"{value:.1g}"
    return f"{value:.0f}" if value >= 9.95 else f"{value:.1f}"


def share(value: float, digits: int = 0) -> str:
    """A part of a whole: `42%`, `<1%`, `>99%`; 0 and 100 are said of nothing and of all alone."""
    least = 0.1**digits / 100
    if 0 < value < least / 2:
        return f"<{percent(least, digits)}"
    if 1 - least / 2 <= value < 1:
        return f">{percent(1 - least, digits)}"
    return percent(value, digits)


def epochs(value: float) -> str:
    """Passes over the data, in decimals that are reached: `4.00` is the end of the fourth."""
    hundredths = value * 100 + 1e-6
    return f"{floor(hundredths) / 100:.2f}" if isfinite(hundredths) else UNKNOWN


def progress(done: float, total: float) -> str:
    """How far something is, in whole percents that are reached: `100%` is said at the end alone."""
    reached = 100 * done / total if total else nan
    return percent(floor(reached) / 100) if isfinite(reached) else UNKNOWN


def count(value: float | None) -> str:
    """A count with a unit where it is large: `12`, `3.4 k`, `120 k`, `1.2 M`, `7.2 B`."""
    if value is None or not isfinite(value):
        return UNKNOWN
    amount = float(value)
    if abs(amount) < 1000:
        return f"{amount:.0f}"
    for unit in ("k", "M", "B"):
        amount /= 1000
        if abs(amount) < 1000 or unit == "B":
            break
    return f"{amount:.0f} {unit}" if abs(amount) >= 100 else f"{amount:.1f} {unit}"
