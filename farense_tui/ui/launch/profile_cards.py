"""The profiles as cards in a row, one of them chosen."""

from __future__ import annotations

from typing import ClassVar

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.plan.memory import GIB
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import HorizontalScroll
from textual.content import Content
from textual.events import Click, Resize
from textual.message import Message
from textual.reactive import reactive
from textual.widgets import Static

from farense_tui.engine.machine.hardware import Machine
from farense_tui.engine.profiles.catalogue import Found

_ROOM_FOR_WORDS = 24
_MOST = 100  # cards; nobody steps through more, and each takes a few milliseconds
_GAP = 1  # as in the stylesheet


class ProfileCard(Static):
    """One profile. Where there is little room only the first line is seen, so it says it all."""

    chosen: reactive[bool] = reactive(False, toggle_class="-chosen")
    changes: reactive[int] = reactive(0)
    state: reactive[Content | None] = reactive(None)

    class Clicked(Message):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, found: Found, number: int, machine: Machine, fits: bool) -> None:
        """Make the card with the key `number`; `fits` marks the one for this machine."""
        super().__init__(markup=False)
        self.found = found
        self.number = number
        self.fits = fits
        memory_gb = found.profile.profile.memory_gb if found.profile else 0
        self.too_large = memory_gb > round(machine.memory / GIB)

    def render(self) -> Content:
        """Title with its sign, where the model is, description."""
        profile = self.found.profile
        title = profile.profile.title if profile else self.found.name
        sign, word, style = self._badge()
        badge = f" {sign} {word}" if self.size.width >= _ROOM_FOR_WORDS else f" {sign}"
        badge = badge if sign else ""
        lines = [Content.assemble((f"{self.number} ", "$accent"), (title, "bold"), (badge, style))]
        if profile:  # its words last: where they are long, they alone lose their end
            lines.append(self.state or Content(""))
            lines.append(Content.styled(profile.profile.description, "$text-muted"))
        return Content("\n").join(lines)

    def _badge(self) -> tuple[str, str, str]:
        """Give the sign for what there is to know, the words for it, and their style."""
        if self.found.fault:
            return "✗", _("has faults"), "$error"
        if self.changes:
            return (
                "*",
                ngettext("{n} changed", "{n} changed", self.changes).format(n=self.changes),
                "$accent",
            )
        if self.fits:
            return "●", _("fits"), "$success"
        if self.too_large:
            return "!", _("too large"), "$warning"
        return "", "", ""

    def on_click(self, event: Click) -> None:
        event.stop()
        self.post_message(self.Clicked(self.found.name))


class ProfileCards(HorizontalScroll, can_focus=True):
    """The row of cards. Left and right choose, and so does a click."""

    HELP_TITLE = _("Profiles")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "step(-1)", _("Previous profile"), show=False),
        Binding("right", "step(1)", _("Next profile"), show=False),
    ]
    chosen: reactive[str] = reactive("")

    class Chosen(Message):
        def __init__(self, name: str) -> None:
            super().__init__()
            self.name = name

    def __init__(self, machine: Machine, found: list[Found], fits: str) -> None:
        """Make a card of each profile; `fits` names the one for this machine."""
        super().__init__()
        self.machine = machine
        self.fits = fits
        self._take(found, fits)

    def _take(self, found: list[Found], chosen: str) -> None:
        """Take the first of them, and the one that is chosen."""
        beyond = [each for each in found[_MOST:] if each.name in (chosen, self.fits)]
        self.found = found[:_MOST] + beyond
        self._more = len(found) - len(self.found)

    def compose(self) -> ComposeResult:
        """The cards, numbered as the keys that choose them."""
        for number, found in enumerate(self.found, 1):
            yield ProfileCard(found, number, self.machine, found.name == self.fits)

    def on_mount(self) -> None:
        """Mark the card that was chosen before there were cards; say which profiles have none."""
        self.watch_chosen(self.chosen)
        if self._more:
            said = _("{n} more in ./profiles have no card: farense-tui train --profile NAME")
            self.notify(said.format(n=self._more), severity="warning", markup=False)

    def on_resize(self, event: Resize) -> None:
        """Share the width out; min-width in the stylesheet makes many cards scroll."""
        self._share(self.size.width)  # without the padding, which the event counts in

    def _share(self, width: int) -> None:
        for card in self.query(ProfileCard):  # not 1fr: it gives each the whole where they scroll
            card.styles.width = width // max(1, len(self.found)) - _GAP
        self.call_after_refresh(self.watch_chosen, self.chosen)  # it may be out of sight now

    async def replace(self, found: list[Found], chosen: str) -> None:
        self._take(found, chosen)
        await self.recompose()
        self._share(self.size.width)
        self.chosen = chosen
        self.watch_chosen(chosen)

    def card(self, name: str) -> ProfileCard | None:
        return next((c for c in self.query(ProfileCard) if c.found.name == name), None)

    def tell(self, states: dict[str, Content]) -> None:
        """Say on each card where its model is."""
        for card in self.query(ProfileCard):
            card.state = states.get(card.found.name)

    def choose(self, name: str) -> None:
        if name != self.chosen:
            self.chosen = name
            self.post_message(self.Chosen(name))

    def choose_number(self, number: int) -> None:
        """Choose by the number on the card, if there is such a card."""
        if 1 <= number <= len(self.found):
            self.choose(self.found[number - 1].name)

    def watch_chosen(self, name: str) -> None:
        for card in self.query(ProfileCard):
            card.chosen = card.found.name == name
            if card.chosen:
                self.scroll_to_widget(card, animate=False)

    def action_step(self, by: int) -> None:
        names = [found.name for found in self.found]
        at = names.index(self.chosen) + by
        if 0 <= at < len(names):
            self.choose(names[at])

    def on_profile_card_clicked(self, message: ProfileCard.Clicked) -> None:
        message.stop()
        self.focus()
        self.choose(message.name)
