"""The command line. Each command is a function; what they share is in the engine."""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from farense_tui import __version__, headless
from farense_tui.engine import ask as asking
from farense_tui.engine import format as f
from farense_tui.engine import hardware, models, profiles, runs, supervisor
from farense_tui.engine.several import group
from farense_tui.engine.supervisor import Control
from worker.protocol.conversation import Answered, Question, Setup
from worker.protocol.dataset import SPLITS
from worker.protocol.errors import ExitCode, FarenseError, refused, usage
from worker.protocol.export import Precision
from worker.protocol.hosts import BACKENDS
from worker.protocol.profile import Profile, replace_setting
from worker.protocol.runfolder import RunFolder
from worker.protocol.settings import setting
from worker.protocol.simulation import SCENARIOS


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a locale may know no arrow
            stream.reconfigure(errors="replace")
    args = _parser().parse_args(argv)
    if args.ascii:
        os.environ["FARENSE_ASCII"] = "1"
    try:
        return int(args.command(args))
    except FarenseError as error:
        return headless.report(error)
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    except BrokenPipeError:  # `farense-tui runs | head`
        sys.stderr.close()
        return ExitCode.FAILED


# ---- commands ---------------------------------------------------------------------------------


def app(args: argparse.Namespace) -> int:
    """Open the app."""
    return _screen(args, None)


def attach(args: argparse.Namespace) -> int:
    """Show one run: on the screen, or as lines where there is no terminal."""
    folder = runs.find(args.run, runs.runs_dir(args.runs_dir))
    if not _terminal():
        return headless.watch(folder)
    return _screen(args, folder)


def train(args: argparse.Namespace) -> int:
    """Start a run and follow it."""
    from farense_tui.ahead import Ahead
    from farense_tui.engine.estimate import refuse_hopeless

    folder = runs.runs_dir(args.runs_dir)
    profile_name = args.profile or profiles.fitting(hardware.machine(), profiles.find())
    profile = _changed(profiles.get(profile_name), args)
    _check_trust(profile, args)
    stem = Path(profile_name).stem
    name = args.name or runs.new_name(stem, folder)
    several = _several(args)
    if not args.anyway:
        refuse_hopeless(profile)
    run = runs.prepare(profile, name=name, profile_name=stem, folder=folder, **several)
    ahead = Ahead(profile, folder)
    try:
        if not (args.json or args.detach or several):
            ahead.start()
        code = _start(run, args)
    except FarenseError as error:
        # Nothing was trained and nothing can be resumed: leave no folder behind.
        if error.exit_code == ExitCode.REFUSED and not run.is_alive():
            runs.discard(run)
        raise
    finally:
        ahead.finish()
    return code


def resume(args: argparse.Namespace) -> int:
    """Go on with a run."""
    run = runs.find(args.run, runs.runs_dir(args.runs_dir))
    several = {f"run.{key}": value for key, value in _several(args).items()}
    runs.prepare_resume(run, {**dict(_settings(args.set)), **several})
    return _start(run, args)


def stop(args: argparse.Namespace) -> int:
    """Stop a run from any terminal."""
    run = runs.find(args.run, runs.runs_dir(args.runs_dir))
    told = supervisor.kill(run) if args.now else supervisor.send(run, Control.STOP)
    if not told:
        raise supervisor.not_running(run)
    print(f"{run.name}: {'killed' if args.now else 'finishing the step and saving'}", flush=True)
    try:
        while not supervisor.wait_until_gone(run, 1.0):
            pass
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    summary = runs.summarise(run)
    print(f"{run.name}: {summary.status} after step {summary.state.step}")
    return ExitCode.DONE


def list_runs(args: argparse.Namespace) -> int:
    """List the runs."""
    folder = runs.runs_dir(args.runs_dir)
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


