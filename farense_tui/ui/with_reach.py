"""What goes out of the app: to the clipboard, to the terminal's title and bell, to a webhook."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from functools import partial

from farense_worker.protocol.language import gettext as _
from textual import work
from textual.app import App

from farense_tui import compat
from farense_tui.engine.machine.terminal import shows_progress
from farense_tui.ui import preferences
from farense_tui.ui.messages import Course, News
from farense_tui.ui.notifications import Reach


class WithReach(App[None]):
    """Reaches a user who looks elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        marks = shows_progress(os.environ)
        self._reach = Reach(partial(compat.write, self), preferences.wanted, marks)

    def copy_to_clipboard(self, text: str) -> None:
        """Copy by the terminal, and by the system's own program where terminals do not heed that.

        macOS's Terminal.app is one that does not.
        """
        text = text.encode(errors="replace").decode()  # of a name that is not UTF-8
        super().copy_to_clipboard(text)
        if program := shutil.which("pbcopy"):
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run([program], input=text.encode(), timeout=2, check=False)
        self.notify(_("copied"))

    def on_course(self, message: Course) -> None:
        """Show it in the terminal's title and tab."""
        self._reach.course(message.title, message.share, message.bad)

    def on_news(self, message: News) -> None:
        """Ring, and show it outside of the app."""
        self._reach.tell(message.title, message.text)
        self._send(message)

    @work(thread=True, group="news")
    def _send(self, message: News) -> None:
        with contextlib.suppress(OSError, ValueError):  # no network: the bell has rung
            self._reach.send(message.title, message.text, preferences.webhook())
