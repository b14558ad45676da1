"""What the desktop does for a program in a terminal, where there is one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

_PATIENCE = 5.0


def show_file(path: Path) -> bool:
    """Open a file with the program that the user has for it; False where there is no desktop.

    Over ssh there is none: a browser of the terminal would draw over the screen.
    """
    if "SSH_CONNECTION" in os.environ:
        return False
    if sys.platform == "darwin":
        opener = "open"
    elif os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        opener = "xdg-open"
    else:
        return False
    found = shutil.which(opener)
    return found is not None and _done([found, str(path)])


def can_notify() -> bool:
    """Whether the system shows messages to whoever sits here. Only macOS's are used.

    Elsewhere the terminal shows them, which also works over ssh.
    """
    if "SSH_CONNECTION" in os.environ:
        return False
    mac = sys.platform == "darwin" and shutil.which("osascript")
    return bool(mac or shutil.which("terminal-notifier"))


def notify(title: str, text: str) -> bool:
    """Show a message of the system; False where there is no way to."""
    if not can_notify():
        return False
    if found := shutil.which("terminal-notifier"):
        return _done([found, "-title", title, "-message", text])
    if sys.platform == "darwin" and (found := shutil.which("osascript")):
        script = (
            "on run argv",  # not translated: a program
            "display notification (item 2 of argv) with title (item 1 of argv)",  # not translated
            "end run",  # not translated
        )
        lines = [word for line in script for word in ("-e", line)]
        return _done([found, *lines, title, text])
    return False


def _done(command: list[str]) -> bool:
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(
            command, stdin=quiet, stdout=quiet, stderr=quiet, timeout=_PATIENCE, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 0
