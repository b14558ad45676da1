"""What is being edited: the profiles there are, which is chosen, and the changes to each."""

from __future__ import annotations

from pathlib import Path

from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _

from farense_tui.engine.machine.hardware import Machine
from farense_tui.engine.models import locate
from farense_tui.engine.models.locate import ModelState
from farense_tui.engine.profiles import catalogue
from farense_tui.engine.profiles.catalogue import Found
from farense_tui.engine.profiles.draft import Draft
from farense_tui.engine.runs import new_run


class Drafts:
    """One draft for each profile that was changed, so that no change is ever lost."""

    def __init__(self, machine: Machine, runs_dir: Path, own_data: str = "") -> None:
        """Choose the profile for `machine`; own_data stands in all of them in place of theirs."""
        self._runs_dir = runs_dir
        self.own_data = own_data
        self._drafts: dict[str, Draft] = {}
        self.found: dict[str, Found] = {}
        self.read()
        self.fits = catalogue.fitting(machine, self.listed)
        self.chosen = self.fits

    def read(self) -> None:
        """Look for profiles anew."""
        self.found = {found.name: found for found in catalogue.find()}

    @property
    def listed(self) -> list[Found]:
        """The profiles, in the order of their cards."""
        return list(self.found.values())

    @property
    def draft(self) -> Draft | None:
        """The chosen profile with its changes; None if its file has faults."""
        base = self.found[self.chosen].profile
        if base is None or self.chosen in self._drafts:
            return self._drafts.get(self.chosen)
        draft = Draft(base, self._runs_dir)
        return draft.with_text("data.path", self.own_data) if self.own_data else draft

    @property
    def fault(self) -> FarenseError:
        """Why there is no draft."""
        return self.found[self.chosen].fault or refused(_("this profile cannot be read"))

    @property
    def next_name(self) -> str:
        """What the next run of the chosen profile is called."""
        return new_run.new_name(self.chosen, self._runs_dir)

    def models(self) -> dict[str, ModelState]:
        """Where the model of each profile is, by its name. Looks at the disk: for a thread."""
        profiles = {found.name: found.profile for found in self.listed if found.profile}
        return {
            name: locate.locate(profile.model.repo, profile.model.revision)
            for name, profile in profiles.items()
        }

    def keep(self, draft: Draft) -> None:
        self._drafts[self.chosen] = draft

    def drop(self, *names: str) -> None:
        """Forget the changes to these profiles; without names those to all."""
        for name in names or list(self._drafts):
            self._drafts.pop(name, None)

    def saved_as(self, name: str) -> None:
        """Go on with the profile that the chosen one was saved as."""
        self.drop(self.chosen, name)
        self.read()
        self.chosen = name
