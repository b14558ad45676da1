"""The screens that load a run's model: they take memory beside what is being trained."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Model, Profile
from textual import work

from farense_tui.engine.runs import folders as runs
from farense_tui.ui.common.dialogs import Answer, AskDialog
from farense_tui.ui.common.download_question import download_question
from farense_tui.ui.once import OpensOnce


class WithModels(OpensOnce):
    """Opens them. `runs_dir` is where the runs are."""

    runs_dir: Path

    def show_error(self, error: FarenseError) -> None:
        """Say what went wrong; the screen behind stays as it is. From any thread."""
        raise NotImplementedError

    @work
    async def open_ask(self, folders: list[RunFolder]) -> None:
        """Ask the adapters of runs; first whether it may, if a run is being trained."""
        from farense_tui.engine.runs import found_again
        from farense_tui.engine.tasks import ask
        from farense_tui.ui.ask.screen import AskScreen

        try:
            setup = ask.setup(folders)
            data = [found_again.config_of(folder).data for folder in folders]
            remarks = [said for folder in folders for said in found_again.remarks(folder)]
        except FarenseError as error:
            self.show_error(error)
            return
        if await self._may_load(folders, _("ask all the same")):
            self.push_screen(AskScreen(setup, data, remarks))

    @work
    async def open_serve(self, folders: list[RunFolder]) -> None:
        """Put runs behind an address; first whether it may, if a run is being trained."""
        from farense_tui.engine.runs import found_again
        from farense_tui.engine.tasks import serving
        from farense_tui.ui.serve.screen import ServeScreen

        try:
            setup = serving.setup(folders)
            remarks = [said for folder in folders for said in found_again.remarks(folder)]
        except FarenseError as error:
            self.show_error(error)
            return
        if await self._may_load(folders, _("serve all the same")):
            self.push_screen(ServeScreen(setup, remarks))

    @work
    async def open_evaluation(self, folder: RunFolder) -> None:
        """Measure a run, or show what was, for which no model is loaded."""
        from farense_tui.engine.tasks import evaluation
        from farense_tui.ui.after.evaluation import EvaluationScreen

        def may() -> Awaitable[bool]:
            return self._may_load([folder], _("measure all the same"))

        kept = evaluation.kept(folder)
        if kept or await may():
            self.push_screen(EvaluationScreen(folder, kept, may))

    @work
    async def open_export(self, folder: RunFolder) -> None:
        """Take a run elsewhere; first whether it may, if a run is being trained."""
        from farense_tui.ui.after.export import ExportScreen

        if await self._may_load([folder], _("export all the same")):
            self.push_screen(ExportScreen(folder))

    def open_draft(self, profile: Profile, made: Callable[[str | None], None]) -> None:
        """Draft from documents; before a model here is asked, whether it may."""
        from farense_tui.ui.review.draft_screen import DraftScreen

        async def may(model: Model) -> bool:
            all_the_same = _("draft all the same")
            return await self._may_take_memory(all_the_same) and await self._here([model])

        self.push_screen(DraftScreen(profile, may), made)

    async def _may_load(self, folders: list[RunFolder], all_the_same: str) -> bool:
        """Whether the models may be loaded, and brought here if they are not."""
        from farense_tui.engine.runs import found_again

        if not await self._may_take_memory(all_the_same):
            return False
        try:
            models = {found_again.config_of(folder).model for folder in folders}
        except FarenseError as error:
            self.show_error(error)
            return False
        return await self._here(models)

    async def _here(self, models: Iterable[Model]) -> bool:
        """Whether the models are here, or may be downloaded."""
        from farense_tui.engine.preflight.download import needed

        try:
            for model in models:
                # in a thread: the hub may have to be asked
                if download := await asyncio.to_thread(needed, model):
                    question = download_question(download, _("download {size}"))
                    if await self.push_screen_wait(question) != "y":
                        return False
        except FarenseError as error:
            self.show_error(error)
            return False
        return True

    async def _may_take_memory(self, all_the_same: str) -> bool:
        """Whether models may be loaded: they take memory beside a run that is being trained."""
        alive = [run.name for run in runs.folders(self.runs_dir) if run.is_alive()]
        if not alive:
            return True
        told = _("The models to be asked take memory beside it.")
        text = f"{', '.join(alive)}\n{told}"
        dialog = AskDialog(_("A run is training"), text, [Answer("y", all_the_same)])
        return await self.push_screen_wait(dialog) == "y"
