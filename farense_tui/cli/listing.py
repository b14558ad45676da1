"""`farense-tui runs` and `farense-tui profiles`."""

from __future__ import annotations

import argparse
import json

import msgspec

from farense_tui.cli import common
from farense_tui.engine import format as f
from farense_tui.engine import hardware, profiles, runs
from worker.protocol.errors import ExitCode


def list_runs(args: argparse.Namespace) -> int:
    """List the runs."""
    folder = common.runs_dir(args)
    summaries = [runs.summarise(run) for run in runs.folders(folder)]
    if args.json:
        print(json.dumps([_run_values(summary) for summary in summaries], indent=2))
    elif not summaries:
        print(f"no runs in {folder}")
    for summary in [] if args.json else summaries:
        state = summary.state
        best = f.loss(state.best.loss if state.best else None)
        print(
            f"{summary.folder.name:24} {summary.status:10} step {state.step}/{state.total_steps}"
            f"  loss {f.loss(state.loss.last)}  best validation {best}"
        )
    return ExitCode.DONE


def list_profiles(args: argparse.Namespace) -> int:
    """List the profiles."""
    found = profiles.find()
    chosen = profiles.fitting(hardware.machine(), found)
    if args.json:
        print(json.dumps([_profile_values(each, chosen) for each in found], indent=2))
        return ExitCode.DONE
    for each in found:
        mark = "*" if each.name == chosen else " "
        if each.profile is None:
            print(f"{mark} {each.name:12} has faults: {each.fault}")
            continue
        profile = each.profile
        print(
            f"{mark} {each.name:12} {profile.profile.title:12} {profile.model.repo}, "
            f"{profile.train.batch_size} x {profile.train.grad_accumulation} examples a step, "
            f"{profile.train.max_seq_length} tokens, rank {profile.lora.rank}"
        )
    print("* fits this machine; --profile NAME takes another one")
    return ExitCode.DONE


def _run_values(summary: runs.RunSummary) -> dict[str, object]:
    state = summary.state
    return {
        "run": summary.folder.name,
        "path": str(summary.folder.path),
        "status": summary.status,
        "step": state.step,
        "total_steps": state.total_steps,
        "loss": state.last_step.loss if state.last_step else None,
        "best_validation_loss": state.best.loss if state.best else None,
        "best_step": state.best.step if state.best else None,
        "last_time": state.last_time or None,
    }


def _profile_values(found: profiles.Found, chosen: str) -> dict[str, object]:
    return {
        "name": found.name,
        "path": str(found.path),
        "fits": found.name == chosen,
        "profile": msgspec.to_builtins(found.profile),
        "fault": str(found.fault) if found.fault else None,
    }
