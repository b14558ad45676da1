"""The card of a run that has ended: what it came to, an answer before and now, what to do next."""

from __future__ import annotations

from farense_worker.protocol.language import gettext as _
from textual.app import RenderResult
from textual.content import Content
from textual.reactive import reactive
from textual.widget import Widget

from farense_tui.ui.common.status import ENDED_WELL, look
from farense_tui.ui.monitor.outcome import Outcome

Row = tuple[Content, Content]  # label and text


class OutcomePanel(Widget):
    """Says how the run ended; not there while it lives.

    A title, what to do, and rows with a label each: from the top down what is missed most, as a
    small terminal cuts it at its end.
    """

    DEFAULT_CSS = """
    OutcomePanel {
        height: auto;
        max-height: 12;
        display: none;
        border-left: outer $secondary;
        padding: 0 1;
    }
    OutcomePanel.-good { border-left: outer $success; }
    OutcomePanel.-amber { border-left: outer $warning; }
    OutcomePanel.-bad { border-left: outer $error; }
    """

    end: reactive[Outcome | None] = reactive(None, layout=True)

    def watch_end(self, end: Outcome | None) -> None:
        self.display = end is not None
        status = end.status if end else ""
        amber = end is not None and end.amber
        self.set_class(status in ENDED_WELL and not amber, "-good")
        self.set_class(amber, "-amber")
        self.set_class(status in ("failed", "killed", "lost"), "-bad")

    def render(self) -> RenderResult:
        """Title, what to do, the rest."""
        if self.end is None:
            return ""
        end = self.end
        sign, _word, style = look("overfitted" if end.amber else end.status)
        title = Content.styled(f"{sign} {end.title}", f"bold {style}")
        width = max(1, self.content_size.width)
        lines = [beside(title, Content.styled(end.took, "$text-muted"), width)]
        if end.hint:  # second, so that it is seen where there is room for little
            more = "   " + _("p tells what happened") if self.has_class("-bad") else ""
            lines.append(Content.styled(end.hint + more, "bold $accent"))
        lines += [Content.styled(line, "$foreground") for line in end.lines]
        lines += self._rows(end, width)
        lines += [Content.styled(line, "$text-muted") for line in end.log]
        return Content("\n").join(lines)

    def _rows(self, end: Outcome, width: int) -> list[Content]:
        """Labels in a column of their own; apart by groups where there is room."""
        groups = [group for group in _groups(end) if group]
        label = max((name.cell_length for group in groups for name, _text in group), default=0) + 3
        lines = []
        for number, group in enumerate(groups):
            if self.screen.has_class("-tall") and number:
                lines.append(Content())
            for name, text in group:
                row = Content.assemble(name.pad_right(label - name.cell_length), text)
                lines.append(row.truncate(width, ellipsis=True))
        return lines


def _groups(end: Outcome) -> list[list[Row]]:
    """The rows that belong together; where it ended amber, what can be done comes first."""
    keys = [_keys()] if end.adapter else []
    if end.amber:
        return [keys, [*_answers(end), *_places(end)]]
    return [_losses(end), _answers(end), [*keys, *_places(end)]]


def beside(left: Content, right: Content, width: int) -> Content:
    """One at each edge; without the right one where there is no room for both."""
    gap = width - left.cell_length - right.cell_length
    return Content.assemble(left, " " * gap, right) if gap >= 3 else left


def _row(name: str, text: Content | str, style: str = "$foreground") -> Row:
    shown = text if isinstance(text, Content) else Content(text)
    return Content.styled(name, "$text-muted"), shown.stylize_before(style)


def _losses(end: Outcome) -> list[Row]:
    return [_row(_("validation"), end.losses, "bold $foreground")] if end.losses else []


def _answers(end: Outcome) -> list[Row]:
    styles = ("$text-muted", "$text-muted", "bold $foreground")
    return [_row(*row, style) for row, style in zip(end.answers, styles, strict=False)]


def _keys() -> Row:
    named = {
        "a": _("ask"), "m": _("measure"), "s": _("serve"), "E": _("export"), "o": _("report"),
    }  # fmt: skip
    told = [Content.assemble((key, "bold $accent"), f" {name}") for key, name in named.items()]
    return _row(_("keys"), Content("   ").join(told))


def _places(end: Outcome) -> list[Row]:
    return [_row(*row) for row in end.places]
