"""Changing a run while it trains: rate, cadence, epochs, and the machine that it has to fit."""

from __future__ import annotations

from typing import Any, ClassVar

from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.plan.cadence import validate_every
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.fields import setting
from farense_worker.protocol.settings.profile import Config, replace_setting
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import HorizontalGroup, VerticalGroup
from textual.content import Content
from textual.widgets import Input, Label, Select, Static

from farense_tui.engine.profiles import catalogue
from farense_tui.engine.record import setting_changes
from farense_tui.engine.record.state import RunState
from farense_tui.engine.runs import resuming, steer
from farense_tui.ui.common.dialogs import Dialog, keys
from farense_tui.ui.common.setting_row import Choice

FIELDS = {
    "train.learning_rate": _("peak rate"),
    "report.eval_every": _("validate every"),
    "checkpoint.every": _("checkpoint every"),
    "train.epochs": _("epochs"),
}
# Of a run that stopped early, which goes on with nothing else.
_PATIENCE = {"train.early_stopping": _("stop early after")}
_MEMORY_OF = _("memory settings of")
_LABEL = max(map(len, (*FIELDS.values(), *_PATIENCE.values(), _MEMORY_OF))) + 2  # cells
_STOPPED_EARLY = _(
    "It stopped early, and goes on with more validations to wait for a better one, or with 0: "
    "to the end."
)
_AS_IT_IS = ""
_FAR = 10  # times the rate it has: worth a word


