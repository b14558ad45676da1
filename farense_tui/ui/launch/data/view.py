"""The report of a data check in four parts, and what there is to say while there is none."""

from __future__ import annotations

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages.data_check import Report
from farense_worker.protocol.settings.profile import Profile
from textual.app import ComposeResult
from textual.containers import VerticalGroup, VerticalScroll
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from farense_tui.ui.launch.data import figures, rows
from farense_tui.ui.launch.data.reader import Look
from farense_tui.ui.launch.data.remedies import listed, remedies
from farense_tui.ui.launch.data.summary import counted

Shown = tuple[str | Content, Content]  # a part's title and what it tells
_AWAY = _("Lengths and labels are told once the model is here: its tokenizer makes them.")


class Part(VerticalGroup):
    """A title and what stands under it; `width` of the text is known once it is laid out."""

    def compose(self) -> ComposeResult:
        yield Static(classes="section", markup=False)
        yield Static(classes="text", markup=False)

    def show(self, shown: Shown | None) -> None:
        self.display = shown is not None
        if shown:
            self.query_one(".section", Static).update(shown[0])
            self.query_one(".text", Static).update(shown[1])


class DataView(VerticalScroll):
    """Shows a look at a data set, whatever is known of it."""

    HELP_TITLE = _("Data")
    PARTS = ("state", "remedies", "findings", "rows", "lengths", "examples")

    def __init__(self, profile: Profile, look: Look) -> None:
        super().__init__()
        self._profile, self._look = profile, look

    def compose(self) -> ComposeResult:
        """What is wrong comes first; what the data is like stands below it, or beside it."""
        with VerticalGroup(classes="wrong"):
            for name in self.PARTS[:3]:
                yield Part(id=name)
        with VerticalGroup(classes="like"):
            for name in self.PARTS[3:]:
                yield Part(id=name)

    def on_mount(self) -> None:
        """Show what was known before there was a view."""
        self._draw()

    def show(self, profile: Profile, look: Look) -> None:
        self._profile, self._look = profile, look
        if self.is_mounted:
            self._draw()

    def _draw(self) -> None:
        parts = _parts(self._look, self._room)
        if found := remedies(self._profile, self._look):
            parts["remedies"] = (_("what helps"), listed(found))
        for part in self.query(Part):
            part.show(parts.get(part.id or ""))

    @property
    def _room(self) -> int:
        return self.query_one(".like").content_size.width

    def on_resize(self, event: Resize) -> None:
        """Draw tables and bars as wide as there is room, once the columns have their width."""
        self.call_after_refresh(self._draw)

    def next_part(self, by: int) -> None:
        """Scroll to the part below or above."""
        tops = sorted({self._top(part) for part in self.query(Part) if part.display})
        here = round(self.scroll_y)
        ahead = [top for top in tops if (top > here if by > 0 else top < here)]
        if ahead:
            self.scroll_to(y=ahead[0 if by > 0 else -1], animate=False)

    def _top(self, part: Part) -> int:
        return part.virtual_region.y + (part.parent.virtual_region.y if part.parent else 0)  # type: ignore[attr-defined]


def _parts(look: Look, width: int) -> dict[str, Shown]:
    if look.error:
        return {"state": _wrong(look.error)}
    if look.report is None:
        far = _("its first rows come in a moment")
        if look.total:
            far = _("row {n} of {total}").format(n=look.done, total=look.total)
        return {"state": (_("looking …"), Content.styled(far, "$text-muted"))}
    return _report(look.report, width)


def _wrong(error: FarenseError) -> Shown:
    told = [clean(line) for line in (error.detail, error.hint) if line]
    title = Content.styled(f"✗ {clean(error.title)}", "bold $error")
    return title, Content.styled("\n".join(told), "$text-muted")


def _report(report: Report, width: int) -> dict[str, Shown]:
    parts: dict[str, Shown] = {"rows": (_("rows"), _rows(report, width))}
    if report.no_tokenizer:
        parts["state"] = (_("the model is not here"), Content.styled(_AWAY, "$text-muted"))
    parts["findings"] = (_("findings"), rows.findings(report))
    for split in report.splits:
        if split.name == "train" and split.bins:
            text = figures.bars(split, report.max_seq_length, width)
            parts["lengths"] = (_("rows of train by their tokens"), text)
    if report.examples:
        legend = rows.legend(rows.has_cut(report.examples))
        title = Content.assemble(_("examples"), "  ", legend)
        parts["examples"] = (title, rows.examples(report.examples))
    return parts


def _rows(report: Report, width: int) -> Content:
    lines = [figures.table(report.splits, width)]
    if report.set_aside:
        aside = ngettext(
            "{n} row of train is kept for validation",
            "{n} rows of train are kept for validation",
            report.set_aside,
        ).format(n=report.set_aside)
        lines.append(Content.styled(aside, "$text-muted"))
    wrong = (counted(report, "error"), counted(report, "warning"))
    return Content("\n").join([*lines, *filter(None, wrong)])
