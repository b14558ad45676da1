"""One setting in the form: its name, the field that fits its type, and a word on it."""

from __future__ import annotations

from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.events import DescendantFocus
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Select, Static, Switch

from farense_tui.engine.draft import Draft, is_long, is_switch
from worker.protocol.profile import Setting


class Toggle(Switch):
    """A switch of one line that says in words how it stands."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "toggle_switch", "On or off", show=False),
    ]

    def render(self) -> Content:
        """A full or an empty circle, and the word."""
        on_style, off_style = ("$accent", "$text-muted") if self.value else ("$text-muted", "")
        return Content.assemble(
            ("● " if self.value else "○ ", on_style),
            ("on" if self.value else "off", "" if self.value else off_style),
        )

    def get_content_width(self, container: object, viewport: object) -> int:
        """Room for the longer word."""
        return 5

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Keep letters: one typed a field too far must not start a training."""
        return character is not None and character.isprintable() and key != "space"


class Choice(Select[str], inherit_bindings=False):
    """A select of one line; up and down leave it, as they do every other field."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,space", "show_overlay", "Choose", show=False),
    ]

    def check_consume_key(self, key: str, character: str | None = None) -> bool:
        """Keep letters, as `Toggle` does."""
        return character is not None and character.isprintable()


class SettingRow(Horizontal):
    """Shows one setting of a draft and posts what is typed."""

    class Edited(Message):
        """Something was typed, right or not."""

        def __init__(self, name: str, text: str) -> None:
            """Say which setting and what stands there now."""
            super().__init__()
            self.name = name
            self.text = text

    class Focused(Message):
        """The field has the focus now."""

        def __init__(self, setting: Setting) -> None:
            """Say which setting."""
            super().__init__()
            self.setting = setting

    def __init__(self, setting: Setting, draft: Draft, placeholder: str = "") -> None:
        """Begin with what `draft` says."""
        super().__init__()
        self.setting = setting
        self.placeholder = placeholder
        self._text = draft.text(setting.name)
        self.set_class(is_long(setting), "-long")

    def compose(self) -> ComposeResult:
        """Mark and name, field, note."""
        yield Static(f"  {self.setting.key}", classes="name", markup=False)
        yield self._make_field()
        yield Static(self.setting.description, classes="note", markup=False)

    def _make_field(self) -> Widget:
        if is_switch(self.setting):
            return Toggle(self._text == "true", animate=False, classes="field")
        if self.setting.choices:
            options = [(choice, choice) for choice in self.setting.choices]
            return Choice(
                options, value=self._text, allow_blank=False, compact=True, classes="field"
            )
        return Input(self._text, placeholder=self.placeholder, compact=True, classes="field")

    def show(self, draft: Draft) -> None:
        """Show what `draft` says of this setting."""
        name = self.setting.name
        self._text = draft.text(name)
        self._set_field(self._text)
        fault = draft.faults.get(name, "")
        self.set_class(name in draft.typed, "-changed")
        self.set_class(bool(fault), "-fault")
        mark = "✗" if fault else "*" if name in draft.typed else " "
        label, note = self.query_one(".name", Static), self.query_one(".note", Static)
        label.update(f"{mark} {self.setting.key}")
        note.update(fault or self.setting.description)

    def _set_field(self, text: str) -> None:
        field = self.query_one(".field")
        if isinstance(field, Toggle):
            field.value = text == "true"
        elif isinstance(field, Choice) or (isinstance(field, Input) and field.value != text):
            field.value = text

    @on(Input.Changed)
    @on(Switch.Changed)
    @on(Select.Changed)
    def _changed(self, message: Input.Changed | Switch.Changed | Select.Changed) -> None:
        message.stop()
        value = message.value
        text = ("true" if value else "false") if isinstance(value, bool) else str(value)
        if text != self._text:  # else it was `show` that changed the field
            self._text = text
            self.post_message(self.Edited(self.setting.name, text))

    def on_descendant_focus(self, event: DescendantFocus) -> None:
        """Tell which setting it is that the user is at."""
        self.post_message(self.Focused(self.setting))