def ask(args: argparse.Namespace) -> int:
    """Answer a question with the base model and with adapters."""
    folder = runs.runs_dir(args.runs_dir)
    *names, text = args.words
    by_model: dict[str, list[RunFolder]] = {}
    for name in dict.fromkeys(names):
        run = runs.find(name, folder)
        by_model.setdefault(run.read_config().model.repo, []).append(run)
    asked = [asking.setup(found) for found in by_model.values()]
    if not asked:
        profile = profiles.get(args.profile or profiles.DEMO)
        asked = [Setup(models.resolve(args.model or profile.model.repo))]
    question = Question(
        text=text, max_tokens=args.max_tokens, temperature=args.temperature, seed=args.seed
    )
    for setup in asked:
        with asking.Conversation(setup) as conversation:
            conversation.ready()
            heading = None
            for said in conversation.ask(question):
                if heading != said.name:
                    heading = said.name
                    print(f"[{said.name or 'base model'}] ", end="")
                end = isinstance(said, Answered)
                piece = "" if isinstance(said, Answered) else said.text
                print(headless.clean(piece), end="\n" if end else "", flush=True)
    return ExitCode.DONE


def evaluate(args: argparse.Namespace) -> int:
    """Measure adapters and their base models on the test set."""
    from farense_tui import evaluate_cli  # the app's first frame does not wait for it
    from farense_tui.engine import evaluation

    folder = runs.runs_dir(args.runs_dir)
    found = [runs.find(name, folder) for name in dict.fromkeys(args.runs)]
    given = {"split": args.split, "rows": args.rows, "max_tokens": args.max_tokens}
    asked = evaluation.request(found, data=_data_path(args.data), **given)
    own = not args.data and args.split == "test" and not args.rows
    return evaluate_cli.evaluate(asked, found, examples=args.examples, as_json=args.json, keep=own)


def doctor(args: argparse.Namespace) -> int:
    """Look at all that a run depends on."""
    from farense_tui import doctor_cli

    name = args.profile or profiles.fitting(hardware.machine(), profiles.find())
    profile = _changed(profiles.get(name), args)
    return doctor_cli.run(profile, runs.runs_dir(args.runs_dir), as_json=args.json)


def list_models(args: argparse.Namespace) -> int:
    """List the models that are on this machine."""
    from farense_tui import models_cli

    return models_cli.show(as_json=args.json)


def download_model(args: argparse.Namespace) -> int:
    """Bring a model into the cache."""
    from farense_tui import models_cli

    return models_cli.download(args.repo, args.revision, as_json=args.json)


def report(args: argparse.Namespace) -> int:
    """Write the report of a run."""
    from farense_tui.report import make

    run = runs.find(args.run, runs.runs_dir(args.runs_dir))
    for path in make.update(run) if args.update else make.make(run):
        print(headless.relative(path))
    return ExitCode.DONE


def export(args: argparse.Namespace) -> int:
    """Write a run's adapter, or the model fused with it, for use elsewhere."""
    from farense_tui import export_cli
    from farense_tui.engine import export as exporting

    run = runs.find(args.run, runs.runs_dir(args.runs_dir))
    to = Path(args.to).expanduser().resolve()
    if (args.dequantize or args.requantize) and not args.fuse:
        raise usage("--dequantize and --requantize say how to fuse", hint="Add --fuse.")
    precision: Precision = (
        "float" if args.dequantize else "quantised" if args.requantize else "keep"
    )
    asked = exporting.request(run, to, fuse=args.fuse, gguf=args.gguf, precision=precision)
    return export_cli.export(asked, overwrite=args.overwrite, as_json=args.json)


def estimate(args: argparse.Namespace) -> int:
    """Tell what a run, or one of each profile, will take."""
    from farense_tui import estimate_cli

    found = profiles.find()
    names = [args.profile] if args.profile else [each.name for each in found if each.profile]
    wanted = {name: _changed(profiles.get(name), args) for name in names}
    folder = runs.runs_dir(args.runs_dir)
    how = {"memory": args.memory, "probe": args.probe, "as_json": args.json}
    return estimate_cli.show(wanted, folder, **how)


def check_data(args: argparse.Namespace) -> int:
    """Show what of a data set is trained on, and what is wrong with it."""
    from farense_tui import data_cli  # the app's first frame does not wait for it

    name = args.profile or profiles.fitting(hardware.machine(), profiles.find())
    profile = _changed(profiles.get(name), args)
    return data_cli.check(profile, rows=args.rows, as_json=args.json)


def import_config(args: argparse.Namespace) -> int:
    """Make a profile out of an mlx_lm.lora configuration."""
    from farense_tui import data_cli

    return data_cli.import_config(args.config, args.name, args.to)


