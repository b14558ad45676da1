"""A server of models: where it answers, what it was asked, what it takes."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import ClassVar

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import mark, ngettext
from farense_worker.protocol.messages.serving import (
    Ended,
    Figures,
    Handled,
    Listening,
    Said,
    Setup,
)
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.message import Message
from textual.screen import Screen
from textual.widgets import Static

from farense_tui.engine import readable as f
from farense_tui.engine.machine import hardware
from farense_tui.engine.record.lines import Kind
from farense_tui.engine.record.log import Entry
from farense_tui.engine.runs import clock
from farense_tui.engine.tasks import serving
from farense_tui.engine.tasks.serving import Serving
from farense_tui.ui.common.dialogs import Answer, AskDialog
from farense_tui.ui.common.key_footer import KeyFooter
from farense_tui.ui.monitor.gauge_bar import Memory, Part
from farense_tui.ui.monitor.memory_gauge import MemoryGauge
from farense_tui.ui.monitor.run_log import RunLog
from farense_tui.ui.navigator import navigator

_KEPT = 1000  # requests in the log


class ServeScreen(Screen[None]):
    """Holds one server, which ends with the screen."""

    HELP_TITLE = _("Serve")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s", "stop", _("Stop"), tooltip=_("After the answers that are being given")),
        Binding("y", "copy('address')", _("Copy address")),
        Binding("c", "copy('curl')", _("Copy curl"), tooltip=_("A command that asks one question")),
        Binding("up", "scroll_log(-1)", _("Scroll the log"), show=False),
        Binding("down", "scroll_log(1)", _("Scroll the log"), show=False),
        Binding("end", "end_of_log", _("End of the log"), show=False),
        Binding("escape", "back", _("Back")),
    ]
    DEFAULT_CSS = """
    ServeScreen {
        padding: 0 2;
        #where { height: auto; }
        #curl { height: auto; max-height: 4; color: $text-muted; margin: 1 0; }
        #figures { height: auto; max-height: 2; margin-bottom: 1; }
        RunLog { height: 1fr; margin: 1 0; }
    }
    """

    class Heard(Message):
        """What came from the server."""

        def __init__(self, said: Said | FarenseError) -> None:
            super().__init__()
            self.said = said

    def __init__(self, setup: Setup, remarks: Sequence[str] = ()) -> None:
        """Serve the models of `setup`; remarks: what is used in place of what was given."""
        super().__init__()
        self._setup = setup
        self._remarks = remarks
        self._server: Serving | None = None
        self._lock = threading.Lock()  # between starting the worker and leaving
        self._left = False
        self._entries: list[Entry] = []
        self.at: Listening | None = None
        self.stopping = self.ended = self._failed = False

    def compose(self) -> ComposeResult:
        """Where, how to ask, how it is, what was asked."""
        yield Static(id="where", markup=False)
        yield Static(id="curl", markup=False)
        yield Static(id="figures", markup=False)
        yield MemoryGauge()
        yield RunLog()
        yield KeyFooter()

    def on_mount(self) -> None:
        self._show_where()
        for said in self._remarks:
            self._note("warning", clean(said))
        self._note("phase", _("loading the models …"))
        self._serve()

    def on_unmount(self) -> None:
        """End the server, or do not let it begin."""
        with self._lock:
            self._left = True
            if self._server:
                self._server.close()

    @work(thread=True, group="serve")
    def _serve(self) -> None:
        with self._lock:
            if self._left:
                return
            self._server = Serving(self._setup)
        try:
            while True:
                said: Said = self._server.listen()
                self.post_message(self.Heard(said))
                if isinstance(said, Ended):
                    return
        except FarenseError as error:
            self.post_message(self.Heard(error))

    @on(Heard)
    def _take(self, message: Heard) -> None:
        said = message.said
        if isinstance(said, FarenseError):
            self._failed = self.ended = True
            if not self._left:
                navigator(self).show_error(said)
        elif isinstance(said, Listening):
            self.at = said
            self._note("info", _("answers at {address}").format(address=said.address))
        elif isinstance(said, Handled):
            kind: Kind = "info" if said.status < 400 else "warning"
            self._note(kind if said.status else "error", serving.told(said), said.time)
        elif isinstance(said, Figures):
            self._show_figures(said)
        else:
            self.ended = True
            told = ngettext("{n} request", "{n} requests", said.requests).format(n=said.requests)
            self._note("end", _("it has ended: {told}").format(told=told))
        self._show_where()
        self.refresh_bindings()

    def on_screen_resume(self) -> None:
        """Leave once an error has been read: the server ended with it."""
        if self._failed:
            self.dismiss()

    def _note(self, kind: Kind, text: str, when: float | None = None) -> None:
        number = self._entries[-1].number + 1 if self._entries else 1
        time = clock.now() if when is None else when
        self._entries = [*self._entries[-_KEPT:], Entry(number, time, kind, text)]
        self.query_one(RunLog).show(tuple(self._entries))

    def _show_where(self) -> None:
        names = ", ".join(clean(each.name) for each in self._setup.adapters)
        base = clean(self._setup.base)
        models = ((names, "bold $accent"), (_("  beside {base}").format(base=base), "$text-muted"))
        if self.at is None:
            state = _("loading the models …")
        elif self.ended:
            state = _("it has ended")
        else:
            state = _("stopping …") if self.stopping else self.at.address
        look = "bold $success" if self.at and not (self.stopping or self.ended) else "$text-muted"
        self.query_one("#where", Static).update(Content.assemble(*models, "\n", (state, look)))
        self.query_one("#curl", Static).update(Content(self.curl))

    @property
    def curl(self) -> str:
        """A command that asks one question; empty while there is no address."""
        if self.at is None or self.ended:
            return ""
        return serving.curl(self.at.address, self.at.models[0], bool(self._setup.key))

    def _show_figures(self, now: Figures) -> None:
        told = [
            ngettext("{n} request", "{n} requests", now.requests).format(n=now.requests),
            _("{n} refused").format(n=now.refused) if now.refused else "",
            _("{n} running").format(n=now.running),
            _("{rate:.1f}/s").format(rate=now.requests_per_second),
            _("{rate:.0f} tokens/s").format(rate=now.tokens_per_second),
            _("up {time}").format(time=f.duration(now.up)),
        ]
        self.query_one("#figures", Static).update(Content(" · ".join(filter(None, told))))
        self.query_one(MemoryGauge).memory = memory(now)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer what can be done now."""
        if action == "copy":
            return self.at is not None and not self.ended
        return action != "stop" or not (self.ended or self.stopping)

    def action_stop(self) -> None:
        """Take no more requests."""
        if self._server and not self.ended:
            self.stopping = True
            self._server.stop()
            self._show_where()
            self.refresh_bindings()

    def action_copy(self, what: str) -> None:
        if self.at:
            self.app.copy_to_clipboard(self.curl if what == "curl" else self.at.address)

    def action_scroll_log(self, by: int) -> None:
        self.query_one(RunLog).move(by)

    def action_end_of_log(self) -> None:
        self.query_one(RunLog).to_end()

    @work
    async def action_back(self) -> None:
        """Leave; the server ends, if that is meant."""
        if self.at and not self.ended and not self.stopping:
            text = _("Whoever asks it gets no answer any more.")
            dialog = AskDialog(_("End the server?"), text, [Answer("y", _("end it and go back"))])
            if await self.app.push_screen_wait(dialog) != "y":
                return
        self.dismiss()


def memory(now: Figures) -> Memory:
    """Divide the machine's memory among the server, other programs and what is free."""
    machine = hardware.memory()
    used = max(0, machine.total - machine.available)
    rest = max(0, now.memory - now.active_memory - now.cache_memory)
    others = max(0, used - now.active_memory - now.cache_memory - rest)
    parts = (
        Part("active", mark("MLX active"), now.active_memory),
        Part("cache", mark("MLX cache"), now.cache_memory),
        Part("rest", mark("rest of worker"), rest),
        Part("others", mark("other programs"), others),
    )
    free = max(0, machine.total - sum(part.bytes or 0 for part in parts))
    whole = (*parts, Part("free", mark("free"), free))
    return Memory(machine.total, whole, now.peak_memory or None, now.limit or None)
