"""Documents become a draft: a model here asks and answers about them, then a person reads it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.task import Progress
from farense_worker.protocol.settings.profile import Model, Profile
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Static

from farense_tui.dataset.documents import draft, drafting, models
from farense_tui.dataset.documents.draft import Shown
from farense_tui.dataset.documents.pace import Pace, Stopped
from farense_tui.ui.common.key_footer import KeyFooter
from farense_tui.ui.navigator import navigator
from farense_tui.ui.review.draft_form import DraftForm, Wanted
from farense_tui.ui.review.screen import ReviewScreen

_NEWEST = 3
May = Callable[[Model], Awaitable[bool]]
Asked = Callable[[Profile, str, str], AbstractContextManager[models.Model]]


class DraftScreen(Screen[str]):
    """Drafts documents with the profile's model; gives the folder of the rows, or "".

    Whatever ends it, what is asked already stands in the draft's folder, and the same documents
    and folder go on there.
    """

    HELP_TITLE = _("From documents")
    AUTO_FOCUS = "#draft-documents"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "begin", _("Begin"), tooltip=_("Have the model ask, or go on with it")),
        Binding("space", "pause", _("Pause"), tooltip=_("Ask nothing more for now, or go on")),
        Binding("r", "review", _("Review"), tooltip=_("Keep, edit or drop what it wrote")),
        Binding("m", "make", _("Make rows"), tooltip=_("Train on the pairs that were kept")),
        Binding("escape", "back", _("Back"), tooltip=_("Stops it first")),
    ]

    def __init__(self, profile: Profile, may: May, asked: Asked = drafting.asked) -> None:
        """Ask the model of `profile`, if none is named, as `asked` gives it.

        may: whether a model may be loaded here, and brought if it is not there.
        """
        super().__init__()
        self._profile, self._may, self._asked = profile, may, asked
        self._pace: Pace | None = None  # of what is being made
        self._folder: Path | None = None  # the draft, once it is there
        self._far, self._state = "", ""

    def compose(self) -> ComposeResult:
        """What is wanted, and below it how far it is."""
        yield DraftForm(self._profile)
        with VerticalScroll(id="draft-told"):
            yield Static(markup=False)
        yield KeyFooter()

    def on_unmount(self) -> None:
        """Leave no model behind."""
        if self._pace:
            self._pace.end()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what can be done now."""
        there = bool(self._folder) and not self._pace
        return {
            "begin": not self._pace,
            "pause": bool(self._pace),
            "review": there and bool(self._pairs()),
            "make": there and any(each.state == "keep" for each in self._pairs()),
        }.get(action, True)

    @on(Input.Submitted, "#draft-documents")
    def name_folder(self) -> None:
        """Propose a folder for the draft."""
        try:
            self._form.folder(self._form.documents())
        except FarenseError as error:
            navigator(self).show_error(error)
            return
        self.query_one("#draft-to").focus()

    @on(Input.Submitted, "#draft-to, #draft-model, #draft-address, #draft-name")
    @work(exclusive=True, group="begin")
    async def action_begin(self) -> None:
        """Draft, in a thread, once a model that is not here may be brought."""
        if self._pace:
            return
        try:
            wanted = self._form.read()
        except FarenseError as error:
            navigator(self).show_error(error)
            return
        if not wanted.address and not await self._may(wanted.profile.model):
            return
        self._pace = Pace()
        self._state = _("reading …")
        self._form.hold(True, begun=True)
        self.query_one("#draft-told").focus()
        self._show()
        self._draft(wanted, self._pace)

    def action_pause(self) -> None:
        if self._pace:
            (self._pace.go_on if self._pace.paused else self._pace.pause)()
            self._show()

    def action_review(self) -> None:
        if self._folder:
            self.app.push_screen(ReviewScreen(self._folder), lambda _done: self._show())

    def action_make(self) -> None:
        """Make rows of what was kept, beside the draft."""
        if self._folder:
            self._state = _("writing")
            self._show()
            self._make(self._folder)

    def action_back(self) -> None:
        """Stop what is being made; go back where nothing is."""
        if self._pace:
            self._pace.end()
        else:
            self.dismiss("")

    @property
    def _form(self) -> DraftForm:
        return self.query_one(DraftForm)

    @work(thread=True, exclusive=True, group="draft")
    def _draft(self, wanted: Wanted, pace: Pace) -> None:
        folder, address = wanted.folder, wanted.address

        def far(progress: Progress) -> None:
            pace.step()
            said = _("passage {n} of {all}").format(n=progress.done + 1, all=progress.total)
            self._from_thread(self._asking, folder, said)

        how: str | FarenseError = ""
        begun = False
        try:
            drafting.begin(
                wanted.documents,
                folder,
                model=wanted.model,
                address=address,
                questions=wanted.questions,
            )
            begun = True
            with self._asked(wanted.profile, address, wanted.name) as asked:
                drafting.go_on(folder, pace.of(asked), far)
            how = _("all passages are asked")
        except Stopped:
            how = _("stopped; ctrl+s goes on there")
        except FarenseError as error:
            how = error
        finally:  # whatever ends it, the screen can be used and left again
            self._from_thread(self._ended, folder if begun else None, how)

    @work(thread=True, exclusive=True, group="make")
    def _make(self, folder: Path) -> None:
        from farense_tui.dataset.make_rows import make_rows

        made: str | None = None
        how: str | FarenseError = ""
        try:
            made, _lines = make_rows(folder)
        except FarenseError as error:
            how = error
        finally:
            if made is None:
                self._from_thread(self._ended, folder, how)
            else:
                self._from_thread(self.dismiss, made)

    def _from_thread(self, call: Callable[..., object], *values: object) -> None:
        if self.is_attached:
            self.app.call_from_thread(call, *values)

    def _asking(self, folder: Path, far: str) -> None:
        self._folder, self._far, self._state = folder, far, _("asking …")
        self._show()

    def _ended(self, folder: Path | None, how: str | FarenseError) -> None:
        self._pace, self._folder, self._far = None, folder, ""
        if isinstance(how, FarenseError):
            navigator(self).show_error(how)
            how = ""
        self._state = how
        self._form.hold(folder is not None, begun=folder is not None)
        if not folder:
            self.query_one("#draft-documents").focus()
        self._show()

    def _pairs(self) -> list[Shown]:
        try:
            return draft.shown(self._folder) if self._folder else []
        except (FarenseError, OSError):  # somebody took it away
            return []

    def _show(self) -> None:
        pairs = self._pairs()
        aside = sum(bool(each.pair.aside) for each in pairs)
        kept = sum(each.state == "keep" for each in pairs)
        state = _("paused") if self._pace and self._pace.paused else self._state
        counts = _("{n} pairs, {aside} set aside, {kept} kept")
        told = [self._far]
        if self._folder:
            told.append(counts.format(n=len(pairs), aside=aside, kept=kept))
        lines = [Content.assemble((state, "bold"), "\n", " · ".join(filter(None, told)))]
        for each in reversed(pairs[-_NEWEST:]):
            why = f"\n{clean(each.pair.aside)}" if each.pair.aside else ""
            lines.append(
                Content.assemble(
                    (clean(each.question), "bold"), "\n", clean(each.answer), (why, "$warning")
                )
            )
        if not self._pace and self._folder and not pairs:
            said = _("It wrote nothing in the form it was asked for: take a larger model.")
            lines.append(Content.styled(said, "$warning"))
        # not translated: a selector
        self.query_one("#draft-told Static", Static).update(Content("\n\n").join(lines))
        self.refresh_bindings()