def demo(args: argparse.Namespace) -> int:
    """Show a scenario of the simulated worker."""
    from farense_tui import play_cli

    return play_cli.demo(args.scenario, args.speed, args.runs_dir)


def replay(args: argparse.Namespace) -> int:
    """Show a record once more."""
    from farense_tui import play_cli

    return play_cli.replay(args.record, args.speed, args.runs_dir)


# ---- what they share --------------------------------------------------------------------------


def _start(run: RunFolder, args: argparse.Namespace) -> int:
    start = run.events.stat().st_size if run.events.exists() else 0
    interrupts = headless.Interrupts()
    interrupts.listen()  # before there is a worker that a Ctrl-C could leave behind
    worker = supervisor.launch(run)
    if not args.detach:
        code = headless.follow(worker, interrupts, as_json=args.json, start=start)
        if not args.json:
            headless.tell_files(run, code)
        return code
    # The data and the model are found to be right before the model is loaded.
    code = headless.follow(worker, interrupts, as_json=False, start=start, until=headless.accepted)
    print(f"{run.name} goes on in the background: farense-tui attach {run.name}")
    return code


def _screen(args: argparse.Namespace, run: RunFolder | None) -> int:
    if not _terminal():
        raise usage(
            "there is no terminal to open the app in",
            hint="farense-tui train starts a run without a screen; --help lists the commands.",
        )
    from farense_tui.app import run_app

    return run_app(runs.runs_dir(args.runs_dir), run)


def _terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _check_trust(profile: Profile, args: argparse.Namespace) -> None:
    """Refuse to run a model's own code unless the user says so here, and not only the profile."""
    wished = any(each.partition("=")[0].strip() == "model.trust_remote_code" for each in args.set)
    if profile.model.trust_remote_code and not wished:
        raise refused(
            f"the profile lets {profile.model.repo} run its own Python code",
            "model.trust_remote_code is on: the code could do whatever you may do.",
            "--set model.trust_remote_code=true says that you trust it, =false leaves it out.",
            kind="trust",
        )


def _changed(profile: Profile, args: argparse.Namespace) -> Profile:
    """Apply --model, --data and --set."""
    given = [f"{n}={v}" for n, v in (("model.repo", args.model), ("data.path", args.data)) if v]
    for name, value in _settings([*given, *args.set]):
        profile = replace_setting(profile, name, value)
    return profile


def _data_path(given: str | None) -> str:
    """Give an absolute folder, or nothing if none is given."""
    return str(runs.data_folder(replace_setting(Profile(), "data.path", given))) if given else ""


