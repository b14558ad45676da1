"""What a draft begins with: documents and a folder, and who is asked for how many pairs."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.fields import setting
from farense_worker.protocol.settings.profile import Profile, replace_setting
from textual import on
from textual.app import ComposeResult
from textual.containers import HorizontalGroup, VerticalGroup
from textual.widget import Widget
from textual.widgets import Input, Label, Static

from farense_tui.dataset.documents import wanted
from farense_tui.ui.common.setting_row import Choice

_MODEL = "model.repo"


@dataclass(frozen=True)
class Wanted:
    """profile: with the model that is asked here. address, name: of one elsewhere, else ""."""

    documents: list[Path]
    folder: Path
    profile: Profile
    address: str
    name: str
    questions: int

    @property
    def model(self) -> str:
        """What the model is called."""
        return self.name or self.profile.model.repo


class DraftForm(VerticalGroup):
    """Two fields to fill in, and below them what may stay as it is."""

    def __init__(self, profile: Profile) -> None:
        """Have the model of `profile` asked, unless another is named."""
        super().__init__()
        self._profile = profile

    def compose(self) -> ComposeResult:
        """The fields, and a line on the one that has the focus."""
        yield Label(_("documents, or folders with some: PDF, DOCX, HTML, Markdown, text"))
        yield Input(id="draft-documents", placeholder="history.pdf", compact=True)
        yield Label(_("the folder of the draft (enter begins, or goes on with it)"))
        yield Input(id="draft-to", compact=True)
        here = clean(self._profile.model.repo)
        many = [(str(number), str(number)) for number in wanted.QUESTIONS]
        for title, field in (
            (_("model"), Input(placeholder=here, id="draft-model", compact=True)),
            (_("server"), Input(placeholder=_("none"), id="draft-address", compact=True)),
            (_("its model"), Input(id="draft-name", compact=True)),
            (
                _("pairs"),
                Choice(
                    many,
                    value=str(wanted.USUAL),
                    id="draft-questions",
                    allow_blank=False,
                    compact=True,
                ),
            ),
        ):
            with HorizontalGroup(classes="row"):
                yield Label(title)
                yield field
        yield Static(id="draft-help", markup=False)

    def on_mount(self) -> None:
        self._explain()

    def on_descendant_focus(self) -> None:
        self._explain()

    def on_descendant_blur(self) -> None:
        self._explain()

    @on(Input.Changed)
    def _explain(self) -> None:
        """Say what the field is for, else who writes; a server's model stands in place of ours."""
        there = bool(self._text("address"))
        for name, shown in (("model", not there), ("name", there)):
            row = self.query_one(f"#draft-{name}").parent
            assert isinstance(row, Widget)
            row.set_class(not shown, "-other")
        focused = self.screen.focused
        name = (focused.id or "") if focused else ""
        said = wanted.words().get(name.removeprefix("draft-")) or self._writes()
        self.query_one("#draft-help", Static).update(said)

    def hold(self, held: bool, *, begun: bool) -> None:
        """Let nothing be changed, or let it again; of what has begun the choices are put away."""
        for kind in (Input, Choice):
            for field in self.query(kind):
                field.disabled = held
        self.set_class(begun, "-begun")

    def read(self) -> Wanted:
        """Give all of it. Raises FarenseError (refused, usage) where that cannot be drafted."""
        given, address = self.documents(), self._text("address")
        name = self._text("name") if address else ""
        wanted.check(address, name)
        questions = int(str(self.query_one("#draft-questions", Choice).value))
        return Wanted(given, self.folder(given), self._asked(), address, name, questions)

    def documents(self) -> list[Path]:
        """Give what is named. Raises FarenseError (refused) where nothing is."""
        try:
            given = shlex.split(self._text("documents"))
        except ValueError as error:  # a quotation mark is not closed
            raise refused(_("these are no names of files"), str(error)) from error
        if not given:
            raise refused(_("no file is named"))
        return [Path(os.path.expanduser(each)) for each in given]

    def folder(self, documents: list[Path]) -> Path:
        """Give the draft's folder, one beside the documents where nobody names another."""
        to = self.query_one("#draft-to", Input)
        if not to.value.strip():
            to.value = str(documents[0].with_name(f"{documents[0].stem}-draft"))
        return Path(os.path.expanduser(to.value.strip()))

    def _asked(self) -> Profile:
        if not (named := self._text("model")):
            return self._profile
        try:
            return replace_setting(self._profile, _MODEL, setting(_MODEL).parse_text(named))
        except ValueError as error:
            raise refused(f"{_MODEL} {error}", kind="profile") from error

    def _text(self, field: str) -> str:
        return self.query_one(f"#draft-{field}", Input).value.strip()

    def _writes(self) -> str:
        if address := self._text("address"):
            said = _("{model} at {address} writes questions and answers; the passages go there")
            name = self._text("name") or _("a model")
            return said.format(model=clean(name), address=clean(address))
        model = self._text("model") or self._profile.model.repo
        return _("{model} writes questions and answers").format(model=clean(model))
