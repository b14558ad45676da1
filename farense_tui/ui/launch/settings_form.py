"""Settings of a profile, editable: the few that matter, or all of them in groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import ClassVar

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.fields import Setting
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.content import Content
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Static

from farense_tui.engine.profiles.draft import RUN_NAME, Draft, find
from farense_tui.engine.profiles.settings_words import GROUPS
from farense_tui.ui.common.setting_row import SettingRow, title_width

_EMPTY = "—"


class SettingsForm(VerticalGroup):
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

    def __init__(
        self, draft: Draft, next_name: str, names: Sequence[str], *, grouped: bool = False
    ) -> None:
        """Begin with `draft`; `next_name` is what the run is called if nothing else is typed.

        grouped: with the name of each group above it.
        """
        super().__init__()
        self._draft = draft
        self._next_name = next_name
        self._names = names
        self._grouped = grouped
        self._at = find(names[0])
        self._rows: dict[str, SettingRow] = {}
        self._notes: Mapping[str, Content] = {}

    def on_mount(self) -> None:
        """Make the rows once the first frame is out."""
        self.call_after_refresh(self._fill)

    async def _fill(self) -> None:
        widgets: list[Widget] = []
        found: dict[str, SettingRow] = {}
        width = title_width(self._names)
        settings = [find(name) for name in self._names]
        for group, members in groupby(settings, key=lambda s: s.section if self._grouped else ""):
            rows = {each.name: SettingRow(each, self._draft, width) for each in members}
            found |= rows
            if group:
                widgets.append(Static(GROUPS[group], classes="section", markup=False))
            widgets += rows.values()
        await self.mount_all(widgets)
        self._rows = found  # before that they take neither notes nor the focus
        self.tell(self._notes)
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

    def tell(self, notes: Mapping[str, Content]) -> None:
        """Put notes beside the settings in place of their units."""
        self._notes = notes
        for name, row in self._rows.items():
            row.tell(notes.get(name))

    @property
    def ready(self) -> bool:
        """Whether the rows are there."""
        return bool(self._rows)

    def row(self, name: str) -> SettingRow:
        return self._rows[name]

    def enter(self, name: str = "") -> None:
        """Put the focus on a setting; without one where it was before, at first on the first."""
        if row := self._rows.get(name or self._at.name):
            row.query_one(".field").focus()

    def filter(self, wanted: Sequence[str]) -> None:
        """Show these settings alone, with the names of their groups."""
        section: Static | None = None
        for child in self.children:
            if isinstance(child, SettingRow):
                child.display = child.setting.name in wanted
                if section and child.display:
                    section.display = True
            elif isinstance(child, Static):
                section = child
                section.display = False

    @property
    def at(self) -> Setting:
        """The setting that has or had the focus."""
        return self._at

    def on_setting_row_focused(self, message: SettingRow.Focused) -> None:
        self._at = message.setting

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Go on to the next setting; a training is started from outside the form only."""
        message.stop()
        self.screen.focus_next()

    def action_undo(self) -> None:
        """Ask to take the change at the focus back."""
        self.post_message(self.Undo(self._at.name))