def _temperature(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 5:
        raise argparse.ArgumentTypeError("it is a number from 0 to 5")
    return value


def _settings(assignments: Sequence[str]) -> Iterator[tuple[str, Any]]:
    """Parse `section.key=VALUE`, each."""
    for assignment in assignments:
        name, sign, text = assignment.partition("=")
        if not sign:
            raise usage(f"--set {assignment}", hint="It is --set section.key=VALUE.")
        declared = setting(name.strip())
        try:
            yield declared.name, declared.parse_text(text.strip())
        except ValueError as error:
            hint = declared.description
            raise refused(f"{declared.name} {error}", hint=hint, kind="profile") from error


def _several(args: argparse.Namespace) -> dict[str, Any]:
    return group(args.ranks, args.hosts, args.backend)


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
    import msgspec

    return {
        "name": found.name,
        "path": str(found.path),
        "fits": found.name == chosen,
        "profile": msgspec.to_builtins(found.profile),
        "fault": str(found.fault) if found.fault else None,
    }


# ---- the parser -------------------------------------------------------------------------------


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="farense-tui",
        description="Start, watch and steer LoRA fine-tuning with Apple's MLX. "
        "Without a command it opens the app.",
        epilog="Exit codes: 0 done, 1 failed, 2 wrong usage, 3 refused before the start, "
        "130 stopped by the user.",
    )
    parser.add_argument("--version", action="version", version=f"farense-tui {__version__}")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        "--runs-dir",
        metavar="DIR",
        default=argparse.SUPPRESS,  # or it would undo one that is given before the command
        help="where runs are kept (FARENSE_RUNS, else ./checkpoints)",
    )
    common.add_argument(
        "--ascii",
        action="store_true",
        default=argparse.SUPPRESS,
        help="draw with ASCII alone (FARENSE_ASCII=1)",
    )
    parser.add_argument("--runs-dir", metavar="DIR", help=argparse.SUPPRESS)
    parser.add_argument("--ascii", action="store_true", help="draw with ASCII alone")
    parser.set_defaults(command=app)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")

    def command(name: str, function: object, help_: str) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=help_, description=help_, parents=[common])
        sub.set_defaults(command=function)
        return sub

    starting = command("train", train, "start a run")
    starting.add_argument("--profile", metavar="P", help="name or file; default: what fits")
    starting.add_argument("--model", metavar="M", help="folder, repository, or 'embedded'")
    starting.add_argument("--data", metavar="DIR", help="folder with train.jsonl, or 'embedded'")
    starting.add_argument("--name", metavar="RUN", help="name of the run; default: P-1, P-2, ...")
    starting.add_argument(
        "--anyway",
        action="store_true",
        help="start even what cannot fit into memory",
    )
    resuming = command("resume", resume, "continue a run from its last good checkpoint")
    resuming.add_argument("run", metavar="RUN")
    for sub, which in ((starting, "any setting"), (resuming, "epochs, rates, cadences")):
        sub.add_argument(
            "--set", metavar="SECTION.KEY=VALUE", action="append", default=[], help=which
        )
        where = sub.add_mutually_exclusive_group()
        where.add_argument("--hosts", metavar="FILE", help="train on these machines (mlx.launch)")
        where.add_argument("--ranks", type=int, metavar="N", help="processes on this machine")
        sub.add_argument("--backend", choices=BACKENDS, metavar="B", help="default: ring")
        how = sub.add_mutually_exclusive_group()
        how.add_argument("--json", action="store_true", help="print the worker's events")
        how.add_argument("--detach", action="store_true", help="leave it in the background")
    command("attach", attach, "show a run, live or finished").add_argument("run", metavar="RUN")
    stopping = command("stop", stop, "finish the step, save and end a run")
    stopping.add_argument("run", metavar="RUN")
    stopping.add_argument("--now", action="store_true", help="kill it")
    for name, function, help_ in (
        ("runs", list_runs, "list the runs"),
        ("profiles", list_profiles, "list the profiles"),
    ):
        command(name, function, help_).add_argument("--json", action="store_true", help="as JSON")
    questions = command("ask", ask, "answer with each adapter, and with the base model")
    questions.add_argument("words", nargs="+", metavar="[RUN ...] QUESTION")
    questions.add_argument("--profile", metavar="P", help="whose model answers without a RUN")
    questions.add_argument("--model", metavar="M", help="the model that answers without a RUN")
    questions.add_argument("--max-tokens", type=int, default=100, metavar="N", help="default 100")
    questions.add_argument(
        "--temperature", type=_temperature, default=0.0, metavar="T", help="default 0: no chance"
    )
    questions.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn")
    measuring = command("evaluate", evaluate, "measure adapters and base models on the test set")
    measuring.add_argument("runs", nargs="+", metavar="RUN")
    measuring.add_argument("--data", metavar="DIR", help="default: what the runs were trained on")
    measuring.add_argument("--split", choices=SPLITS, default="test", help="default: test")
    for name, default, help_ in (
        ("--rows", 0, "at most so many, drawn by lot; default: all"),
        ("--max-tokens", 0, "of an answer; default: 1.5 times the longest reference"),
        ("--examples", 3, "rows to show; default 3"),
    ):
        measuring.add_argument(name, type=int, default=default, metavar="N", help=help_)
    measuring.add_argument("--json", action="store_true", help="as JSON, with every answer")
    looking = command("doctor", doctor, "look at the machine, MLX, model, data, disk and power")
    looking.add_argument("--profile", metavar="P", help="name or file; default: what fits")
    looking.add_argument("--model", metavar="M", help="folder, repository, or 'embedded'")
    looking.add_argument("--data", metavar="DIR", help="folder with train.jsonl, or 'embedded'")
    looking.add_argument("--json", action="store_true", help="as JSON")
    looking.set_defaults(set=[])
    having = command("models", list_models, "list the models on this machine")
    having.add_argument("--json", action="store_true", help="as JSON")
    getting = having.add_subparsers(title="commands", metavar="COMMAND").add_parser(
        "download", help="bring a model into Hugging Face's cache, or go on with it"
    )
    getting.set_defaults(command=download_model)
    getting.add_argument("repo", metavar="REPO", help="owner/name")
    getting.add_argument("--revision", default="", metavar="R", help="branch, tag or commit")
    getting.add_argument("--json", action="store_true", help="as JSON")
    telling = command("report", report, "write a run's plots, metrics and report.html")
    telling.add_argument("run", metavar="RUN")
    telling.add_argument("--update", action="store_true", help="only if there is something new")
    exporting = command("export", export, "write the adapter or the fused model for use elsewhere")
    exporting.add_argument("run", metavar="RUN")
    exporting.add_argument("--to", metavar="DIR", required=True, help="a new folder")
    exporting.add_argument("--fuse", action="store_true", help="the model with the adapter in it")
    how = exporting.add_mutually_exclusive_group()
    how.add_argument("--dequantize", action="store_true", help="all layers as floats")
    how.add_argument("--requantize", action="store_true", help="all layers quantised, as before")
    how.add_argument("--gguf", action="store_true", help="a GGUF file too, in float16")
    exporting.add_argument("--overwrite", action="store_true", help="replace an earlier export")
    exporting.add_argument("--json", action="store_true", help="as JSON")
    forecasting = command("estimate", estimate, "tell what a run will take, before it starts")
    forecasting.add_argument("--profile", metavar="P", help="name or file; default: all")
    forecasting.add_argument("--model", metavar="M", help="folder, repository, or 'embedded'")
    forecasting.add_argument("--data", metavar="DIR", help="folder with train.jsonl, or 'embedded'")
    forecasting.add_argument(
        "--set", metavar="SECTION.KEY=VALUE", action="append", default=[], help="any setting"
    )
    forecasting.add_argument(
        "--memory", type=int, default=0, metavar="GB", help="judge for a Mac with so much memory"
    )
    forecasting.add_argument("--probe", action="store_true", help="take one real step, to be exact")
    forecasting.add_argument("--json", action="store_true", help="as JSON")
    data = commands.add_parser("data", help="look through a data set")
    about = data.add_subparsers(title="commands", metavar="COMMAND", required=True)
    checking = about.add_parser("check", help=(about_ := "labels, lengths, duplicates, faults"))
    checking.description = f"Show what is trained on: {about_}. Exit code 3: it cannot be."
    checking.set_defaults(command=check_data)
    checking.add_argument("data", metavar="DIR", help="folder with train.jsonl, or 'embedded'")
    checking.add_argument("--profile", metavar="P", help="name or file; default: what fits")
    checking.add_argument("--model", metavar="M", help="folder, repository, or 'embedded'")
    checking.add_argument(
        "--set", metavar="SECTION.KEY=VALUE", action="append", default=[], help="any setting"
    )
    checking.add_argument("--rows", type=int, default=3, metavar="N", help="examples; default 3")
    checking.add_argument("--json", action="store_true", help="as JSON")
    importing = command("import", import_config, "make a profile of an mlx_lm.lora configuration")
    importing.add_argument("config", type=Path, metavar="CONFIG.yaml")
    importing.add_argument("--name", metavar="NAME", help="of the profile; default: the file's")
    importing.add_argument("--to", type=Path, metavar="DIR", help="default: ./profiles")
    playing = command("demo", demo, "play a scenario of a simulated worker: nothing is trained")
    playing.formatter_class = argparse.RawDescriptionHelpFormatter
    width = max(map(len, SCENARIOS)) + 2
    told = "\n".join(f"  {name:{width}}{about}" for name, about in SCENARIOS.items())
    playing.epilog = f"scenarios:\n{told}"
    playing.add_argument("scenario", metavar="SCENARIO", nargs="?", default="ok", help="default ok")
    replaying = command("replay", replay, "play a record once more: nothing is trained")
    replaying.add_argument("record", type=Path, metavar="EVENTS.jsonl", help="or its run folder")
    for sub in (playing, replaying):
        sub.add_argument(
            "--speed", type=float, default=10.0, metavar="X", help="times as fast; default 10"
        )
    return parser


if __name__ == "__main__":
    sys.exit(main())
