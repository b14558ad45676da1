"""The doctor: what a run depends on, line by line as it is found, with the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.settings.profile import Profile
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, VerticalGroup, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.widgets import Static
from textual.worker import get_current_worker

from farense_tui.engine.preflight import doctor
from farense_tui.engine.preflight.doctor import Check, Level
from farense_tui.engine.readable import from_here
from farense_tui.engine.tasks import task
from farense_tui.ui.common.dialogs import Dialog, keys

SIGNS: dict[Level, tuple[str, str, str]] = {
    "ok": ("✓", doctor.LEVELS["ok"], "$success"),
    "warn": ("▲", doctor.LEVELS["warn"], "$warning"),
    "fail": ("✗", doctor.LEVELS["fail"], "$error"),
}
_WIDTH = max(map(len, doctor.LEVELS.values())) + 1


class CheckLine(Horizontal):
    def __init__(self, check: Check) -> None:
        """Show `check`."""
        super().__init__()
        self.check = check

    def compose(self) -> ComposeResult:
        """Sign and name on the left, what was found on the right."""
        sign, word, colour = SIGNS[self.check.level]
        left = ((f"{sign} {word:{_WIDTH}}", f"{colour} bold"), (_(self.check.name), "bold"))
        lines = [Content(clean(from_here(self.check.found)))]
        if self.check.remedy:
            lines.append(Content.styled(clean(self.check.remedy), "$text-muted"))
        yield Static(Content.assemble(*left), classes="name", markup=False)
        yield Static(Content("\n").join(lines), classes="found", markup=False)


class DoctorScreen(Dialog[None]):
    """Looks at everything once; nothing of it is changed from here."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,enter,o,q", "dismiss", _("Close")),
    ]
    SCROLLED: ClassVar[str] = ".checks"

    class Found(Message):
        """One more line, or with None the end of them."""

        def __init__(self, check: Check | None) -> None:
            super().__init__()
            self.check = check

    def __init__(self, profile: Profile, runs_dir: Path) -> None:
        """Look at what a run of `profile` depends on."""
        super().__init__(classes="dialog doctor")
        self._profile = profile
        self._runs_dir = runs_dir
        self._stop = task.Stop()
        self.found: list[Check] = []
        self.over = False

    def compose(self) -> ComposeResult:
        """What is found, and how it is on the whole."""
        with VerticalGroup(classes="box"):
            yield Static(_("Doctor"), classes="title", markup=False)
            yield VerticalScroll(classes="checks")
            yield Static(_("looking …"), classes="whole", markup=False)
            yield Static(keys("esc", _("close")), classes="keys")

    def on_mount(self) -> None:
        self._look()

    def on_unmount(self) -> None:
        """Do not ask MLX any longer."""
        self._stop.ask()

    @work(thread=True, exclusive=True, group="doctor")
    def _look(self) -> None:
        mine = get_current_worker()
        try:
            for check in doctor.checks(self._profile, self._runs_dir, self._stop):
                if mine.is_cancelled:
                    return
                self.post_message(self.Found(check))
        except FarenseError as error:
            self.post_message(self.Found(Check(_("Doctor"), "fail", error.title, error.hint)))
        self.post_message(self.Found(None))

    def on_doctor_screen_found(self, message: Found) -> None:
        if message.check is None:
            self.over = True
            self.query_one(".whole", Static).update(_whole(self.found))
        else:
            self.found.append(message.check)
            self.query_one(".checks", VerticalScroll).mount(CheckLine(message.check))


def _whole(found: list[Check]) -> Content:
    fails = sum(check.level == "fail" for check in found)
    warns = sum(check.level == "warn" for check in found)
    if fails:
        told = ngettext(
            "✗ {n} would keep a run from being started",
            "✗ {n} would keep a run from being started",
            fails,
        )
        return Content.styled(told.format(n=fails), "$error")
    if warns:
        told = _("▲ a run can be started; {n} to think about")
        return Content.styled(told.format(n=warns), "$warning")
    return Content.styled(_("✓ all is well"), "$success")
