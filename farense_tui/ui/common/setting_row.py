"""One setting in the form: its name, the field that fits its type, and a word on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.fields import Setting
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.events import DescendantFocus
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Select, Switch

from farense_tui.engine.profiles.draft import Draft, is_long, is_switch
from farense_tui.engine.profiles.settings_words import words
from farense_tui.ui.common.path_field import DataField, PathField

FIELDS = {"data.path": DataField, "model.repo": PathField, "model.adapter": PathField}


class Toggle(Switch):
    """A switch of one line that says in words how it stands."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "toggle_switch", _("On or off"), show=False),
    ]

    def render(self) -> Content:
        """A full or an empty circle, and the word."""
        on_style, off_style = ("$accent", "$text-muted") if self.value else ("$text-muted", "")
        return Content.assemble(
            ("● " if self.value else "○ ", on_style),
            (_("on") if self.value else _("off"), "" if self.value else off_style),
        )

    def get_content_width(self, container: object, viewport: object) -> int:
        """Room for the longer word."""
        return 2 + max(len(_("on")), len(_("off")))

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Keep letters: one typed a field too far must not start a training."""
        return character is not None and character.isprintable() and key != "space"


class Choice(Select[str], inherit_bindings=False):
    """A select of one line; up and down leave it, as they do every other field."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "show_overlay", _("Choose"), show=False),
    ]

    def check_consume_key(self, key: str, character: str | None = None) -> bool:
        """Keep letters, as `Toggle` does."""
        return character is not None and character.isprintable()


_FIELD = 14  # cells of a short field, as in the stylesheet
_ROOM = 22  # for the note beside a long one
_WIDE = 100  # from here on a long field has an end, and its note is beside that
_LONG = 48


def title_width(names: Iterable[str]) -> int:
    """Cells that the longest title takes, with the mark before it and a gap behind."""
    return max(len(words(name).title) for name in names) + 4


class SettingRow(Horizontal):
    """Shows one setting of a draft and posts what is typed."""

    class Edited(Message):
        """Something was typed, right or not."""

        def __init__(self, name: str, text: str) -> None:
            super().__init__()
            self.name = name
            self.text = text

    class Focused(Message):
        """The field has the focus now."""

        def __init__(self, setting: Setting) -> None:
            super().__init__()
            self.setting = setting

    def __init__(self, setting: Setting, draft: Draft, title_width: int) -> None:
        """Begin with what `draft` says."""
        super().__init__()
        self.setting = setting
        self._field_at = title_width
        self._note: Content | None = None
        self._text = draft.text(setting.name)
        self._changed = False
        self._fault = ""
        self.set_class(is_long(setting), "-long")

    def compose(self) -> ComposeResult:
        """The field alone; what stands beside it is drawn, as widgets it would be slow."""
        field = self._make_field()
        field.styles.margin = (0, self._room, 0, self._field_at)
        yield field

    def on_resize(self) -> None:
        """Give a long field the room there is."""
        self.query_one(".field").styles.margin = (0, self._room, 0, self._field_at)

    @property
    def _room(self) -> int:
        """Cells to the right of a long field; a short one has its width."""
        if not is_long(self.setting):
            return 0
        least = max(_ROOM, len(self.setting.name) + 2)
        wide = self.size.width - self._field_at - _LONG if self.size.width >= _WIDE else 0
        return max(least, wide)

    def tell(self, note: Content | None) -> None:
        """Say something of it beside it; None for the unit of its figure."""
        if note != self._note:
            self._note = note
            self.refresh()

    def render(self) -> Content:
        """Mark and title before the field, behind it a note, at the end what `--set` takes."""
        style = "$foreground bold" if self.has_focus_within else "$text-muted"
        mark = " "
        if self._fault:
            mark, style = "✗", "$error"
        elif self._changed:
            mark, style = "*", "$accent"
        title = f"{mark} {words(self.setting.name).title}".ljust(self._field_at)
        note, name = self.note, self.setting.name
        room = (self._room or self.size.width - self._field_at - _FIELD) - 2
        before = self.size.width - len(title) - room
        told = note.truncate(room, ellipsis=True) if note.cell_length > room else note
        gap = room - told.cell_length - len(name)
        fits = gap >= 2 or (not told.plain and gap >= 0)
        shown = name if fits and not self._fault else ""
        space = " " * max(0, gap if shown else 0)
        return Content.assemble(
            (title, style), " " * before, told, (space + shown, "$text-disabled")
        )

    @property
    def note(self) -> Content:
        """What is wrong, what was told, or the unit."""
        if self._fault:
            return Content.styled("" if is_long(self.setting) else self._fault, "$error")
        if self._note is not None:
            return self._note
        return Content.styled(words(self.setting.name).unit, "$text-muted")

    @property
    def fault(self) -> str:
        """What is wrong with what was typed, "" if nothing is."""
        return self._fault

    def _make_field(self) -> Widget:
        if is_switch(self.setting):
            return Toggle(self._text == "true", animate=False, classes="field")
        if self.setting.choices:
            options = [(choice, choice) for choice in self.setting.choices]
            return Choice(
                options, value=self._text, allow_blank=False, compact=True, classes="field"
            )
        field = FIELDS.get(self.setting.name, Input)
        return field(self._text, compact=True, classes="field")

    def show(self, draft: Draft, placeholder: str = "") -> None:
        """Show what `draft` says of this setting, and `placeholder` where it says nothing.

        A draft may be older than what stands in the field: of that it is told next.
        """
        name = self.setting.name
        typed_since = self._field_text() != self._text
        self._text = draft.text(name)
        self._changed = name in draft.typed
        self._fault = draft.faults.get(name, "")
        if not typed_since:
            self._set_field(self._text, placeholder)
        self.refresh()

    def _set_field(self, text: str, placeholder: str) -> None:
        field = self.query_one(".field")
        if isinstance(field, Toggle):
            field.value = text == "true"
        elif isinstance(field, Choice):
            field.value = text
        elif isinstance(field, Input):
            field.placeholder = placeholder
            field.value = text

    def _field_text(self) -> str:
        field = self.query_one(".field")
        if isinstance(field, Toggle):
            return "true" if field.value else "false"
        assert isinstance(field, Input | Choice)
        return str(field.value)

    @on(Input.Changed)
    @on(Switch.Changed)
    @on(Select.Changed)
    def _field_changed(self, message: Input.Changed | Switch.Changed | Select.Changed) -> None:
        message.stop()
        text = self._field_text()  # as it is now: the message may be older than the last `show`
        if text != self._text:
            self._text = text
            self.post_message(self.Edited(self.setting.name, text))

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        self.refresh()
        self.post_message(self.Focused(self.setting))

    def on_descendant_blur(self) -> None:
        self.refresh()
