"""Which system prompt a question of the ask screen is put under."""

from __future__ import annotations

from collections.abc import Iterable

from farense_worker.protocol.language import gettext as _

from farense_tui.ui.ask.questions import Asked


class SystemChoice:
    """A row of the test set has its own; what is typed has the one that the data's rows share.

    A conversation goes on under the one that it began with.
    """

    def __init__(self, shared: str | None = None, rows: Iterable[Asked] = ()) -> None:
        """Take them by default, where there are any; `shared` is None where rows share none."""
        self.shared = shared
        self._now: str | None = None
        self.on = self.offered = shared is not None or any(row.system is not None for row in rows)

    def of(self, row: Asked | None, *, fresh: bool) -> str | None:
        """Give the one of the next question, None for none.

        row: the question's, if it is one of the test set. fresh: it begins a conversation.
        """
        if not self.on:
            return None
        if row:
            return row.system
        return self.shared if fresh else self._now

    def go_on(self, system: str | None) -> None:
        """Go on with a conversation that was under this one."""
        self._now, self.on = system, system is not None

    def take(self, row: Asked | None, *, fresh: bool) -> str | None:
        """Give the same for a question that is put now."""
        self._now = self.of(row, fresh=fresh)
        return self._now

    def words(self, row: Asked | None, *, fresh: bool) -> str:
        """Say which one it will be; empty where there is none to choose."""
        if not self.offered:
            return ""
        system = self.of(row, fresh=fresh)
        if system is None:
            return _("no system prompt")
        alike = system == self.shared
        return _("system prompt of the data") if alike else _("system prompt of the row")