class ChangeDialog(Dialog[dict[str, Any]]):
    """Gives the changed settings by `section.key`; empty for none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss({})", _("Stay")),
        Binding("up", "app.focus_previous", _("Field above"), show=False),
        Binding("down", "app.focus_next", _("Field below"), show=False),
    ]
    DEFAULT_CSS = """
    ChangeDialog {
        .row { height: 1; }
        .row Label { color: $text-muted; }
        .row Input, .row Choice { width: 1fr; height: 1; border: none; padding: 0; margin: 0; }
        .row Input { background: $panel; }
        .row SelectCurrent { border: none; padding: 0; background: $panel; }
        .row SelectOverlay { border: none; background: $panel; }
        .what, .fault { height: auto; margin-top: 1; margin-bottom: 1; }
    }
    """

    def __init__(self, folder: RunFolder, config: Config, state: RunState, alive: bool) -> None:
        super().__init__(classes="dialog")
        self._folder = folder
        self._config = config
        self._state = state
        self._alive = alive
        self._stopped_early = not alive and state.status == "early_stopping"
        self._fields = {**_PATIENCE, **FIELDS} if self._stopped_early else FIELDS
        self._profiles = {each.name: each.profile for each in catalogue.find() if each.profile}

    def compose(self) -> ComposeResult:
        """A field each, what will happen, what is wrong."""
        with VerticalGroup(classes="box"):
            yield Static(_("Change and go on"), classes="title", markup=False)
            for name, label in self._fields.items():
                with HorizontalGroup(classes="row"):
                    yield _label(label)
                    yield Input(self._text(name), id=name.replace(".", "-"), compact=True)
            with HorizontalGroup(classes="row"):
                yield _label(_MEMORY_OF)
                choices = [(_("this run"), _AS_IT_IS), *((name, name) for name in self._profiles)]
                yield Choice(choices, value=_AS_IT_IS, allow_blank=False, compact=True)
            yield Static(classes="what", markup=False)
            yield Static(classes="fault", markup=False)
            yield Static(
                Content("   ").join([keys("enter", _("do it")), keys("esc", _("stay"))]),
                classes="keys",
            )

    def on_mount(self) -> None:
        self.query_one(Input).focus()
        self._look()

    @on(Input.Changed)
    @on(Select.Changed)
    def _look(self) -> None:
        """Say what will happen, and what is wrong with what was typed."""
        changes, fault = self._read()
        wrong, what = self.query_one(".fault", Static), self.query_one(".what", Static)
        wrong.update(fault)
        what.update("" if fault else self._what(changes))
        wrong.display, what.display = bool(fault), not fault  # one in the other's place

    def on_input_submitted(self) -> None:
        """Give the changes, if nothing is wrong with them."""
        changes, fault = self._read()
        if not fault:
            self.dismiss(changes)

    def _text(self, name: str) -> str:
        section, key = name.split(".")
        value = getattr(getattr(self._config, section), key)
        return f"{value:g}" if isinstance(value, float) else str(value)

    def _read(self) -> tuple[dict[str, Any], str]:
        """What was changed, or what is wrong with it."""
        changes: dict[str, Any] = {}
        for name in self._fields:
            text = self.query_one(f"#{name.replace('.', '-')}", Input).value.strip()
            if text == self._text(name):
                continue
            try:
                changes[name] = setting(name).parse_text(text)
            except ValueError as error:
                return {}, f"{self._fields[name]} {error}"
        chosen = str(self.query_one(Choice).value)
        if chosen != _AS_IT_IS:
            changes |= steer.to_profile(self._config, self._profiles[chosen])
        try:
            revised = resuming.revise(self._folder, changes, self._state)
        except FarenseError as error:
            return {}, f"{error.title}: {error.detail}"
        longer = resuming.is_longer(self._state, self._config, revised)
        if changes and self._is_complete and not longer:
            more = _("The run is complete: give it more epochs.")
            return {}, _STOPPED_EARLY if self._stopped_early else more
        return changes, ""

    @property
    def _is_complete(self) -> bool:
        return not self._alive and self._state.status in ("completed", "early_stopping")

    def _what(self, changes: dict[str, Any]) -> Content:
        if not changes:
            early = _STOPPED_EARLY if self._stopped_early else ""
            now = " ".join(filter(None, (self._rate_now(), self._more_often(changes))))
            return Content.styled(early or now or _("Nothing is changed."), "$text-muted")
        told = [f"{name}  {self._text(name)} → {_shown(value)}" for name, value in changes.items()]
        same = (
            _(
                "It finishes its step, saves, and goes on with the same effective batch, "
                "{effective} examples a step."
            )
            if self._alive
            else _("It goes on with the same effective batch, {effective} examples a step.")
        ).format(effective=self._config.effective_batch)
        lines = [*(Content(line) for line in told), Content.styled(same, "$text-muted")]
        if often := self._more_often(changes):
            lines.append(Content.styled(often, "$text-muted"))
        if far := self._far(changes):
            lines.append(Content.styled(far, "bold $warning"))
        return Content("\n").join(lines)

    def _rate_now(self) -> str:
        """Why the head shows another rate than the field."""
        now, peak = self._state.learning_rate.last, self._config.train.learning_rate
        if now is None or abs(now - peak) < 0.01 * peak:
            return ""
        left = setting_changes.rate_factor(self._state.segments, self._state.rollbacks)
        if left < 1:
            told = _(
                "The rate is {now:.3g} at this step: rollbacks have left {share:g} of the peak "
                "rate. Another one that is typed here is taken whole."
            )
            return told.format(now=now, share=left)
        told = _("The rate is {now:.3g} at this step; {peak:.3g} is the highest of its schedule.")
        return told.format(now=now, peak=peak)

    def _more_often(self, changes: dict[str, Any]) -> str:
        """Why a short run validates more often than the field says."""
        total = self._state.total_steps
        every = changes.get("report.eval_every", self._config.report.eval_every)
        wished = replace_setting(self._config, "report.eval_every", every)
        used = validate_every(wished.report, total)
        if not total or used == every or "train.epochs" in changes:
            return ""
        return _("A run this short validates every {n} steps.").format(n=used)

    def _far(self, changes: dict[str, Any]) -> str:
        """A word on a rate that was probably not meant."""
        before = self._config.train.learning_rate
        times = changes.get("train.learning_rate", before) / before
        if times >= _FAR:
            return _("That is {times:.0f} times the rate it has.").format(times=times)
        if times <= 1 / _FAR:
            less = _("That is {times:.0f} times less than the rate it has.")
            return less.format(times=1 / times)
        return ""


def _label(text: str) -> Label:
    label = Label(text)
    label.styles.width = _LABEL
    return label


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
