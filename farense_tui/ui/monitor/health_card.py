"""What is wrong with the run: sign, word, evidence, remedy, key. Not there while all is well."""

from __future__ import annotations

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.language import gettext as _
from textual.content import Content
from textual.events import Click
from textual.reactive import var

from farense_tui.engine.health import Finding
from farense_tui.ui.calm import Calm
from farense_tui.ui.common.status import Look

LOOKS = {
    "alarm": Look("▲", _("alarm"), "$error"),
    "warning": Look("△", _("warning"), "$warning"),
    "note": Look("●", _("note"), "$secondary"),
}
KEY = "h"


class HealthCard(Calm):
    """The findings, the most severe first, as many as there is room for."""

    DEFAULT_CSS = """
    HealthCard {
        height: auto;
        max-height: 3;
        margin-bottom: 1;
        display: none;
        border-left: outer $secondary;
        padding: 0 1;
    }
    HealthCard.-alarm { border-left: outer $error; }
    HealthCard.-warning { border-left: outer $warning; }
    """

    findings: var[tuple[Finding, ...]] = var(())

    def watch_findings(self, before: tuple[Finding, ...], findings: tuple[Finding, ...]) -> None:
        """Show them; the others make room only where there are more of them or fewer."""
        self.display = bool(findings)
        for severity in LOOKS:
            self.set_class(bool(findings) and findings[0].severity == severity, f"-{severity}")
        if len(before) != len(findings):
            self.refresh(layout=True)
        self.draw()

    async def on_click(self, event: Click) -> None:
        event.stop()
        await self.run_action("screen.health")

    def picture(self) -> Content:
        """Three lines each, or two or one of the first where there is room for no more."""
        room = self.content_size.height or 3
        width = self.content_size.width or 80
        if not self.findings:
            return Content("")
        if room < 3:
            return Content("\n").join(_short(self.findings, width)[:room])
        shown = self.findings[: room // 3]
        rows = [row for finding in shown for row in _rows(finding, width)]
        if hidden := len(self.findings) - len(shown):
            more = Content.styled(f"{KEY}  " + _("{n} more").format(n=hidden), "$text-muted")
            rows[0] = _apart(rows[0], more, width)
        return Content("\n").join(rows)

    def get_content_height(self, container: object, viewport: object, width: int) -> int:
        return 3 * len(self.findings)


def headline(finding: Finding) -> Content:
    """Sign, word and title."""
    sign, word, style = LOOKS[finding.severity]
    return Content.assemble(
        (f"{sign} {word}", f"bold {style}"), "  ", (clean(finding.title), "bold $foreground")
    )


def _short(findings: tuple[Finding, ...], width: int) -> list[Content]:
    """The first in two lines, the remedy beside its title where it has room."""
    first = findings[0]
    left = headline(first)
    more = f"   +{len(findings) - 1}" if len(findings) > 1 else ""
    label = clean(first.action.label) if first.action else ""
    fits = left.cell_length + len(label) + len(more) + 6 <= width
    right = f"{KEY}  " + (label if label and fits else _("what to do")) + more
    evidence = Content.styled(clean(first.evidence), "$foreground")
    return [
        _apart(left, Content.styled(right, "bold $accent"), width),
        evidence.truncate(width, ellipsis=True),
    ]


def _rows(finding: Finding, width: int) -> list[Content]:
    evidence = Content.styled(clean(finding.evidence), "$foreground")
    remedy = Content.styled(clean(finding.remedy), "$text-muted")
    if finding.action:
        label = Content.styled(f"{KEY}  {clean(finding.action.label)}", "bold $accent")
        remedy = Content.assemble(label, "   ", remedy)
    return [row.truncate(width, ellipsis=True) for row in (headline(finding), evidence, remedy)]


def _apart(left: Content, right: Content, width: int) -> Content:
    room = max(0, width - right.cell_length - 2)
    left = left.truncate(room, ellipsis=True)
    return Content.assemble(left, " " * max(2, width - left.cell_length - right.cell_length), right)
