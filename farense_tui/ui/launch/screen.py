"""The launch screen: the machine, the profiles, what a start would do, the settings that matter."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.profile import Profile
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.events import Paste
from textual.screen import Screen

from farense_tui.engine.machine import hardware
from farense_tui.engine.profiles.draft import Draft, find, shown
from farense_tui.engine.profiles.settings_words import ESSENTIAL
from farense_tui.engine.runs.describe import RunSummary
from farense_tui.engine.runs.live_list import going_on_or_resumable
from farense_tui.ui.common.key_footer import KeyFooter
from farense_tui.ui.common.setting_row import SettingRow
from farense_tui.ui.launch import start
from farense_tui.ui.launch.data.dropped import path_in
from farense_tui.ui.launch.data.reader import Looked
from farense_tui.ui.launch.data_pages import DataPages
from farense_tui.ui.launch.drafts import Drafts
from farense_tui.ui.launch.forecaster import Forecast
from farense_tui.ui.launch.help_line import HelpLine
from farense_tui.ui.launch.lookout import Lookout
from farense_tui.ui.launch.machine_line import MachineLine
from farense_tui.ui.launch.plan.headline import cannot_start, headline
from farense_tui.ui.launch.plan.known import Known
from farense_tui.ui.launch.plan.notes import model as model_note
from farense_tui.ui.launch.plan.panel import PlanPanel
from farense_tui.ui.launch.profile_cards import ProfileCards
from farense_tui.ui.launch.save_profile import save_as
from farense_tui.ui.launch.settings_form import SettingsForm
from farense_tui.ui.messages import Inspected, Located, RunsRead
from farense_tui.ui.navigator import navigator

if TYPE_CHECKING:
    from farense_tui.engine.forecast.safer_settings import Remedy
    from farense_tui.ui.launch.settings_screen import SettingsScreen


class LaunchScreen(Screen[None]):
    """Brings what is typed, what is known and what is shown together."""

    HELP_TITLE = _("Launch")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (104, "-wide")]  # noqa: RUF012 - Screen's own type
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,s", "start", _("Start"), key_display="s"),
        # short, and what is needed most comes first: a narrow footer is cut at its end
        Binding("e", "edit", _("Edit"), tooltip=_("Change the settings that matter")),
        Binding("a", "all_settings", _("All settings"), tooltip=_("Every setting, in groups")),
        Binding("d", "data", _("Data"), tooltip=_("What is trained on, and what is wrong with it")),
        Binding("c", "choose_data", _("Other data"), tooltip=_("Train on other data")),
        Binding("m", "models", _("Models"), tooltip=_("Choose a model, or download one")),
        Binding("r", "resume", _("Resume"), tooltip=_("Go on with the last run")),
        Binding("l", "runs", _("Runs"), tooltip=_("List the runs")),
        Binding(
            "f", "smaller", _("Smaller"), tooltip=_("Take the smaller model, or the larger again")
        ),
        Binding("y", "make_fit", _("Make it fit"), tooltip=_("Take the settings that make it fit")),
        Binding("w", "save", _("Save"), tooltip=_("Keep the changes as a profile of your own")),
        Binding("o", "doctor", _("Doctor"), tooltip=_("Look at the machine, MLX, disk and power")),
        Binding("slash", "search", _("Search the settings"), show=False),
        Binding("escape", "leave_form", _("Back to the profiles")),
        *(Binding(str(n), f"choose({n})", _("Choose a profile"), show=False) for n in range(1, 10)),
    ]
    AUTO_FOCUS = "ProfileCards"

    def __init__(self, runs_dir: Path, own_data: str = "") -> None:
        """Find the machine and the profiles, which takes milliseconds; the rest comes later."""
        super().__init__()
        self._runs_dir = runs_dir
        self._machine = hardware.machine()
        self._drafts = Drafts(self._machine, runs_dir, own_data)
        self._lookout = Lookout(self, self._machine, runs_dir)
        self._away = False
        self._known = Known(self._machine)
        self._data = DataPages(self, self._lookout, runs_dir, self._drafts, self.change)
        self._settings: SettingsScreen | None = None
        self._run: RunSummary | None = None

    @property
    def draft(self) -> Draft | None:
        """The chosen profile with its changes; None if its file has faults."""
        return self._drafts.draft

    @property
    def profile_titles(self) -> dict[str, str]:
        """The profiles there are, in the order of their cards, with what stands on them."""
        return {
            found.name: found.profile.profile.title if found.profile else _("has faults")
            for found in self._drafts.listed
        }

    def compose(self) -> ComposeResult:
        """From top to bottom: machine, profiles, plan and settings, help, keys."""
        draft = self.draft or Draft(Profile(), self._runs_dir)
        yield MachineLine(self._machine)
        yield ProfileCards(self._machine, self._drafts.listed, self._drafts.fits)
        yield PlanPanel(self._machine, SettingsForm(draft, self._drafts.next_name, ESSENTIAL))
        yield HelpLine()
        yield KeyFooter()

    def on_mount(self) -> None:
        """Show the profile that fits; look at models, data and runs once the screen is there."""
        self.query_one(ProfileCards).chosen = self._drafts.chosen
        self._show()
        if self._drafts.own_data:  # what is wrong with it comes first
            self.call_after_refresh(self.action_data)

    def on_screen_resume(self) -> None:
        """Come back from a run: the next name may be another, and runs may have changed."""
        if self._away:  # and so may models, which a run downloads, and data
            self._away = False
            self._forget()
        self.call_after_refresh(self._look_at_runs)
        self.call_after_refresh(self._look_for_models)
        if self.draft:
            self.query_one(SettingsForm).show(self.draft, self._drafts.next_name)

    def on_screen_suspend(self) -> None:
        """Give the machine to the run that is shown now; under a dialog a check goes on."""
        self._away = self not in self.app.screen_stack
        if self._away:
            self._lookout.cancel()

    def on_unmount(self) -> None:
        """End what is under way."""
        self._lookout.cancel()

    def _forget(self) -> None:
        self._lookout.forget()
        self._show_plan()

    # What is shown

    def _show(self) -> None:
        """Bring everything on the screen into line with the chosen draft."""
        if draft := self.draft:
            self.query_one(SettingsForm).show(draft, self._drafts.next_name)
        self._show_plan()
        self.refresh_bindings()

    def _show_plan(self) -> None:
        draft = self.draft
        if draft is None:
            self._known = Known(self._machine, fault=self._drafts.fault)
        else:
            self._known = self._lookout.want(draft)
            if card := self.query_one(ProfileCards).card(self._drafts.chosen):
                card.changes = len(draft.typed)
        self.query_one(PlanPanel).show(self._known)
        self._hint()
        if self._settings:
            self._settings.show_headline(headline(self._known))

    def _hint(self) -> None:
        """Say what the keys do, where no setting is explained."""
        if not self._in_form():
            ready = self.draft is not None and not cannot_start(self._known)
            self.query_one(HelpLine).hint(len(self._drafts.found), starts=ready)

    def on_inspected(self, message: Inspected) -> None:
        self._lookout.take(message)
        self._show_plan()

    def on_looked(self, message: Looked) -> None:
        """Show what the check of the data has found by now."""
        self._lookout.take(message.look)
        self._show_plan()
        self._data.take(message.look)

    def on_forecast(self, message: Forecast) -> None:
        self._lookout.take(message)
        self._show_plan()
        self.refresh_bindings()

    @work(thread=True, exclusive=True, group="models")
    def _look_for_models(self) -> None:
        self.post_message(Located(self._drafts.models()))

    def on_located(self, message: Located) -> None:
        told = {name: model_note(state) for name, state in message.states.items()}
        self.query_one(ProfileCards).tell(told)

    @work(thread=True, exclusive=True, group="runs")
    def _look_at_runs(self) -> None:
        run = going_on_or_resumable(self._runs_dir)
        self.post_message(RunsRead([run] if run else []))

    def on_runs_read(self, message: RunsRead) -> None:
        self._run = next(iter(message.summaries), None)
        self.query_one(PlanPanel).show_run(self._run)
        self.refresh_bindings()

    # What is typed and chosen

    def on_profile_cards_chosen(self, message: ProfileCards.Chosen) -> None:
        """Show another profile, with the changes that were made to it before."""
        self._drafts.chosen = message.name
        self._show()

    def on_setting_row_edited(self, message: SettingRow.Edited) -> None:
        """Take over what was typed and show what it makes of the plan."""
        self.change(message.name, message.text)

    def on_settings_form_undo(self, message: SettingsForm.Undo) -> None:
        self.change(message.name, None)

    def change(self, name: str, text: str | None) -> Draft:
        """Take a change, or take it back where text is None; gives the draft that comes of it."""
        draft = self.draft
        assert draft is not None
        draft = draft.without(name) if text is None else draft.with_text(name, text)
        self._drafts.keep(draft)
        self.query_one(SettingsForm).show_change(name, draft)
        if self._in_form():
            self.query_one(HelpLine).show(find(name), draft)
        self._show_plan()
        return draft

    def on_setting_row_focused(self, message: SettingRow.Focused) -> None:
        if self.draft:
            self.query_one(HelpLine).show(message.setting, self.draft)
        self.refresh_bindings()

    # Actions

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Offer only what can be done now."""
        in_form = self._in_form()
        if action == "leave_form":
            return in_form
        if action in (
            "edit",
            "all_settings",
            "search",
            "save",
            "data",
            "choose_data",
            "doctor",
            "models",
        ):
            return self.draft is not None and not in_form
        if action == "smaller":
            return bool(self.draft and self.draft.base.model.fallback) and not in_form
        if action == "make_fit":
            return self._remedy is not None and not in_form
        if action == "resume":
            return bool(self._run and self._run.resumable) and not in_form
        return True

    def _in_form(self) -> bool:
        focused = self.focused
        return focused is not None and any(isinstance(n, SettingsForm) for n in focused.ancestors)

    def action_choose(self, number: int) -> None:
        self.query_one(ProfileCards).choose_number(number)

    def choose(self, name: str) -> None:
        self.query_one(ProfileCards).choose(name)

    def action_edit(self) -> None:
        self.query_one(SettingsForm).enter()

    def action_leave_form(self) -> None:
        """Go back to the cards; what was typed stays."""
        self.query_one(ProfileCards).focus()
        self.call_after_refresh(self._hint)

    def action_all_settings(self) -> None:
        """Show every setting."""
        self._open_settings(search=False)

    def action_search(self) -> None:
        """Show every setting, to search among them."""
        self._open_settings(search=True)

    def _open_settings(self, *, search: bool) -> None:
        from farense_tui.ui.launch.settings_screen import SettingsScreen

        if draft := self.draft:
            name, said = self._drafts.next_name, headline(self._known)
            self._settings = SettingsScreen(draft, name, said, self.change, search=search)
            self.app.push_screen(self._settings, self._leave_settings)

    def _leave_settings(self, nothing: None) -> None:
        self._settings = None

    def action_smaller(self) -> None:
        """Take the smaller model, or go back to the larger one."""
        if draft := self.draft:
            fallback = draft.base.model.fallback
            smaller = draft.profile.model.repo != fallback
            self.change("model.repo", fallback if smaller else None)

    @property
    def _remedy(self) -> Remedy | None:
        made = self._known.forecast.made
        return made.remedy if made and not self._known.forecast.old else None

    def action_make_fit(self) -> None:
        """Take the settings that make the run fit; they are changes like any typed."""
        if found := self._remedy:
            for name, value in found.changes:
                self.change(name, shown(value))

    @work
    async def action_save(self) -> None:
        """Keep the draft as a profile of the user's own, and go on with that one."""
        draft = self.draft
        if draft is None or draft.faults:
            self._refuse()
            return
        name = await save_as(self, draft, f"my-{self._drafts.chosen}", list(self._drafts.found))
        if name:
            self._drafts.saved_as(name)
            await self.query_one(ProfileCards).replace(self._drafts.listed, name)
            self._look_for_models()
            self._show()
            self.notify(f"profiles/{name}.toml", title=_("Saved"))

    def action_data(self) -> None:
        """Show the data: how long its rows are, what is wrong, what is trained on."""
        self._data.open()

    def action_choose_data(self) -> None:
        """Train on other data."""
        self._data.choose()

    def on_paste(self, event: Paste) -> None:
        """Train on a folder or file that was dropped on the window."""
        if self.draft and (path := path_in(event.text)):
            event.stop()
            self._data.dropped(path)

    @work
    async def action_models(self) -> None:
        """Choose among the models that are on this machine, or download the profile's."""
        from farense_tui.ui.launch.models import ModelsScreen

        if draft := self.draft:
            name = await self.app.push_screen_wait(ModelsScreen(draft.profile.model.repo))
            self._forget()  # one may have been downloaded
            if name:
                self.change("model.repo", name)

    def action_doctor(self) -> None:
        """Look at what a run of this profile depends on."""
        from farense_tui.ui.common.doctor import DoctorScreen

        if draft := self.draft:
            self.app.push_screen(DoctorScreen(draft.profile, self._runs_dir))

    def action_runs(self) -> None:
        navigator(self).open_runs()

    def action_resume(self) -> None:
        """Resume the run that the panel names."""
        if self._run:
            navigator(self).resume_run(self._run.folder)

    @work
    async def action_start(self) -> None:
        """Start, unless something that was typed is wrong, or the user does not mean it."""
        draft = self.draft
        if draft is None or draft.faults:
            self._refuse()
        elif await start.agreed(self, draft):
            name, chosen = draft.run_name or self._drafts.next_name, self._drafts.chosen
            navigator(self).start_run(draft.profile, name=name, profile_name=chosen)

    def _refuse(self) -> None:
        draft = self.draft
        navigator(self).show_error(self._drafts.fault if draft is None else start.faulty(draft))
