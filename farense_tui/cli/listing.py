"""`farense-tui runs` and `farense-tui profiles`."""

from __future__ import annotations

import argparse

import msgspec
from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.events import wire

from farense_tui.cli import common
from farense_tui.cli.output import say, say_json
from farense_tui.engine import readable as f
from farense_tui.engine import status_words
from farense_tui.engine.machine import hardware
from farense_tui.engine.profiles import catalogue
from farense_tui.engine.record import verdict
from farense_tui.engine.runs import describe, folders


def list_runs(args: argparse.Namespace) -> int:
    folder = common.runs_dir(args)
    folders.check(folder)
    summaries = [describe.summarise(run) for run in folders.folders(folder)]
    if args.json:
        say_json([_run_values(summary) for summary in summaries], indent=2)
    elif not summaries:
        say(_("no runs in {folder}").format(folder=folder))
    else:
        width = max(10, *(len(_status(summary)) for summary in summaries))
        for summary in summaries:
            say(_run_line(summary, width))
    return ExitCode.DONE


def _status(summary: describe.RunSummary) -> str:
    return status_words.status(verdict.named(summary.status, summary.state))


def _run_line(summary: describe.RunSummary, width: int) -> str:
    state, status = summary.state, _status(summary)
    text = _("step {step}/{total}  loss {loss}  best validation {best}").format(
        step=state.step,
        total=state.total_steps,
        loss=f.loss(state.loss.last),
        best=f.loss(state.best.loss if state.best else None),
    )
    return f"{clean(summary.folder.name):24} {status:{width}} {summary.wrong or text}"


def list_profiles(args: argparse.Namespace) -> int:
    found = catalogue.find()
    chosen = catalogue.fitting(hardware.machine(), found)
    if args.json:
        say_json([_profile_values(each, chosen) for each in found], indent=2)
        return ExitCode.DONE
    for each in found:
        mark = "*" if each.name == chosen else " "
        if each.profile is None:
            fault = _("has faults: {what}").format(what=clean(str(each.fault)))
            say(f"{mark} {clean(each.name):12} {fault}")
            continue
        profile = each.profile
        size = _("{size} x {times} examples a step, {tokens} tokens, rank {rank}").format(
            size=profile.train.batch_size,
            times=profile.train.grad_accumulation,
            tokens=profile.train.max_seq_length,
            rank=profile.lora.rank,
        )
        title, repo = clean(profile.profile.title), clean(profile.model.repo)
        say(f"{mark} {clean(each.name):12} {title:12} {repo}, {size}")
    say(_("* fits this machine; --profile NAME takes another one"))
    return ExitCode.DONE


def _run_values(summary: describe.RunSummary) -> dict[str, object]:
    state = summary.state
    return {
        "run": summary.folder.name,
        "path": str(summary.folder.path),
        "status": summary.status,
        "step": state.step,
        "total_steps": state.total_steps,
        "loss": None if state.loss.last is None else wire(state.loss.last),
        "best_validation_loss": state.best.loss if state.best else None,
        "best_step": state.best.step if state.best else None,
        "last_time": state.last_time or None,
        "fault": f"{summary.fault.title}: {summary.fault.detail}" if summary.fault else None,
    }


def _profile_values(found: catalogue.Found, chosen: str) -> dict[str, object]:
    return {
        "name": found.name,
        "path": str(found.path),
        "fits": found.name == chosen,
        "profile": msgspec.to_builtins(found.profile),
        "fault": str(found.fault) if found.fault else None,
    }
