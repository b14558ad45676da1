"""Going on with a run: whether it may, and with which settings."""

from __future__ import annotations

from typing import Any

import msgspec
from farense_worker.protocol import plain_file, simulation
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.run_folder import RunFolder, disk_error, write_atomically
from farense_worker.protocol.settings import recipe
from farense_worker.protocol.settings.contradictions import check
from farense_worker.protocol.settings.profile import Config, replace_setting
from farense_worker.protocol.settings.profile_file import dumps

from farense_tui.engine.models import locate
from farense_tui.engine.record import record
from farense_tui.engine.record.state import RunState
from farense_tui.engine.runs import found_again, kept_data, new_run, trackers

# Where a run's model and data are, which may be named anew at any time.
_PLACES = ("model.repo", "data.path")


def prepare_resume(folder: RunFolder, changes: dict[str, Any]) -> bool:
    """Change settings of a run that is about to be resumed, and check that it can be.

    False, and nothing to resume, for a complete one of which only the places were named. Raises
    FarenseError (refused), with nothing changed, for a run that is being trained, for one that is
    complete and gets no more epochs, and for what `revise` refuses.
    """
    if folder.is_alive():
        plain_file.release(folder.acquire(patience=0.2))
    config, state = folder.read_config(), record.state_of(folder)
    revised = revise(folder, changes, state)
    trackers.check(revised.report.trackers)
    complete = state.status in ("completed", "early_stopping") and not is_longer(
        state, config, revised
    )
    named = bool(changes) and set(changes) <= set(_PLACES)
    if complete and not named:
        ended, goes_on = (
            (
                _("all {total} steps are done"),
                _(
                    "Its adapter is in {folder}. --set train.epochs={epochs} (or more) goes on "
                    "with it."
                ),
            )
            if state.status == "completed"
            else (
                _("it stopped early after step {step}"),
                _("Its adapter is in {folder}. --set train.early_stopping=0 goes on with it."),
            )
        )
        raise refused(
            _("run {name} is complete").format(name=folder.name),
            ended.format(step=state.step, total=state.total_steps),
            goes_on.format(folder=folder.adapters, epochs=config.train.epochs + 1),
            kind="run_complete",
        )
    # Now, not by the worker: its refusal would be the last word of a run that is complete.
    if not simulation.read(folder.path):
        found_again.check(folder, found_again.located(folder, revised))
    if complete and config.run.data_sha256 not in ("", revised.run.data_sha256):
        raise refused(
            _("the training data is not what it was"),
            revised.data.path,
            _("farense-tui evaluate --data FOLDER measures a run on other rows."),
            kind="run_changed",
        )
    if changes:
        try:
            write_atomically(folder.config, dumps(revised))
        except OSError as error:
            raise disk_error(error, folder.path) from error
    return not complete


def is_longer(state: RunState, config: Config, revised: Config) -> bool:
    """Whether revised settings leave a complete run something to train."""
    if state.status == "early_stopping":  # with more epochs alone it would stop again at once
        patience = revised.train.early_stopping
        return not patience or patience > config.train.early_stopping
    # What was trained counts: the settings may be those of a resume that was refused.
    return revised.train.epochs > (round(state.epoch) or config.train.epochs)


def check_resumable(folder: RunFolder) -> None:
    """Refuse to go on with a run that is being trained or has come to its end."""
    prepare_resume(folder, {})


def revise(folder: RunFolder, changes: dict[str, Any], state: RunState | None = None) -> Config:
    """Give the configuration of a run with settings changed; nothing is written.

    changes: parsed values by `section.key`. state: of the run, if it is known. Raises FarenseError
    (refused) for settings that would silently make it another run, and for too few epochs.
    """
    config = folder.read_config()
    revised = config
    for name, value in changes.items():
        revised = replace_setting(revised, name, value)
    if "model.repo" in changes and _is_same_model(folder, "model.repo", revised.model.repo):
        elsewhere = msgspec.structs.replace(revised.model, revision="")
        revised = msgspec.structs.replace(revised, model=locate.asked(elsewhere))
    if "data.path" in changes:  # the worker compares its rows with those of the checkpoint
        rows = found_again.identity(kept_data.identity, new_run.data_folder(revised))
        revised = replace_setting(revised, "data.path", new_run.asked_data(revised))
        revised = replace_setting(revised, "run.data_sha256", rows)
    check(revised)
    different = recipe.broken(recipe.of(config), recipe.of(revised))
    different += [
        _why_not(name, value)
        for name, value in changes.items()
        if name.startswith(("model.", "data.", "profile."))
        and name not in ("data.path", *recipe.TOLD)
        and not _is_same_model(folder, name, value)
    ]
    if different:
        raise refused(
            _("resuming would make it another run"),
            "\n".join(different),
            _(
                "A new run can start from these weights: "
                "farense-tui train --set model.adapter={folder}"
            ).format(folder=folder.adapters),
            kind="run_changed",
        )
    _check_epochs(state or record.state_of(folder), config, revised)
    return revised


def _is_same_model(folder: RunFolder, name: str, value: Any) -> bool:
    """Whether a setting names another place of the model that the run is of."""
    if name != "model.repo":
        return False
    found, then = locate.locate(str(value)), found_again.model_then(folder)
    return bool(found.path and then and found_again.fingerprint(found.path, then) == then)


def _why_not(name: str, value: Any) -> str:
    if name != "model.repo":
        return _("{name} cannot be changed").format(name=name)
    if (found := locate.locate(str(value))).path is None:
        return f"{name}: " + (found.why or _("{repo} is not here").format(repo=value))
    said = _("{name} may name another place of the same model; {folder} is another model")
    return said.format(name=name, folder=value)


def _check_epochs(state: RunState, config: Config, revised: Config) -> None:
    """Refuse a number of epochs that is behind the run already: no step would be its last."""
    before, now = config.train.epochs, revised.train.epochs
    if now < before and state.step * before > state.total_steps * now:
        raise refused(
            ngettext("{n} epoch is done already", "{n} epochs are done already", now).format(n=now),
            _("step {step} is in epoch {epoch:.2f}").format(
                step=state.step, epoch=state.step * before / state.total_steps
            ),
            _("Stop the run where it is, or take more epochs."),
            kind="run_changed",
        )
