"""Files become a data set: which ones, what they are, where to; then it is made."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import ClassVar

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError, of_system, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.task import Progress
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import Screen
from textual.widgets import Input, Label, Static

from farense_tui.dataset.look import Seen, Wish
from farense_tui.dataset.make import Made
from farense_tui.engine import readable as f
from farense_tui.ui.common.key_footer import KeyFooter
from farense_tui.ui.navigator import navigator


class ImportScreen(Screen[str]):
    """Looks at files, shows what they are, and makes the folder; gives its path, or ""."""

    HELP_TITLE = _("Import")
    AUTO_FOCUS = "#import-sources"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "make", _("Make"), tooltip=_("Write the data set into the new folder")),
        Binding("escape", "back", _("Back")),
    ]

    def __init__(self, begun: str = "") -> None:
        """Begin with what is trained on, `data.path`; it is looked at where it is on the disk."""
        super().__init__()
        self._begun = begun
        self._seen: list[Seen] = []
        self._wish: Wish | None = None
        self._stopped = self._busy = False

    def compose(self) -> ComposeResult:
        """What is asked, and below it what was found."""
        yield Label(_("files or folders, or a data set of the hub (enter looks at them)"))
        begun = shlex.quote(self._begun) if self._begun else ""
        yield Input(begun, id="import-sources", placeholder="questions.csv", compact=True)
        yield Label(_("columns, only where nothing tells them: prompt=COLUMN completion=COLUMN"))
        yield Input(id="import-map", compact=True)
        yield Label(_("the new folder (enter makes it)"))
        yield Input(id="import-to", compact=True)
        with VerticalScroll(id="import-told", can_focus=False):
            yield Static(markup=False)
        yield KeyFooter()

    def on_mount(self) -> None:
        """Look at what is there already."""
        if self._begun and Path(os.path.expanduser(self._begun)).exists():
            self.look()

    @on(Input.Submitted, "#import-sources, #import-map")
    def look(self) -> None:
        """Look at the files, in a thread."""
        try:
            self._wish = self._wished()
        except FarenseError as error:
            navigator(self).show_error(error)
            return
        self._tell(Content.styled(_("looking …"), "$text-muted"))
        self._look(self._wish)

    @on(Input.Submitted, "#import-to")
    def action_make(self) -> None:
        """Make it of what was seen, in a thread."""
        try:
            wish = self._wished()
        except FarenseError as error:
            navigator(self).show_error(error)
            return
        if not self._busy:
            self._busy = True
            self._make(wish)

    def action_back(self) -> None:
        """Leave; what is being made is not there then."""
        self._stopped = True
        self.dismiss("")

    def _wished(self) -> Wish:
        from farense_tui.dataset import mapping

        try:
            given = tuple(shlex.split(self._value("sources")))
            said = mapping.parse(shlex.split(self._value("map")))
        except ValueError as error:  # a quotation mark is not closed
            raise refused(_("these are not names of files"), str(error)) from error
        if not given:
            raise refused(_("no file is named"))
        to = self._value("to")
        first = Path(os.path.expanduser(given[0]))
        if first.stem in ("", ".."):  # the folder where one stands, or the one over it
            first = Path(os.path.abspath(first))
        return Wish(given, Path(to or f"{first.parent / (first.stem or 'data')}-rows"), said)

    def _value(self, name: str) -> str:
        return self.query_one(f"#import-{name}", Input).value.strip()

    @work(thread=True, exclusive=True, group="import")
    def _look(self, wish: Wish) -> None:
        from farense_tui.dataset import look

        try:
            seen = look.look(wish)
        except FarenseError as error:
            self.app.call_from_thread(self._failed, error)
            return
        except OSError as error:
            self.app.call_from_thread(self._failed, of_system(error))
            return
        self.app.call_from_thread(self._show, wish, seen)

    @work(thread=True, group="make")
    def _make(self, wish: Wish) -> None:
        from farense_tui.dataset import look, make

        def tell(progress: Progress) -> None:
            if self._stopped:
                raise refused(_("stopped"))
            far = f.part(progress.done, progress.total, progress.unit) if progress.done else ""
            said = Content.styled(f"{clean(progress.what)} {far}", "$text-muted")
            self.app.call_from_thread(self._tell, said)

        try:
            made = make.make(wish, look.look(wish, tell), tell)
        except FarenseError as error:
            if not self._stopped:
                self.app.call_from_thread(self._failed, error)
            return
        except OSError as error:
            self.app.call_from_thread(self._failed, of_system(error))
            return
        if not self._stopped:
            self.app.call_from_thread(self._made, wish.to, made)

    def _failed(self, error: FarenseError) -> None:
        self._busy = False
        lines = [clean(line) for part in (error.detail, error.hint) for line in part.splitlines()]
        title = (f"✗ {clean(error.title)}", "bold $error")
        self._tell(Content.assemble(title, "\n", "\n".join(lines)))

    def _show(self, wish: Wish, seen: list[Seen]) -> None:
        from farense_tui.dataset import told

        rows = ["\n".join(told.row(row)) for row in told.examples(seen)]
        self._tell(Content("\n\n".join(["\n".join(told.seen(seen)), *rows])))
        to = self.query_one("#import-to", Input)
        if not to.value:
            to.value = str(wish.to)
        to.focus()

    def _made(self, to: Path, made: Made) -> None:
        counts = ", ".join(f"{name} {rows}" for name, rows in made.rows.items())
        said = _("{folder} is written: {counts} rows").format(folder=to.name, counts=counts)
        if lost := sum(made.left_out.values()):
            said += ". " + _("{n} are left out: left_out.jsonl says why").format(n=lost)
        self.app.notify(clean(" ".join([said, *made.remarks])), title=_("Import"), markup=False)
        self.dismiss(str(Path(os.path.expanduser(to)).absolute()))

    def _tell(self, what: Content) -> None:
        if self.is_mounted:
            # not translated: a selector
            self.query_one("#import-told Static", Static).update(what)
