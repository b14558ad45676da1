"""`farense-tui`, and `python -m farense_tui`. The language is chosen before anything is said."""

import os
import sys

if sys.version_info < (3, 11):  # noqa: UP036 - a Mac's own python3 is 3.9
    # not translated: nothing else of ours can be imported by that
    sys.exit("farense-tui needs Python 3.11 or newer: `uv tool install .` brings one")

# Python -m looks for modules where the user stands, first of all: a json.py there would be taken
# for Python's. (Against a types.py there, which breaks every python -m, only `farense-tui` helps.)
if __name__ == "__main__" and not sys.flags.safe_path:
    del sys.path[0]

_STOPPED = 130  # ExitCode.STOPPED, whose module may be what is still being read


def open_streams() -> None:
    """Let standard streams that are closed lead nowhere.

    The next file that is opened would get the number of one, and what is printed with it.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(nowhere, "w" if number else "r"))  # noqa: SIM115 - for good


def main() -> int:
    """Run a command; the exit code."""
    try:
        open_streams()
        from farense_worker.protocol import language
        from farense_worker.protocol.processes import leash

        leash.follow_if_named()
        language.choose(sys.argv[1:])
        import warnings

        from farense_tui.cli import main as run
        from farense_tui.cli.output import warn

        warnings.showwarning = warn
        return run()
    except KeyboardInterrupt:  # while the modules are still being read
        return _STOPPED


if __name__ == "__main__":
    sys.exit(main())
