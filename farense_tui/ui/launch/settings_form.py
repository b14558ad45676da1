"""Every setting of a profile, editable, in sections as in the file."""

from __future__ import annotations

from itertools import groupby
from typing import ClassVar

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.fields import Setting
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from farense_tui.engine.profiles.draft import RUN_NAME, Draft, all_settings
from farense_tui.ui.common.setting_row import SettingRow

_EMPTY = "—"


class SettingsForm(VerticalScroll, can_focus=False):
    """Shows a draft; posts `SettingRow.Edited`, `SettingRow.Focused` and `Undo`."""

    HELP_TITLE = _("Settings")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "app.focus_previous", _("Setting above"), show=False),
        Binding("down", "app.focus_next", _("Setting below"), show=False),
        Binding("ctrl+z", "undo", _("Undo this change")),
    ]

    class Undo(Message):
        """One change is to be taken back."""

        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, draft: Draft, next_name: str) -> None:
        """Begin with `draft`; `next_name` is what the run is called if nothing else is typed."""
        super().__init__()
        self._draft = draft
        self._next_name = next_name
        self._at: Setting = RUN_NAME
        self._rows: dict[str, SettingRow] = {}

    def on_mount(self) -> None:
        """Make the rows once the first frame is out: they are half of all there is to mount."""
        self.call_after_refresh(self._fill)

    async def _fill(self) -> None:
        widgets: list[Widget] = []
        for section, settings in groupby(all_settings(), key=lambda s: s.section):
            rows = {setting.name: SettingRow(setting, self._draft) for setting in settings}
            self._rows |= rows
            widgets += [Static(section, classes="section", markup=False), *rows.values()]
        await self.mount_all(widgets)
        self.show(self._draft, self._next_name)

    def show(self, draft: Draft, next_name: str) -> None:
        self._draft, self._next_name = draft, next_name
        for name in self._rows:
            self.show_change(name, draft)

    def show_change(self, name: str, draft: Draft) -> None:
        """Show another draft that differs in one setting only."""
        self._draft = draft
        if row := self._rows.get(name):
            row.show(draft, self._next_name if name == RUN_NAME.name else _EMPTY)

    def row(self, name: str) -> SettingRow:
        return self._rows[name]

    def enter(self) -> None:
        """Put the focus where it was before, at first on the first field."""
        if self._rows:
            self.row(self._at.name).query_one(".field").focus()

    def on_setting_row_focused(self, message: SettingRow.Focused) -> None:
        self._at = message.setting

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Go on to the next setting; a training is started from outside the form only."""
        message.stop()
        self.screen.focus_next()

    def action_undo(self) -> None:
        """Ask to take the change at the focus back."""
        self.post_message(self.Undo(self._at.name))
