"""What a start would do: the model and the data with their state, batch and steps."""

from __future__ import annotations

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.dataset import SPLITS, Summary
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import mark, ngettext
from farense_worker.protocol.settings.profile import Profile, contradictions
from textual.app import ComposeResult
from textual.containers import Horizontal, VerticalGroup
from textual.content import Content
from textual.events import Resize
from textual.widgets import Static

from farense_tui.engine.machine.hardware import GIB, Machine
from farense_tui.engine.models.locate import ModelState
from farense_tui.engine.preflight.model_and_data import Inspection, held_out, steps_per_epoch
from farense_tui.engine.profiles import peak_rate
from farense_tui.engine.profiles.draft import Draft
from farense_tui.engine.readable import from_here, size
from farense_tui.engine.runs.describe import RunSummary
from farense_tui.ui.common.status import shown as shown_status
from farense_tui.ui.launch import forecast_lines
from farense_tui.ui.launch.data.reader import Look
from farense_tui.ui.launch.data.summary import words
from farense_tui.ui.launch.forecaster import Forecasting

_WIDE = 60
_LONG = 34
_FAULTS = 3
_LOOKING = Content.styled("…", "$text-muted")


class Fact(Horizontal):
    def __init__(self, key: str) -> None:
        """Make an empty one; `key` is its label and its id."""
        super().__init__(classes=f"-{key.replace(' ', '-')}")
        self.key = key
        self._shown: Content | None = None

    def compose(self) -> ComposeResult:
        yield Static(_(self.key), classes="label", markup=False)
        yield Static(classes="value", markup=False)

    def show(self, content: Content | None) -> None:
        """Show `content`, or nothing at all."""
        self.display = content is not None
        if content is not None and content != self._shown:  # each update costs a layout
            self._shown = content
            self.query_one(".value", Static).update(content)


class PlanPanel(VerticalGroup):
    """The facts that follow from a draft and from what was found on the disk."""

    KEYS = (
        mark("model"),
        mark("smaller"),
        mark("data"),
        mark("batch"),
        mark("steps"),
        mark("memory"),
        mark("time"),
        mark("to fit"),
        mark("note"),
        mark("fault"),
        mark("last run"),
    )

    def __init__(self, machine: Machine) -> None:
        """Begin without a plan; `machine` is what it would have to run on."""
        super().__init__()
        self._machine = machine
        self._draft: Draft | None = None
        self._found: Inspection | None = None
        self._look: Look | None = None
        self._forecast = Forecasting()
        self._fault: FarenseError | None = None
        self._run: RunSummary | None = None

    def compose(self) -> ComposeResult:
        """One line, or a few, for each fact."""
        for key in self.KEYS:
            yield Fact(key)

    def show(
        self, draft: Draft, found: Inspection | None, look: Look, forecast: Forecasting
    ) -> None:
        """Show a draft; `found` is None while it is being looked up, the others come later."""
        self._draft, self._found, self._look, self._fault = draft, found, look, None
        self._forecast = forecast
        self._redraw()

    def show_fault(self, fault: FarenseError) -> None:
        """Show why there is no plan: the profile's file has faults."""
        self._draft, self._found, self._fault = None, None, fault
        self._redraw()

    def show_run(self, run: RunSummary | None) -> None:
        """Show the run that goes on, or that `r` would resume."""
        self._run = run
        self._redraw()

    @property
    def complete(self) -> bool:
        """Whether nothing is being looked up any more."""
        looked = self._found is not None and self._look is not None and self._look.over
        looked = looked and self._forecast.made is not None and not self._forecast.old
        return self._fault is not None or looked

    def on_resize(self, event: Resize) -> None:
        """Break the lines as the new width wants it."""
        self._redraw()

    def _redraw(self) -> None:
        between = "  " if self.size.width >= _WIDE else "\n"
        facts: dict[str, Content | None] = dict.fromkeys(self.KEYS)
        if self._draft:
            facts |= _facts(self._draft.profile, self._found, between)
            facts["data"] = _data(self._draft.profile, self._found, self._look, between)
            facts |= _forecast(self._forecast, between)
            facts["note"] = _note(self._draft.profile, self._machine)
        if self._fault:
            facts["fault"] = _error(self._fault)
        if self._run:
            facts["last run"] = _run(self._run, between)  # not translated: a key
        for fact in self.query(Fact):
            fact.show(facts[fact.key])


def _facts(profile: Profile, found: Inspection | None, between: str) -> dict[str, Content | None]:
    data = found.data if found else None
    return {
        "model": Content.assemble(
            _broken(profile.model.repo, between),
            between,
            _model(found.model) if found else _LOOKING,
        ),
        "smaller": _smaller(profile, found.fallback if found else None, between),
        "batch": _batch(profile),
        "steps": _steps(profile, data, between),
    }


def _forecast(known: Forecasting, between: str) -> dict[str, Content | None]:
    made = known.made
    if made is None:
        return {"memory": _LOOKING}
    return {
        "memory": forecast_lines.memory(made, old=known.old, between=between),
        "time": forecast_lines.time(made),
        "to fit": forecast_lines.remedy(made, between),  # not translated: a key
    }


