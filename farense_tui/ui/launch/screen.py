"""The launch screen: the machine, the profiles, every setting, and what a start would do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.settings.profile import Profile
from textual import work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import Screen
from textual.timer import Timer

from farense_tui.engine.forecast.safer_settings import Remedy
from farense_tui.engine.machine import hardware
from farense_tui.engine.preflight import model_and_data
from farense_tui.engine.preflight.model_and_data import Inspection
from farense_tui.engine.profiles import catalogue
from farense_tui.engine.profiles.draft import Draft, find, shown
from farense_tui.engine.runs import new_run
from farense_tui.engine.runs.describe import RunSummary
from farense_tui.engine.runs.live_list import going_on_or_resumable
from farense_tui.ui.common.key_footer import KeyFooter
from farense_tui.ui.common.setting_row import SettingRow
from farense_tui.ui.launch.data.reader import Looked, Looker
from farense_tui.ui.launch.forecaster import Forecast, Forecaster
from farense_tui.ui.launch.help_line import HelpLine
from farense_tui.ui.launch.machine_line import MachineLine
from farense_tui.ui.launch.plan_panel import PlanPanel
from farense_tui.ui.launch.profile_cards import ProfileCards
from farense_tui.ui.launch.save_profile import save_as
from farense_tui.ui.launch.settings_form import SettingsForm
from farense_tui.ui.launch.trust_question import trust_question
from farense_tui.ui.messages import Inspected, RunsRead
from farense_tui.ui.navigator import navigator

if TYPE_CHECKING:
    from farense_tui.ui.launch.data.screen import DataScreen

_DEBOUNCE = 0.3


class LaunchScreen(Screen[None]):
    """Owns the drafts: one for each profile that was changed, so that no change is ever lost."""

    HELP_TITLE = _("Launch")
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (104, "-wide")]  # noqa: RUF012 - Screen's own type
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,s", "start", _("Start"), key_display="s"),
        # short, and what is needed most comes first: a narrow footer is cut at its end
        Binding("e", "edit", _("Edit"), tooltip=_("Change the settings")),
        Binding("d", "data", _("Data"), tooltip=_("What is trained on, and what is wrong with it")),
        Binding("r", "resume", _("Resume"), tooltip=_("Go on with the last run")),
        Binding("l", "runs", _("Runs"), tooltip=_("List the runs")),
        Binding(
            "f", "smaller", _("Smaller"), tooltip=_("Take the smaller model, or the larger again")
        ),
        Binding("y", "make_fit", _("Make it fit"), tooltip=_("Take the settings that make it fit")),
        Binding("w", "save", _("Save"), tooltip=_("Keep the changes as a profile of your own")),
        Binding(
            "m", "models", _("Models"), tooltip=_("Choose a model that is here, or download one")
        ),
        Binding("o", "doctor", _("Doctor"), tooltip=_("Look at the machine, MLX, disk and power")),
        Binding("escape", "leave_form", _("Back to the profiles")),
        *(Binding(str(n), f"choose({n})", _("Choose a profile"), show=False) for n in range(1, 10)),
    ]
    AUTO_FOCUS = "ProfileCards"

    def __init__(self, runs_dir: Path, own_data: str = "") -> None:
        """Find the machine and the profiles, which takes milliseconds; the rest comes later."""
        super().__init__()
        self._runs_dir = runs_dir
        self._own_data = own_data
        self._machine = hardware.machine()
        self._found = {found.name: found for found in catalogue.find()}
        self._fits = catalogue.fitting(self._machine, list(self._found.values()))
        self._chosen = self._fits
        self._drafts: dict[str, Draft] = {}
        self._inspections: dict[tuple[object, ...], Inspection] = {}
        self._debounce: Timer | None = None
        self._looker = Looker(self)
        self._forecaster = Forecaster(self, runs_dir)
        self._away = False
        self._data: DataScreen | None = None
        self._run: RunSummary | None = None

    @property
    def draft(self) -> Draft | None:
        """The chosen profile with its changes; None if its file has faults."""
        base = self._found[self._chosen].profile
        if base is None or self._chosen in self._drafts:
            return self._drafts.get(self._chosen)
        draft = Draft(base, self._runs_dir)
        return draft.with_text("data.path", self._own_data) if self._own_data else draft

    @property
    def profile_titles(self) -> dict[str, str]:
        """The profiles there are, in the order of their cards, with what stands on them."""
        return {
            name: found.profile.profile.title if found.profile else _("has faults")
            for name, found in self._found.items()
        }

    def compose(self) -> ComposeResult:
        """From top to bottom: machine, profiles, plan and settings, help, keys."""
        yield MachineLine(self._machine)
        yield ProfileCards(self._machine, list(self._found.values()), self._fits)
        with Container(id="body"):
            yield PlanPanel(self._machine)
            yield SettingsForm(self.draft or Draft(Profile(), self._runs_dir), self._next_name())
        yield HelpLine()
        yield KeyFooter()

    def on_mount(self) -> None:
        """Show the profile that fits; look at models, data and runs once the screen is there."""
        self.query_one(ProfileCards).chosen = self._chosen
        self._show()
        if self._own_data:  # what is wrong with it comes first
            self.call_after_refresh(self.action_data)

    def on_screen_resume(self) -> None:
        """Come back from a run: the next name may be another, and runs may have changed."""
        if self._away:  # and so may models, which a run downloads, and data
            self._away = False
            self._forget()
        self.call_after_refresh(self._look_at_runs)
        if self.draft:
            self.query_one(SettingsForm).show(self.draft, self._next_name())

    def on_screen_suspend(self) -> None:
        """Give the machine to the run that is shown now; under a dialog a check goes on."""
        self._away = self not in self.app.screen_stack
        if self._away:
            self._looker.cancel()
            self._forecaster.cancel()

    def on_unmount(self) -> None:
        """End what is under way."""
        self._looker.cancel()
        self._forecaster.cancel()

    def _forget(self) -> None:
        self._inspections.clear()
        self._looker.forget()
        self._forecaster.forget()
        self._show_plan()

    def _next_name(self) -> str:
        return new_run.new_name(self._chosen, self._runs_dir)

    # What is shown

    def _show(self) -> None:
        """Bring everything on the screen into line with the chosen draft."""
        self.query_one(HelpLine).hint(len(self._found))
        form, draft = self.query_one(SettingsForm), self.draft
        form.display = draft is not None
        if draft:
            form.show(draft, self._next_name())
        self._show_plan()
        self.refresh_bindings()

    def _show_plan(self) -> None:
        panel, draft = self.query_one(PlanPanel), self.draft
        if draft is None:
            fault = self._found[self._chosen].fault
            panel.show_fault(fault or refused(_("this profile cannot be read")))
            return
        if card := self.query_one(ProfileCards).card(self._chosen):
            card.changes = len(draft.typed)
        found = self._inspections.get(model_and_data.key(draft.profile))
        look, forecast = self._looker.want(draft.profile), self._forecaster.want(draft.profile)
        panel.show(draft, found, look, forecast)
        if found is None:
            self._inspect_soon()

    def _inspect_soon(self) -> None:
        if self._debounce:
            self._debounce.stop()
        self._debounce = self.set_timer(_DEBOUNCE, self._inspect)

    @work(thread=True, exclusive=True, group="inspect")
    def _inspect(self) -> None:
        draft = self.draft
        if draft:
            found = model_and_data.inspect(draft.profile)
            self.post_message(Inspected(model_and_data.key(draft.profile), found))

    def on_inspected(self, message: Inspected) -> None:
        self._inspections[message.key] = message.found
        self._show_plan()

    def on_looked(self, message: Looked) -> None:
        """Show what the check of the data has found by now."""
        self._looker.take(message.look)
        self._show_plan()
        if self._data:
            self._data.show(message.look)

    def on_forecast(self, message: Forecast) -> None:
        self._forecaster.take(message)
        self._show_plan()
        self.refresh_bindings()

    def _look_again(self) -> None:
        """For the data's screen: its files may have been mended."""
        if self._data and self.draft:
            self._inspections.clear()
            self._looker.forget()
            self._forecaster.forget()
            self._data.show(self._looker.want(self.draft.profile, now=True))
            self._show_plan()

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
        self._chosen = message.name
        self._show()

    def on_setting_row_edited(self, message: SettingRow.Edited) -> None:
        """Take over what was typed and show what it makes of the plan."""
        if self.draft:
            self._change(message.name, self.draft.with_text(message.name, message.text))

    def on_settings_form_undo(self, message: SettingsForm.Undo) -> None:
        if self.draft:
            self._change(message.name, self.draft.without(message.name))

    def _change(self, name: str, draft: Draft) -> None:
        self._drafts[self._chosen] = draft
        self.query_one(SettingsForm).show_change(name, draft)
        if self._in_form():
            self.query_one(HelpLine).show(find(name), draft)
        self._show_plan()

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
        if action in ("edit", "save", "data", "doctor", "models"):
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
        self.query_one(HelpLine).hint(len(self._found))
        self.query_one(ProfileCards).focus()

    def action_smaller(self) -> None:
        """Take the smaller model, or go back to the larger one."""
        if draft := self.draft:
            name, fallback = "model.repo", draft.base.model.fallback
            smaller = draft.profile.model.repo != fallback
            self._change(name, draft.with_text(name, fallback) if smaller else draft.without(name))

    @property
    def _remedy(self) -> Remedy | None:
        made = self._forecaster.want(self.draft.profile).made if self.draft else None
        return made.remedy if made else None

    def action_make_fit(self) -> None:
        """Take the settings that make the run fit; they are changes like any typed."""
        if (draft := self.draft) and (found := self._remedy):
            for name, value in found.changes:
                draft = draft.with_text(name, shown(value))
                self._change(name, draft)

    @work
    async def action_save(self) -> None:
        """Keep the draft as a profile of the user's own, and go on with that one."""
        draft = self.draft
        if draft is None or draft.faults:
            self._refuse()
            return
        name = await save_as(self, draft, f"my-{self._chosen}", list(self._found))
        if name:
            self._drafts.pop(self._chosen, None)
            self._drafts.pop(name, None)
            self._found = {found.name: found for found in catalogue.find()}
            self._chosen = name
            await self.query_one(ProfileCards).replace(list(self._found.values()), name)
            self._show()
            self.notify(f"profiles/{name}.toml", title=_("Saved"))

    def action_data(self) -> None:
        """Show the data: how long its rows are, what is wrong, what is trained on."""
        from farense_tui.ui.launch.data.screen import DataScreen

        if draft := self.draft:
            look = self._looker.want(draft.profile, now=True)
            self._data = DataScreen(draft.profile, look, self._look_again)
            self.app.push_screen(self._data, self._leave_data)

    @work
    async def action_models(self) -> None:
        """Choose among the models that are on this machine, or download the profile's."""
        from farense_tui.ui.launch.models import ModelsScreen

        if draft := self.draft:
            name = await self.app.push_screen_wait(ModelsScreen(draft.profile.model.repo))
            self._forget()  # one may have been downloaded
            if name:
                self._change("model.repo", draft.with_text("model.repo", name))

    def action_doctor(self) -> None:
        """Look at what a run of this profile depends on."""
        from farense_tui.ui.common.doctor import DoctorScreen

        if draft := self.draft:
            self.app.push_screen(DoctorScreen(draft.profile, self._runs_dir))

    def _leave_data(self, nothing: None) -> None:
        self._data = None

    def action_runs(self) -> None:
        navigator(self).open_runs()

    def action_resume(self) -> None:
        """Resume the run that the panel names."""
        if self._run:
            navigator(self).resume_run(self._run.folder)

    def action_start(self) -> None:
        """Start, unless something that was typed is wrong."""
        draft = self.draft
        if draft is None or draft.faults:
            self._refuse()
            return
        if draft.profile.model.trust_remote_code:
            self._ask_for_trust(draft)
        else:
            self._start(draft)

    def _start(self, draft: Draft) -> None:
        name = draft.run_name or self._next_name()
        navigator(self).start_run(draft.profile, name=name, profile_name=self._chosen)

    @work
    async def _ask_for_trust(self, draft: Draft) -> None:
        """Start if the user means it: the model's code can do whatever the user can."""
        if await self.app.push_screen_wait(trust_question(draft.profile.model.repo)):
            self._start(draft)

    def _refuse(self) -> None:
        draft = self.draft
        if draft is None:
            fault = self._found[self._chosen].fault
            navigator(self).show_error(fault or refused(_("this profile cannot be read")))
        else:
            faults = "\n".join(f"{name}: {what}" for name, what in draft.faults.items())
            navigator(self).show_error(
                refused(_("not every setting is right"), faults, _("e goes to them."))
            )
