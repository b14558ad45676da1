"""The data of the launch screen: its page, other data, remedies."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from textual.screen import Screen

from farense_tui.engine.profiles.draft import Draft
from farense_tui.engine.runs import new_run
from farense_tui.ui.launch.data.dropped import data_of
from farense_tui.ui.launch.data.reader import Look
from farense_tui.ui.launch.data.remedies import Remedy
from farense_tui.ui.launch.drafts import Drafts
from farense_tui.ui.launch.lookout import Lookout
from farense_tui.ui.navigator import navigator

if TYPE_CHECKING:
    from farense_tui.ui.launch.data.screen import DataScreen


class DataPages:
    """Works for the launch screen, which edits the draft with `change`."""

    def __init__(
        self,
        screen: Screen[None],
        lookout: Lookout,
        runs_dir: Path,
        drafts: Drafts,
        change: Callable[[str, str | None], Draft],
    ) -> None:
        self._screen, self._lookout, self._runs_dir = screen, lookout, runs_dir
        self._drafts, self._change = drafts, change
        self._page: DataScreen | None = None

    def open(self) -> None:
        """Show how long the rows are, what is wrong, what is trained on."""
        from farense_tui.ui.launch.data.screen import DataScreen

        if (draft := self._drafts.draft) and self._page is None:
            self._page = DataScreen(draft.profile, self._lookout.look(draft.profile), self)
            self._screen.app.push_screen(self._page, self._left)

    def _left(self, made: str | None) -> None:
        """Train on the data set that was made there, if one was."""
        self._page = None
        self._screen.app.clear_notifications()  # of the rows: they would cover what comes next
        if made:
            self._drafts.own_data = made
            self._change("data.path", made)

    def take(self, look: Look) -> None:
        """Show what the check has found by now."""
        if self._page:
            self._page.show(look)

    def look_again(self) -> None:
        """Read it anew: its files may have been mended."""
        self._lookout.forget()
        self._show()

    def _show(self) -> None:
        if self._page and (draft := self._drafts.draft):
            self._page.show_data(draft.profile, self._lookout.look(draft.profile))

    def take_data(self, path: str) -> None:
        """Train on what is there; what is wrong with it is shown first."""
        if self._drafts.draft:
            self._drafts.own_data = path  # whatever the profile
            self._change("data.path", path)
            self.open()
            self._show()

    def take_remedy(self, remedy: Remedy) -> None:
        """Change the settings that help, or make rows of what is there."""
        for name, text in remedy.changes:
            self._change(name, text)
        if remedy.changes:
            self._show()
        elif draft := self._drafts.draft:
            folder = new_run.data_folder(draft.profile)
            self._screen.run_worker(self._make_rows(folder), group="rows", exclusive=True)

    async def _make_rows(self, path: Path) -> None:
        from farense_tui.dataset.make_rows import make_rows

        self._screen.app.notify(_("making rows of {path} …").format(path=path.name))
        try:
            made, lines = await asyncio.to_thread(make_rows, path)
        except FarenseError as error:
            navigator(self._screen).show_error(error)
        else:
            self.take_data(made)
            # Nobody was asked: what was taken for what, and what is not in it, stays to be read.
            self._screen.app.notify("\n".join(lines), timeout=30, markup=False)

    def action_choose_data(self) -> None:
        """Ask for other data."""
        self.choose()

    def choose(self, begun: str = "") -> None:
        """Ask for other data, beginning with what was dropped."""
        from farense_tui.ui.launch.data.choose import ChooseData

        def take(path: str | None) -> None:
            if path:
                self.take_data(path)

        if self._drafts.draft:
            self._screen.app.push_screen(ChooseData(self._runs_dir, begun), take)

    def dropped(self, path: Path) -> None:
        """Train on a file or folder that was dropped on the window."""
        self.take_data(data_of(path))
