"""The models that are on this machine, to take one of them, and the download of one that is not."""

from __future__ import annotations

from typing import ClassVar

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.download import Downloaded, Request
from farense_worker.protocol.messages.task import Progress
from farense_worker.protocol.plan.memory import GIB
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalGroup
from textual.content import Content
from textual.message import Message
from textual.widgets import OptionList, Static

from farense_tui.engine import readable as f
from farense_tui.engine.machine import hardware
from farense_tui.engine.models import installed, locate
from farense_tui.engine.models.installed import Listed
from farense_tui.engine.models.suggested import Suggested, download_gigabytes, suggested
from farense_tui.engine.tasks import task
from farense_tui.ui.common.dialogs import Dialog, keys

_BAR = 30


class ModelsScreen(Dialog[str]):
    """Gives the name that was taken, or "" for none. A download ends with the screen, to go on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,m,q", "leave", _("Close")),
        Binding("g", "get", _("Download")),
    ]

    class Read(Message):
        def __init__(self, found: list[Listed]) -> None:
            super().__init__()
            self.found = found

    class Moved(Message):
        """How far the download is: a Progress, its end, or why there is none."""

        def __init__(self, said: Progress | Downloaded | FarenseError) -> None:
            super().__init__()
            self.said = said

    def __init__(self, chosen: str) -> None:
        """Begin at the model that the profile has now."""
        super().__init__(classes="dialog models")
        self._chosen = chosen
        self._stop: task.Stop | None = None
        self.found: list[Listed] = []
        self.fetchable: list[Suggested] = []

    def compose(self) -> ComposeResult:
        """The list, what is going on, the keys."""
        with VerticalGroup(classes="box"):
            title = _("Models that are here, and those that this machine can train")
            yield Static(title, classes="title", markup=False)
            yield OptionList(compact=True)
            yield Static(classes="whole", markup=False)
            yield Static(
                Content("   ").join(
                    [keys("enter", _("take it")), keys("g", _("download")), keys("esc", _("close"))]
                ),
                classes="keys",
            )

    def on_mount(self) -> None:
        self._read()

    def on_unmount(self) -> None:
        """Break the download off; what there is stays."""
        if self._stop:
            self._stop.ask()

    @work(thread=True, exclusive=True, group="models")
    def _read(self) -> None:
        self.post_message(self.Read(installed.found()))

    def on_models_screen_read(self, message: Read) -> None:
        self.found = message.found
        there = {each.name for each in self.found}
        memory = round(hardware.machine().memory / GIB)
        self.fetchable = [each for each in suggested(memory) if each.repo not in there]
        options = self.query_one(OptionList)
        options.clear_options()
        options.add_options([line(each) for each in self.found])
        options.add_options([offered(each) for each in self.fetchable])
        names = [*(each.name for each in self.found), *(each.repo for each in self.fetchable)]
        options.highlighted = names.index(self._chosen) if self._chosen in names else 0
        if not self._stop:
            self._tell(self._about_chosen())

    def _about_chosen(self) -> Content:
        if locate.locate(self._chosen).state == "download":
            said = _("{model} is not here: g downloads it").format(model=clean(self._chosen))
            if gigabytes := download_gigabytes(self._chosen):
                said += f", {f.download_size(gigabytes)}"
            return Content.styled(f"↓ {said}", "$warning")
        said = _("the profile has {model}").format(model=clean(self._chosen))
        return Content.styled(said, "$text-muted")

    def _tell(self, content: Content) -> None:
        self.query_one(".whole", Static).update(content)

    def on_option_list_option_selected(self, message: OptionList.OptionSelected) -> None:
        message.stop()
        if message.option_index >= len(self.found):  # it is downloaded when a run wants it
            self.dismiss(self.fetchable[message.option_index - len(self.found)].repo)
            return
        each = self.found[message.option_index]
        if each.whole:
            self.dismiss(each.name)
        else:
            missing = _("missing: {what}").format(what=clean(", ".join(each.missing)))
            more = _("g downloads it") if each.source == "cache" else ""
            said = "; ".join(filter(None, [missing, more]))
            self._tell(Content.styled(said, "$warning"))

    def action_get(self) -> None:
        """Download the highlighted model if it is not whole, else the profile's."""
        at = self.query_one(OptionList).highlighted
        each = self.found[at] if at is not None and at < len(self.found) else None
        part = each is not None and each.source == "cache" and not each.whole
        wanted = each.name if part and each is not None else self._chosen
        if at is not None and at >= len(self.found):
            wanted = self.fetchable[at - len(self.found)].repo
        if self._stop is not None:
            return
        if not part and locate.locate(wanted).state != "download":
            here = _("{model} is here already").format(model=clean(wanted))
            self._tell(Content.styled(here, "$text-muted"))
            return
        self._stop = task.Stop()
        self._get(wanted, self._stop)

    @work(thread=True, exclusive=True, group="download")
    def _get(self, repo: str, stop: task.Stop) -> None:
        def tell(progress: Progress) -> None:
            self.post_message(self.Moved(progress))

        try:
            made = task.result_of("download", Request(repo), Downloaded, tell, stop)
        except FarenseError as error:
            if not stop.asked:
                self.post_message(self.Moved(error))
        else:
            self.post_message(self.Moved(made))

    def on_models_screen_moved(self, message: Moved) -> None:
        said = message.said
        if isinstance(said, Progress):
            self._tell(bar(said))
            return
        self._stop = None
        if isinstance(said, FarenseError):
            lines = [Content.styled(f"✗ {clean(said.title)}", "$error")]
            lines += [Content(clean(part)) for part in (said.detail, said.hint) if part]
            self._tell(Content("\n").join(lines))
            return
        self._chosen = said.repo
        here = _("✓ {model} is here").format(model=clean(said.repo))
        self._tell(Content.styled(here, "$success"))
        self._read()

    def action_leave(self) -> None:
        """Go back without a change."""
        self.dismiss("")


def line(each: Listed) -> Content:
    """A model on two lines: its name and size, what it is made of."""
    facts = [
        f.size(each.bytes),
        clean(each.kind),
        _("{n} layers").format(n=each.layers) if each.layers else "",
        _("vocabulary {size}").format(size=f.count(each.vocabulary)) if each.vocabulary else "",
        clean(each.weights.partition(", groups")[0]),
        _("brings Python code") if each.trusts else "",
    ]
    state = ("", "") if each.whole else (_("  ↓ not whole"), "$warning")
    name = clean(each.name)
    return Content.assemble(
        (name, "bold"), state, "\n  ", (" · ".join(filter(None, facts)), "$text-muted")
    )


def offered(each: Suggested) -> Content:
    """A model that is not here on two lines: its name and download, what it is good at."""
    size = _("  ↓ {size} to download").format(size=f.download_size(each.gigabytes))
    about = _("{good_at} · licence {licence}").format(good_at=each.good_at, licence=each.licence)
    return Content.assemble(
        (each.title, "bold"), (size, "$warning"), (f"  {each.repo}", "$text-disabled"),
        "\n  ", (about, "$text-muted"),
    )  # fmt: skip


def bar(progress: Progress) -> Content:
    """How far a download is, as a bar and in bytes."""
    share = progress.done / progress.total if progress.total else 0.0
    full = round(_BAR * min(1.0, share))
    return Content.assemble(
        ("━" * full, "$accent"),
        ("━" * (_BAR - full), "$panel"),
        "  ",
        _("{done} of {total}").format(done=f.size(progress.done), total=f.size(progress.total)),
        (_("  esc breaks it off, to go on later"), "$text-muted"),
    )
