"""`farense-tui import`: a profile out of a configuration of mlx_lm."""

from __future__ import annotations

import argparse

from farense_worker.protocol.errors import ExitCode, refused
from farense_worker.protocol.language import gettext as _

from farense_tui.cli.output import relative, say
from farense_tui.engine.profiles import catalogue


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
        if path.exists():  # it was not: a disk that fails has only not confirmed it
            title = _("{path} is written, but the disk may not keep it").format(path=path)
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
