"""`python -m farense_worker.simulated RUN`: play what RUN/simulation.json says."""

from __future__ import annotations

from farense_worker.process import afterwards
from farense_worker.process.output import Output, claim_stdout

RECORD = claim_stdout()  # before anything is imported that could print

import os  # noqa: E402
import shutil  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from farense_worker.process.signals import Control, inherited_lock  # noqa: E402
from farense_worker.protocol import simulation  # noqa: E402
from farense_worker.protocol.errors import ExitCode, FarenseError, refused  # noqa: E402
from farense_worker.protocol.language import gettext as _  # noqa: E402
from farense_worker.protocol.processes import leash  # noqa: E402
from farense_worker.protocol.processes.programs import is_temporary  # noqa: E402
from farense_worker.protocol.run_folder import RunFolder, disk_error, write_pid  # noqa: E402
from farense_worker.protocol.settings.profile import Config  # noqa: E402
from farense_worker.simulated import replay, scenarios  # noqa: E402
from farense_worker.simulated.stage import Stage  # noqa: E402


def main() -> int:
    """Play; the exit code."""
    if len(sys.argv) != 2:
        usage = "usage: python -m farense_worker.simulated RUN"  # not translated: for developers
        print(usage, file=sys.stderr)
        return ExitCode.USAGE
    folder = RunFolder(Path(sys.argv[1]).resolve())
    try:
        config = folder.read_config()
        played = simulation.read(folder.path)
        if played is None or not (played.record or played.scenario in scenarios.SCRIPTS):
            raise refused(_("{path} is not a simulated run").format(path=folder.path))
        lock = inherited_lock() or folder.acquire()
        return _play(folder, config, played, lock)
    except FarenseError as error:  # a record that takes nothing cannot tell it either
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(disk_error(error, folder.path), file=sys.stderr)
        return ExitCode.FAILED


def _play(folder: RunFolder, config: Config, played: simulation.Simulation, lock: int) -> int:
    control = Control()
    control.install()
    if played.scenario == "deaf":
        for each in (signal.SIGTERM, signal.SIGINT, signal.SIGTSTP, signal.SIGUSR1):
            signal.signal(each, signal.SIG_IGN)
    runs = folder.path.parent
    if played.owner and is_temporary(runs):  # the file may be from anywhere
        leash.follow(
            lambda: leash.lives(played.owner), lambda: shutil.rmtree(runs, ignore_errors=True)
        )
    write_pid(lock, os.getpid())
    if played.record:
        return replay.play(played, RECORD, control)
    stage = Stage(folder, config, played, control)
    stage.output = Output(RECORD, folder.events, clock=lambda: stage.now)
    return stage.play(scenarios.SCRIPTS[played.scenario](stage))


if __name__ == "__main__":
    afterwards.leave(main())
