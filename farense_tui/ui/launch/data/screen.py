"""The data of a profile before a start: lengths, what is wrong, what is learnt of a row."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.profile import Profile
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Static

from farense_tui.engine.readable import from_here
from farense_tui.ui.common.key_footer import KeyFooter
from farense_tui.ui.launch.data.reader import Look
from farense_tui.ui.launch.data.view import DataView


class DataScreen(Screen[str]):
    """Shows what the launch screen's `Looker` finds; that one hands it over with `show`.

    Gives the folder of a data set that was made here, or "".
    """

    HELP_TITLE = _("Data")
    AUTO_FOCUS = "DataView"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (150, "-wide")]  # noqa: RUF012 - Screen's own type
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,d", "back", _("Back")),
        Binding("n", "part(1)", _("Next part")),
        Binding("p", "part(-1)", _("Part before"), show=False),
        Binding("r", "again", _("Look again")),
        Binding("i", "import", _("Import"), tooltip=_("Make a data set of the files you have")),
    ]

    def __init__(self, profile: Profile, look: Look, again: Callable[[], None]) -> None:
        """Show the data of `profile`, of which `look` is known by now; `again` has it read anew."""
        super().__init__()
        self.action_again = again
        self._profile = profile
        self._look = look

    def compose(self) -> ComposeResult:
        """What is looked at, what was found, keys."""
        yield Static(_title(self._profile), id="data-title", markup=False)
        yield DataView(self._look)
        yield KeyFooter()

    def show(self, look: Look) -> None:
        """Take what was found since, if it is about this data."""
        if look.key == self._look.key:
            self._look = look
            for view in self.query(DataView):
                view.show(look)

    def on_mount(self) -> None:
        """Take over what came between the making of the view and now."""
        self.query_one(DataView).show(self._look)

    def action_part(self, by: int) -> None:
        """Go to the next part, or to the one before."""
        self.query_one(DataView).next_part(by)

    def action_back(self) -> None:
        self.dismiss("")

    def action_import(self) -> None:
        """Make a data set; it becomes the profile's."""
        from farense_tui.ui.launch.data.import_screen import ImportScreen

        self.app.push_screen(ImportScreen(), self._imported)

    def _imported(self, folder: str | None) -> None:
        if folder:
            self.dismiss(folder)


def _title(profile: Profile) -> Content:
    """What is looked at; the model comes last, because its name may be too long for the line."""
    train = profile.train
    what = _("trains on every token")
    if train.mask_prompt:
        all_answers = train.answers == "all"
        what = _("trains on all answers") if all_answers else _("trains on the last answers")
    most = _("{count} tokens at most").format(count=train.max_seq_length)
    path = _("data {path}").format(path=clean(from_here(profile.data.path)))
    return Content.assemble(
        (path, "bold $foreground"),
        f" · {most} · {what} · ",
        _("for {model}").format(model=clean(profile.model.repo)),
    )
