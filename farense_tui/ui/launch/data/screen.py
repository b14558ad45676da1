"""The data of a profile before a start: lengths, what is wrong, what is learnt of a row."""

from __future__ import annotations

from typing import ClassVar, Protocol

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.profile import Profile
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.events import Paste
from textual.screen import Screen
from textual.widgets import Static

from farense_tui.engine.models.locate import EMBEDDED
from farense_tui.engine.readable import from_here
from farense_tui.ui.common.key_footer import KeyFooter
from farense_tui.ui.launch.data.dropped import data_of, path_in
from farense_tui.ui.launch.data.reader import Look
from farense_tui.ui.launch.data.remedies import Remedy, remedies
from farense_tui.ui.launch.data.view import DataView
from farense_tui.ui.navigator import navigator


class Owner(Protocol):
    """Who edits what is shown: the launch screen."""

    def look_again(self) -> None:
        """Read the data anew."""

    def take_remedy(self, remedy: Remedy) -> None:
        """Change what helps."""

    def take_data(self, path: str) -> None:
        """Train on other data."""

    def action_choose_data(self) -> object:
        """Ask for other data."""


class DataScreen(Screen[str]):
    """Shows what the launch screen's `Looker` finds; that one hands it over with `show`.

    Gives the folder of a data set that was made here, or "".
    """

    HELP_TITLE = _("Data")
    AUTO_FOCUS = "DataView"
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (150, "-wide")]  # noqa: RUF012 - Screen's own type
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,d", "back", _("Back")),
        Binding("c", "choose", _("Choose"), tooltip=_("Train on other data")),
        Binding("x", "remedy('x')", _("Leave out"), tooltip=_("Leave the faulty rows out")),
        Binding("h", "remedy('h')", _("Hold out"), tooltip=_("Keep a tenth for validation")),
        Binding("g", "remedy('g')", _("Longer rows"), tooltip=_("Cut no row off")),
        Binding("v", "remedy('v')", _("Make rows"), tooltip=_("Make rows of other files")),
        Binding("n", "part(1)", _("Next part")),
        Binding("p", "part(-1)", _("Part before"), show=False),
        Binding("r", "again", _("Look again")),
        Binding("i", "import", _("Import"), tooltip=_("Make a data set of the files you have")),
        Binding(
            "f",
            "draft",
            _("From documents"),
            tooltip=_("Have the model write questions and answers from documents"),
        ),
    ]

    def __init__(self, profile: Profile, look: Look, owner: Owner) -> None:
        """Show the data of `profile`, of which `look` is known by now; `owner` edits it."""
        super().__init__()
        self._owner = owner
        self._profile = profile
        self._look = look

    def compose(self) -> ComposeResult:
        """What is looked at, what was found, keys."""
        yield Static(_title(self._profile, self._look), id="data-title", markup=False)
        yield DataView(self._profile, self._look)
        yield KeyFooter()

    def show(self, look: Look) -> None:
        """Take what was found since, if it is about this data."""
        if look.key == self._look.key:
            self._look = look
            self._draw()

    def show_data(self, profile: Profile, look: Look) -> None:
        """Show the same after a change, or other data."""
        self._profile, self._look = profile, look
        self._draw()

    def _draw(self) -> None:
        for title in self.query("#data-title").results(Static):
            title.update(_title(self._profile, self._look))
        for view in self.query(DataView):
            view.show(self._profile, self._look)
        self.refresh_bindings()

    def on_mount(self) -> None:
        """Take over what came between the making of the view and now."""
        self._draw()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only the remedies that there are."""
        if action == "remedy":
            return any(each.key == parameters[0] for each in remedies(self._profile, self._look))
        return True

    def action_remedy(self, key: str) -> None:
        """Take the remedy with this key."""
        for each in remedies(self._profile, self._look):
            if each.key == key:
                self._owner.take_remedy(each)

    def action_again(self) -> None:
        """Have it read anew."""
        self._owner.look_again()

    def action_choose(self) -> None:
        self._owner.action_choose_data()

    def on_paste(self, event: Paste) -> None:
        """Train on what was dropped."""
        if path := path_in(event.text):
            event.stop()
            self._owner.take_data(data_of(path))

    def action_part(self, by: int) -> None:
        """Go to the next part, or to the one before."""
        self.query_one(DataView).next_part(by)

    def action_back(self) -> None:
        self.dismiss("")

    def action_import(self) -> None:
        """Make a data set; it becomes the profile's."""
        from farense_tui.ui.launch.data.import_screen import ImportScreen

        path = self._profile.data.path
        begun = "" if path == EMBEDDED else path
        self.app.push_screen(ImportScreen(begun), self._imported)

    def action_draft(self) -> None:
        """Make one of documents."""
        navigator(self).open_draft(self._profile, self._imported)

    def _imported(self, folder: str | None) -> None:
        if folder:
            self.dismiss(folder)


def _title(profile: Profile, look: Look) -> Content:
    """What is looked at; the model comes last, because its name may be too long for the line."""
    train = profile.train
    what = _("trains on every token")
    if train.mask_prompt and not (look.report and look.report.kind == "text"):
        all_answers = train.answers == "all"
        what = _("trains on all answers") if all_answers else _("trains on the last answers")
    most = _("{count} tokens at most").format(count=train.max_seq_length)
    path = _("data {path}").format(path=clean(from_here(profile.data.path)))
    return Content.assemble(
        (path, "bold $foreground"),
        f" · {most} · {what} · ",
        _("for {model}").format(model=clean(profile.model.repo)),
    )
