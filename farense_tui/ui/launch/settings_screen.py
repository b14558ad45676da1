"""Every setting of a profile, in groups, to be searched."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import ClassVar

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.fields import Setting
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from farense_tui.engine.profiles.draft import Draft, all_settings, find
from farense_tui.engine.profiles.settings_words import GROUPS, words
from farense_tui.ui.common.key_footer import KeyFooter
from farense_tui.ui.common.setting_row import SettingRow
from farense_tui.ui.launch.help_line import HelpLine
from farense_tui.ui.launch.settings_form import SettingsForm

Change = Callable[[str, str | None], Draft]


class SettingsScreen(Screen[None]):
    """Edits the draft of the launch screen, which `change` keeps: None takes a change back."""

    HELP_TITLE = _("All settings")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (104, "-wide")]  # noqa: RUF012 - Screen's own type
    AUTO_FOCUS = None
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", _("Back")),
        Binding("ctrl+f", "search", _("Search"), tooltip=_("/ does so where no text is typed")),
        Binding("slash", "search", _("Search"), show=False),
    ]

    def __init__(
        self, draft: Draft, next_name: str, headline: Content, change: Change, *, search: bool
    ) -> None:
        """Show `draft`, and what the plan says by now. search: begin in the field that searches."""
        super().__init__()
        self._draft, self._next_name, self._headline = draft, next_name, headline
        self._change, self._search = change, search

    def compose(self) -> ComposeResult:
        """What is searched for, what the plan says by now, the settings, the one at the focus."""
        yield Input(placeholder=_("search: a word, or a name"), id="search", compact=True)
        yield Static(id="headline", markup=False)
        names = [setting.name for setting in all_settings()]
        with VerticalScroll(id="settings", can_focus=False):
            yield SettingsForm(self._draft, self._next_name, names, grouped=True)
        yield HelpLine()
        yield KeyFooter()

    def on_mount(self) -> None:
        """Say what the plan is by now, and begin where the user wants to."""
        self._tell()
        if self._search:
            self.query_one("#search").focus()
        else:
            self.call_after_refresh(self.call_after_refresh, self.query_one(SettingsForm).enter)

    def show_headline(self, content: Content) -> None:
        """Say what the plan is by now; what comes before there is a screen is said with it."""
        self._headline = content
        self._tell()

    def _tell(self) -> None:
        for shown in self.query("#headline").results(Static):  # none yet, or none any more
            shown.update(self._headline)

    def on_input_changed(self, message: Input.Changed) -> None:
        """Show what is searched for; fields of settings speak for themselves."""
        if message.input.id == "search":
            form = self.query_one(SettingsForm)
            form.filter([each.name for each in all_settings() if matches(each, message.value)])
            self.query_one("#settings").scroll_home(animate=False)

    def on_input_submitted(self, message: Input.Submitted) -> None:
        """Go to the first setting that was found."""
        found = [row for row in self.query(SettingRow) if row.display]
        if found:
            self.query_one(SettingsForm).enter(found[0].setting.name)

    def on_setting_row_edited(self, message: SettingRow.Edited) -> None:
        self._take(message.name, message.text)

    def on_settings_form_undo(self, message: SettingsForm.Undo) -> None:
        self._take(message.name, None)

    def _take(self, name: str, text: str | None) -> None:
        self._draft = self._change(name, text)
        self.query_one(SettingsForm).show_change(name, self._draft)
        self.query_one(HelpLine).show(find(name), self._draft)

    def on_setting_row_focused(self, message: SettingRow.Focused) -> None:
        self.query_one(HelpLine).show(message.setting, self._draft)

    def action_search(self) -> None:
        """Go to the field that searches."""
        field = self.query_one("#search", Input)
        field.focus()
        field.action_select_all()

    def action_back(self) -> None:
        """Leave; from what was found first to all of them."""
        field = self.query_one("#search", Input)
        if field.value:
            at = self.query_one(SettingsForm).at
            field.value = ""
            self.query_one(SettingsForm).enter(at.name)
        else:
            self.dismiss()


def matches(setting: Setting, text: str) -> bool:
    """Whether a word of its name, title, group or help begins with each that is searched for."""
    about = words(setting.name)
    where = (setting.name, about.title, about.help, about.unit, GROUPS[setting.section])
    whole = " ".join(where).casefold()
    return all(
        re.search(rf"(?<![^\W_]){re.escape(word)}", whole) for word in text.casefold().split()
    )
