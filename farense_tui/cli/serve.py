"""`farense-tui serve`: runs behind an OpenAI-compatible address, until ctrl-c."""

from __future__ import annotations

import argparse
import time

from farense_worker.protocol.clean_text import clean
from farense_worker.protocol.errors import ExitCode, usage
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.messages.serving import (
    LOOPBACK,
    Ended,
    Figures,
    Handled,
    Listening,
    Said,
)

from farense_tui.cli import common
from farense_tui.cli.output import say, say_json, tell
from farense_tui.engine import readable as f
from farense_tui.engine.runs import folders, found_again
from farense_tui.engine.tasks import serving
from farense_tui.engine.tasks.serving import Serving


def serve(args: argparse.Namespace) -> int:
    """Serve until it is enough; ctrl-c ends it after the answers, twice at once."""
    runs = [folders.find(name, common.runs_dir(args)) for name in dict.fromkeys(args.runs)]
    if args.port is not None and not 0 <= args.port < 1 << 16:
        raise usage(_("there is no port {port}").format(port=args.port), hint="0 - 65535")
    if args.context < 1:
        raise usage(_("a number below 1"), hint="--context")
    asked = serving.setup(
        runs,
        system=args.system,
        host=args.host,
        port=args.port,
        key=serving.key_from(args.api_key) if args.api_key else "",
        origins=args.allow_origin,
        context=args.context,
    )
    configs = (found_again.config_of(run) for run in runs)
    if not common.may_download((config.model for config in configs), yes=args.yes):
        return ExitCode.STOPPED
    for run in runs:
        for line in found_again.remarks(run, data=args.system is None):
            tell(line)
    if args.host != LOOPBACK and not asked.key:
        tell(_("whoever reaches {host} can ask without a key").format(host=clean(args.host)))
    show = say_json if args.json else _Shown(bool(asked.key)).show
    with Serving(asked) as server:
        asked_to_stop = False
        while True:
            try:
                said = server.listen()
            except KeyboardInterrupt:
                if asked_to_stop:
                    return ExitCode.STOPPED
                asked_to_stop = True
                server.stop()
                continue
            show(said)
            if isinstance(said, Ended):
                return ExitCode.DONE


class _Shown:
    def __init__(self, key: bool) -> None:
        self._key = key
        self._memory = 0

    def show(self, said: Said) -> None:
        """Print the address, then a line for each request."""
        if isinstance(said, Listening):
            first, *others = said.models
            say(f"{said.address}    {', '.join([first, *others])}")
            say()
            say(f"  {serving.curl(said.address, first, self._key)}")
            say()
            say(_("ctrl-c ends it"))
        elif isinstance(said, Handled):
            clock = time.strftime("%H:%M:%S", time.localtime(said.time))
            memory = f"  {f.size(self._memory)}" if self._memory else ""
            say(f"{clock}  {serving.told(said)}{memory}")
        elif isinstance(said, Figures):
            self._memory = said.memory
        else:
            told = ngettext("{n} request", "{n} requests", said.requests).format(n=said.requests)
            if said.broken_off:
                told += _(", {n} broken off").format(n=said.broken_off)
            say(told)
