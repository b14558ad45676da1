"""Fields for a folder, or for data, which complete with Tab as a shell does."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import ClassVar

from farense_worker.protocol.language import gettext as _
from textual.binding import Binding, BindingType
from textual.events import Focus
from textual.widgets import Input

_MOST_ENTRIES = 10_000  # of a folder; what is beyond is not looked at


class PathField(Input):
    """Tab completes what is being typed; where there is nothing to complete, it goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "complete", _("Complete"), show=False),
    ]

    _before = ""  # what stood there when the user came

    def on_focus(self, event: Focus) -> None:
        self._before = self.value

    def action_complete(self) -> None:
        """Complete, but leave alone what the user only passes."""
        longer = self.value
        if longer != self._before:
            longer = completed(longer, self._file_counts)
        if longer == self.value:
            self.screen.focus_next()
        else:
            self.value = longer
            self.cursor_position = len(longer)

    def _file_counts(self, _name: str) -> bool:
        """Whether a file of this name is completed too."""
        return False


class DataField(PathField):
    """A field for what is trained on: files in which there may be rows complete as well."""

    def _file_counts(self, name: str) -> bool:
        from farense_tui.dataset.sources import may_hold_rows  # not before the first paint

        return may_hold_rows(name)


def completed(text: str, file_counts: Callable[[str], bool] = lambda _name: False) -> str:
    """Give a path as far as the folders that begin with it agree; with a / where there is one.

    file_counts: which files, by their names, are completed beside the folders.
    """
    _above, _slash, begun = text.rpartition("/")
    folder = os.path.expanduser(text[: len(text) - len(begun)] or ".")
    found: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for _at, entry in zip(range(_MOST_ENTRIES), entries, strict=False):
                hidden = entry.name.startswith(".") and not begun
                if not entry.name.startswith(begun) or hidden:
                    continue
                if entry.is_dir():
                    found.append(f"{entry.name}/")
                elif file_counts(entry.name):
                    found.append(entry.name)
    except (OSError, ValueError):  # a name that cannot be one
        return text
    common = os.path.commonprefix(found)  # noqa: RUF071 - letters of names are meant
    if len(common.removesuffix("/")) <= len(begun):
        return text
    return text[: len(text) - len(begun)] + common
