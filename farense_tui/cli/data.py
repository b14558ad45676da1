"""`farense-tui data check` and `farense-tui import`."""

from __future__ import annotations

import argparse

from farense_worker.protocol.errors import ExitCode, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.data_check import Report

from farense_tui.cli import common
from farense_tui.cli.output import ProgressLine, console, relative, say, say_json
from farense_tui.engine.profiles import catalogue
from farense_tui.engine.tasks import data_check, task


def check(args: argparse.Namespace) -> int:
    """Show what of a data set is trained on, and what is wrong with it.

    Exit code 3 if it cannot be trained on.
    """
    asked = data_check.request(common.profile(args), rows=args.rows)
    line = ProgressLine()
    try:
        report = task.result_of("data_check", asked, Report, line.show)
    except KeyboardInterrupt:
        return ExitCode.STOPPED
    finally:
        line.clear()
    if args.json:
        say_json(report)
    else:
        from farense_tui.cli import data_view  # rich is not needed for anything else

        data_view.show(report, console())
    return ExitCode.DONE if report.trainable else ExitCode.REFUSED


def import_config(args: argparse.Namespace) -> int:
    """Write a profile out of an mlx_lm.lora configuration and tell what became of each key."""
    from farense_tui.engine.profiles import import_mlx_lm  # YAML is needed for nothing else

    config, folder = args.config, args.to
    name = args.name or config.stem
    made = import_mlx_lm.read(config)
    path = (folder or catalogue.own_folder()) / f"{name}.toml"
    if path.exists():
        raise refused(
            _("there is a profile {name} already").format(name=name),
            str(path),
            _("--name gives the new one another name."),
            kind="profile",
        )
    try:
        catalogue.save(name, made.profile, folder)
    except OSError as error:
        title = _("cannot write {path}").format(path=path)
        raise refused(title, error.strerror or "", kind="not_writable") from error
    say(_("{path} is written").format(path=relative(path)))
    for title, remarks in ((_("translated"), made.changed), (_("not translated"), made.left_out)):
        if remarks:
            say(f"{title}:")
        for remark in remarks:
            where = f"{config.name}:{remark.line}: " if remark.line else ""
            say(f"  {where}{remark.key}: {remark.what}")
    start = f"--profile {name}" if folder is None else f"--profile {relative(path)}"
    say(_("farense-tui train {options} starts a run with it").format(options=start))
    return ExitCode.DONE
