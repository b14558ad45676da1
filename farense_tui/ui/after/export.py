"""A run taken elsewhere: for which program, where to, and how what was written was checked."""

from __future__ import annotations

import asyncio
import shutil
from itertools import count
from pathlib import Path
from typing import ClassVar

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.export import Exported
from farense_worker.protocol.messages.task import Progress
from farense_worker.protocol.messages.upload import Uploaded
from farense_worker.protocol.run_folder import RunFolder
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static
from textual.widgets.option_list import Option

from farense_tui.engine import readable as f
from farense_tui.engine.runs import found_again
from farense_tui.engine.tasks import export, hand_over, task, upload
from farense_tui.engine.tasks.export import WAYS, Way
from farense_tui.ui.common.dialogs import Answer, AskDialog, Dialog, NameDialog, keys
from farense_tui.ui.common.hanging import Hanging
from farense_tui.ui.navigator import navigator


class ExportScreen(Dialog[None]):
    """Writes into a new folder beside where the app was started; it ends with the screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "dismiss", _("Close")),
        Binding("c", "check", _("Check or not")),
        Binding("o", "hand_over('ollama')", _("Hand to Ollama")),
        Binding("l", "hand_over('lm-studio')", _("Hand to LM Studio")),
        Binding("u", "upload", _("Upload to a hub")),
    ]

    class Told(Message):
        """How far it is, what there is now, or why there is nothing."""

        def __init__(self, said: Progress | Exported | Uploaded | FarenseError | str) -> None:
            super().__init__()
            self.said = said

    def __init__(self, run: RunFolder) -> None:
        """Export the best adapter of `run`."""
        super().__init__(classes="dialog doctor")
        self._run = run
        self._stop = task.Stop()
        self._way: Way | None = None  # while it is written, and when it is there
        self._to = Path()
        self._check = True
        self._sending = False
        self.made: Exported | None = None
        self.sent: Uploaded | None = None

    def compose(self) -> ComposeResult:
        """For whom; then what was done."""
        wide = max(len(way.reader) for way in WAYS) + 2
        with VerticalGroup(classes="box"):
            title = _("Export {name}: who is to read it?")
            yield Static(title.format(name=self._run.name), classes="title", markup=False)
            yield OptionList(
                *(
                    Option(
                        Hanging(
                            Content.styled(f"{way.reader:{wide}}", "bold"),
                            Content.styled(way.about, "$text-muted"),
                        ),
                        id=way.name,
                    )
                    for way in WAYS
                ),
                compact=True,
            )
            yield Static(classes="whole", markup=False)
            yield Static(self._keys(), classes="keys")

    def _keys(self) -> Content:
        other = _("do not check it") if self._check else _("check it")
        shown = [keys("enter", _("export")), keys("c", other), keys("esc", _("close"))]
        return Content("   ").join(shown)

    def action_check(self) -> None:
        """Compare what is written next with the run, or leave that out."""
        self._check = not self._check
        self.query_one(".keys", Static).update(self._keys())

    def on_unmount(self) -> None:
        self._stop.ask()

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        """Begin; one at a time."""
        if self._sending or (self._way is not None and self.made is None):
            return
        way = next(way for way in WAYS if way.name == message.option.id)
        self._way, self.made, self.sent = way, None, None
        self._to = _free(Path.cwd() / f"{self._run.name}-{way.name}")
        self._say(Content(_("loading the model …")))
        self._export(way, self._to, self._check)

    @work(thread=True, group="export")
    def _export(self, way: Way, to: Path, check: bool) -> None:
        stop = self._stop
        try:
            asked = export.request(self._run, to, check=check, **way.options)
            for said in (*found_again.remarks(self._run), *export.remarks(self._run)):
                self._tell(said)
            made = export.export(asked, overwrite=False, tell=self._tell, stop=stop)
        except FarenseError as error:
            self._tell(error)
        else:
            self._tell(made)

    def _tell(self, said: Progress | Exported | Uploaded | FarenseError | str) -> None:
        if not self._stop.asked:
            self.post_message(self.Told(said))

    def on_export_screen_told(self, message: Told) -> None:
        said = message.said
        if isinstance(said, FarenseError):
            navigator(self).show_error(said)
            self._way = self._way if self.made else None
            self._say(self._result(self.made) if self.made else Content())
        elif isinstance(said, Exported):
            self.made = said
            self._say(self._result(said))
        elif isinstance(said, Uploaded):
            self.sent = said
            self._say(self._result(self.made) if self.made else Content())
        elif isinstance(said, Progress):
            far = f"{said.done}/{said.total}" if said.total else ""
            if said.unit == "bytes":
                far = f"{f.size(said.done)} / {f.size(said.total)}"
            self._say(Content(f"{clean(_(said.what))}   {far}"))
        else:
            self.notify(said, markup=False)

    def _say(self, text: Content) -> None:
        self.query_one(".whole", Static).update(text)

    def _result(self, made: Exported) -> Content:
        """What is there now, how it was checked, the command that does it again."""
        assert self._way is not None
        folder = f.from_here(str(self._to))
        lines = [Content.styled(f"✓ {folder}", "bold $success")]
        for part in made.parts:
            size = f.size(part.bytes)
            lines.append(Content(f"  {_(part.what)}   {clean(part.path)}   {size}"))
            if told := export.verified(part):
                lines.append(Content.styled(f"  {told}", "$text-muted"))
        remarks = filter(None, (export.unchecked(made), *made.remarks))
        lines += [Content.styled(f"  {clean(text)}", "$warning") for text in remarks]
        again = export.command(self._run.name, folder, self._way, check=made.checked)
        lines.append(Content.styled(f"  {again}", "$text-muted"))
        if self._for_ollama():
            lines.append(keys("o", _("have Ollama make a model of it")))
        if self._for_lm_studio():
            lines.append(keys("l", _("copy it where LM Studio finds it")))
        if self.sent:
            lines.append(Content.styled(f"✓ {upload.done(self.sent)}", "$success"))
        else:
            lines.append(keys("u", _("upload it to a hub; asks first")))
        return Content("\n").join(lines)

    @work(exclusive=True, group="upload")
    async def action_upload(self) -> None:
        """Ask where to; then, with what would be sent and who would see it, whether."""
        if self.made is None or self.sent is not None or self._sending:
            return
        text = _("OWNER/NAME of a model's repository. Nothing is sent yet.")
        dialog = NameDialog(_("Upload to a hub"), text, "", upload.name_fault)
        if not (repo := await self.app.push_screen_wait(dialog)):
            return
        try:
            parcel = upload.parcel(self._to, self.made)
            there = await asyncio.to_thread(upload.standing, repo, self._stop)
        except FarenseError as error:
            self._tell(error)
            return
        title, said = _("Upload {name}?").format(name=self._run.name), upload.words
        everybody = Answer("p", _("upload, for everybody to see"))
        answers = [Answer("y", _("upload"))] if there.private else []
        answers += [] if there.exists and there.private else [everybody]
        asked = AskDialog(title, said(parcel, repo, there, public=False), answers)
        if answer := await self.app.push_screen_wait(asked):
            self._sending = True
            self._send(parcel, repo, answer == "p")

    @work(thread=True, group="send")
    def _send(self, parcel: upload.Parcel, repo: str, public: bool) -> None:
        stop = self._stop
        try:
            self._tell(upload.send(parcel, repo, public=public, tell=self._tell, stop=stop))
        except FarenseError as error:
            self._tell(error)
        finally:
            self._sending = False

    def _for_ollama(self) -> bool:
        return (self._to / "Modelfile").is_file() and shutil.which("ollama") is not None

    def _for_lm_studio(self) -> bool:
        try:
            return bool(hand_over.lm_studio_models()) and (
                (self._to / "model").is_dir() or (self._to / f"{self._run.name}.gguf").is_file()
            )
        except FarenseError:
            return False

    @work(exclusive=True, group="hand-over")
    async def action_hand_over(self, to: str) -> None:
        """Give what was written to another program of this machine; ask before one is replaced."""
        there = self._for_ollama() if to == "ollama" else self._for_lm_studio()
        if self.made is None or not there:
            return
        try:
            if to == "ollama":
                told = await self._to_ollama(self._run.name.lower(), self._to)
            else:
                told = await asyncio.to_thread(self._to_lm_studio, self._to)
        except FarenseError as error:
            self._tell(error)
        else:
            if told:
                self._tell(told)

    async def _to_ollama(self, name: str, folder: Path) -> str:
        """Say that it is done; nothing where a model of that name is there and stays."""
        try:
            program = await asyncio.to_thread(hand_over.check_ollama, name)
        except FarenseError as error:
            if error.kind != "exists":
                raise
            said = _("It may be an earlier export of this run, or something else.")
            dialog = AskDialog(error.title, said, [Answer("y", _("replace it"))])
            if not await self.app.push_screen_wait(dialog):
                return ""
            program = await asyncio.to_thread(hand_over.check_ollama, name, replace=True)
        await asyncio.to_thread(hand_over.to_ollama, program, name, folder)
        return _("Ollama has it: ollama run {name}").format(name=name)

    def _to_lm_studio(self, folder: Path) -> str:
        place = hand_over.lm_studio_place(self._run.name)
        hand_over.to_lm_studio(place, folder)
        return _("LM Studio has it: {folder}").format(folder=place)


def _free(folder: Path) -> Path:
    """The folder, with a number if it is there already."""
    numbered = (folder.with_name(f"{folder.name}-{number}") for number in count(2))
    return folder if not folder.exists() else next(each for each in numbered if not each.exists())