def _broken(repo: str, between: str) -> str:
    """Break a repository's name after its owner where there is no room for both on a line."""
    owner, _, name = repo.partition("/")
    return f"{owner}/\n{name}" if between == "\n" and owner and len(repo) > _LONG else repo


def _model(found: ModelState) -> Content:
    if found.state == "here":
        return Content.styled(_("✓ here, {size}").format(size=size(found.bytes)), "$success")
    if found.state == "download":
        return Content.styled(_("↓ must be downloaded"), "$warning")
    return Content.styled(
        _("✗ missing: {why}").format(why=from_here(found.why.partition("\n")[0])), "$error"
    )


def _smaller(profile: Profile, found: ModelState | None, between: str) -> Content | None:
    if not profile.model.fallback or profile.model.fallback == profile.model.repo:
        return None
    state = _model(found) if found else _LOOKING
    hint = (_("  f takes it"), "$accent") if between == "\n" else ""
    return Content.assemble(_broken(profile.model.fallback, between), between, state, hint)


def _data(profile: Profile, found: Inspection | None, look: Look | None, between: str) -> Content:
    """The rows there are, and what the check has to say of them, unless they cannot be read."""
    lines = [_counted(profile, found.data) if found else _LOOKING]
    if found and look and not found.data.why:
        lines += _checked(look)
    first = Content.assemble(profile.data.path, between, lines[0])
    return Content("\n").join([first, *_packed(lines[1:], between)])


def _packed(lines: list[Content], between: str) -> list[Content]:
    """Put the lines of the check on one where there is room: below each other they take height."""
    if len(lines) > 1 and between != "\n":
        return [Content("  ").join(lines)]
    return lines


def _checked(look: Look) -> list[Content]:
    if look.report:
        hint = [Content.styled(_("d shows them"), "$accent")] if look.report.counts else []
        return [*words(look.report), *hint]
    if look.error:
        told = _("! not checked: {why}").format(why=clean(look.error.title))
        return [Content.styled(told, "$warning")]
    return [Content.styled(_("looking …"), "$text-muted")]


def _counted(profile: Profile, found: Summary) -> Content:
    if found.why:
        shown = [from_here(str(fault)) for fault in found.faults[:_FAULTS]]
        more = len(found.faults) - len(shown)
        lines = [f"✗ {shown[0]}", *shown[1:], *([_("and {n} more").format(n=more)] if more else [])]
        return Content.styled("\n".join(lines), "$error")
    rows = " · ".join(f"{found.rows[split]} {split}" for split in SPLITS if split in found.rows)
    if kept := held_out(profile, found):
        rows += " · " + _("{share:.0%} of train kept for validation").format(share=kept)
    elif not found.rows.get("valid"):
        return Content.assemble(
            (f"✓ {rows}  ", "$success"), (_("! no validation rows"), "$warning")
        )
    return Content.styled(f"✓ {rows}", "$success")


def _batch(profile: Profile) -> Content:
    train = profile.train
    return Content.assemble(
        (f"{profile.effective_batch}", "bold"),
        _(" examples a step"),
        (f"  {train.batch_size} × {train.grad_accumulation}", "$text-muted"),
    )


def _steps(profile: Profile, data: Summary | None, between: str) -> Content:
    epochs = profile.train.epochs
    epochs_told = ngettext("{n} epoch", "{n} epochs", epochs).format(n=epochs)
    if not data or not data.rows.get("train"):
        return Content.assemble("—", ("  " + epochs_told, "$text-muted"))
    each = steps_per_epoch(profile, data)
    about = _("about ") if held_out(profile, data) else ""
    told = _("  {steps} an epoch × {epochs}").format(steps=each, epochs=epochs_told)
    steps = each * epochs
    rate = _("rate {rate}").format(rate=peak_rate.told(profile.train, steps))
    style = "$text-muted" if peak_rate.is_reached(profile.train, steps) else "$warning"
    return Content.assemble(
        about, (f"{steps}", "bold"), (told, "$text-muted"), between, (rate, style)
    )


def _note(profile: Profile, machine: Machine) -> Content | None:
    """What speaks against this profile on this machine, as far as it can be told by now."""
    if wrong := contradictions(profile):
        return Content.styled("\n".join(f"✗ {each}" for each in wrong), "$error")
    needs = profile.profile.memory_gb
    if needs > round(machine.memory / GIB):
        text = _("! made for {needs} GB of memory, here are {here:.0f}").format(
            needs=needs, here=machine.memory / GIB
        )
    elif needs and not machine.apple_silicon:
        text = _("! made for Apple silicon; {backend} here").format(backend=machine.backend)
    else:
        return None
    return Content.styled(text, "$warning")


def _run(run: RunSummary, between: str) -> Content:
    state = run.state
    at = _("before its start")
    if state.total_steps:
        at = _("step {step} of {total}").format(step=state.step, total=state.total_steps)
    key = _("r resumes it") if run.resumable else _("l shows the runs")
    return Content.assemble(
        run.folder.name,
        "  ",
        shown_status(run.status),
        between,
        (f"{at}  ", "$text-muted"),
        (key, "$accent"),
    )


def _error(fault: FarenseError) -> Content:
    return Content.assemble(
        (from_here(fault.title), "bold $error"),
        "\n",
        fault.detail,
        "\n",
        (fault.hint, "$text-muted"),
    )
