"""Reaches a user who looks elsewhere: the terminal's title, its progress mark, a bell, a message.

What a terminal does not know it ignores. Each can be turned off (preferences.py).
"""

from __future__ import annotations

from collections.abc import Callable

from farense_worker.protocol.clean_text import clean

from farense_tui.engine.machine import desktop
from farense_tui.engine.post import post

_PATIENCE = 10.0
_END = "\x1b\\"


class Reach:
    """Writes to the terminal, by `write`, what is new about a run."""

    def __init__(
        self, write: Callable[[str], None], wanted: Callable[[str], bool], progress: bool = True
    ) -> None:
        """`wanted` says what the user wants of `title`, `progress`, `bell` and `notify`.

        progress: whether the terminal knows that mark.
        """
        self._write = write
        self._wanted = {name: wanted(name) for name in ("title", "progress", "bell", "notify")}
        self._wanted["progress"] &= progress
        self._shown: tuple[str, int] | None = None

    def course(self, title: str, share: float | None, bad: bool = False) -> None:
        """Show in the terminal's title and tab how far a run is; None takes the mark away.

        The mark is that of ConEmu, which Windows Terminal, Ghostty, WezTerm and iTerm2 show.
        """
        percent = -1 if share is None else round(100 * share)
        shown = (clean(title), -2 - percent if bad else percent)
        if shown == self._shown:
            return
        self._shown = shown
        if self._wanted["title"]:
            self._write(f"\x1b]2;{shown[0]}{_END}")
        if self._wanted["progress"]:
            state = 0 if share is None else 2 if bad else 1
            self._write(f"\x1b]9;4;{state};{max(0, percent)}{_END}")

    def tell(self, title: str, text: str) -> None:
        """Ring, and have the terminal show a message (OSC 9 and 777) where the system does not."""
        title, text = clean(title), clean(text)
        if self._wanted["bell"]:
            self._write("\a")
        if self._wanted["notify"] and not desktop.can_notify():
            flat = text.replace(";", ",")
            self._write(f"\x1b]9;{title}: {flat}{_END}")
            self._write(f"\x1b]777;notify;{title.replace(';', ',')};{flat}{_END}")

    def send(self, title: str, text: str, webhook: str) -> None:
        """Show it on the desktop and send it to a webhook. Takes seconds; for a thread.

        Raises OSError where nobody answers there, or not as a web server does.
        """
        if self._wanted["notify"]:
            desktop.notify(clean(title), clean(text))
        if webhook:
            post(
                webhook,
                f"{clean(title)}: {clean(text)}".encode(),
                {"Title": "farense-tui", "Content-Type": "text/plain; charset=utf-8"},
                _PATIENCE,
            )
