"""`farense-tui train` and `farense-tui resume`."""

from __future__ import annotations

import argparse
import contextlib
import os
from pathlib import Path
from typing import Any

from farense_worker.protocol.errors import ExitCode, FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings.profile import Profile

from farense_tui.cli import common
from farense_tui.cli.output import say, tell
from farense_tui.cli.running import headless
from farense_tui.engine.runs import describe, found_again, new_run, resuming, supervisor
from farense_tui.engine.runs.rank_options import group


def train(args: argparse.Namespace) -> int:
    """Start a run and follow it."""
    from farense_tui.cli.running.forecast_line import Ahead
    from farense_tui.engine.forecast.gather import refuse_hopeless

    folder = common.runs_dir(args)
    profile_name = common.profile_name(args)
    profile = common.profile(args, profile_name)
    _check_trust(profile, args)
    stem = Path(profile_name).stem
    several = _several(args)
    if not args.anyway:
        refuse_hopeless(profile)
    if not common.may_download([profile.model], yes=args.yes):
        return ExitCode.STOPPED
    run = _prepare(profile, args.name, stem, folder, several)
    ahead = Ahead(profile, folder)
    try:
        if not (args.json or args.detach or several):
            ahead.start()
        code = _start(run, args)
    except FarenseError as error:
        # Nothing was trained and nothing can be resumed: leave no folder behind.
        nothing = describe.resume_step(run) == (None, None) and not run.is_alive()
        nothing = nothing and not os.path.lexists(run.training_state)
        if error.exit_code == ExitCode.REFUSED and nothing:
            with contextlib.suppress(FarenseError):  # what is there now is not ours
                new_run.discard(run)
        raise
    finally:
        ahead.finish()
    return code


def _prepare(
    profile: Profile, name: str | None, stem: str, folder: Path, several: dict[str, Any]
) -> RunFolder:
    """Make the run; one without a name takes the next, if another start was faster."""
    while True:
        chosen = name or new_run.new_name(stem, folder)
        try:
            return new_run.prepare(
                profile, name=chosen, profile_name=stem, folder=folder, **several
            )
        except FarenseError as error:
            if name or error.kind != new_run.EXISTS:
                raise


def resume(args: argparse.Namespace) -> int:
    run = common.run(args)
    several = {f"run.{key}": value for key, value in _several(args).items()}
    if not resuming.prepare_resume(run, {**dict(common.settings(args.set)), **several}):
        told = _("{name} is complete: where its model and its data are is noted")
        say(told.format(name=run.name))
        return ExitCode.DONE
    for said in found_again.remarks(run):
        tell(said)
    return _start(run, args)


def _start(run: RunFolder, args: argparse.Namespace) -> int:
    settings = run.read_config().report  # while it can still be refused for it
    start = run.events.stat().st_size if run.events.exists() else 0
    interrupts = headless.Interrupts()
    interrupts.listen()  # before there is a worker that a Ctrl-C could leave behind
    worker = supervisor.launch(run)
    # Detached: the data and the model are found to be right before the model is loaded.
    until = headless.accepted if args.detach else None
    as_json = args.json and not args.detach
    try:
        code = headless.follow(worker, interrupts, as_json=as_json, start=start, until=until)
    finally:
        headless.settle(worker, interrupts)
    if not args.detach:
        if not args.json:
            headless.tell_files(run, settings, code)
        return code
    text = _("{name} goes on in the background: farense-tui attach {name}")
    with headless.heard(worker):
        say(text.format(name=run.name))
    return code


def _check_trust(profile: Profile, args: argparse.Namespace) -> None:
    """Refuse to run a model's own code unless the user says so here, and not only the profile."""
    wished = any(each.partition("=")[0].strip() == "model.trust_remote_code" for each in args.set)
    if profile.model.trust_remote_code and not wished:
        raise refused(
            _("the profile lets {repo} run its own Python code").format(repo=profile.model.repo),
            _("model.trust_remote_code is on: the code could do whatever you may do."),
            _("--set model.trust_remote_code=true says that you trust it, =false leaves it out."),
            kind="trust",
        )


def _several(args: argparse.Namespace) -> dict[str, Any]:
    return group(args.ranks, args.hosts, args.backend)
