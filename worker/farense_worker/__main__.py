"""`python -m farense_worker RUN`: train the run in the folder RUN.

Claims stdout, holds the run's lock, listens to signals, and turns whatever ends the training
into a last event and an exit code; a run of several ranks it only leads (ranks/). At last
it starts what the launcher wants done afterwards.
"""

from __future__ import annotations

from farense_worker.process.output import Output, claim_stdout

RECORD = claim_stdout()  # before anything is imported that could print

import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from farense_worker.loop.custody import Custody  # noqa: E402
from farense_worker.loop.lifecycle import failed, work  # noqa: E402
from farense_worker.process import afterwards, restart  # noqa: E402
from farense_worker.process.signals import Control, heed_none, inherited_lock  # noqa: E402
from farense_worker.protocol import places  # noqa: E402
from farense_worker.protocol.errors import ExitCode, FarenseError, in_words  # noqa: E402
from farense_worker.protocol.processes import leash  # noqa: E402
from farense_worker.protocol.run_folder import RunFolder, disk_error, write_pid  # noqa: E402
from farense_worker.protocol.settings.profile import Config  # noqa: E402


def main() -> int:
    """Run the worker; the exit code."""
    if len(sys.argv) != 2:
        # not translated: for developers
        print("usage: python -m farense_worker RUN", file=sys.stderr)
        return ExitCode.USAGE
    leash.follow_if_named()
    folder = RunFolder(Path(sys.argv[1]).resolve())
    try:
        config = folder.read_config()
        lock = inherited_lock() or folder.acquire()
        code = train(folder, places.applied(folder, config), lock)
    except FarenseError as error:  # there is no run, or no record, to write an event into
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(disk_error(error, folder.path), file=sys.stderr)
        return ExitCode.FAILED
    if config.report.at_end:
        afterwards.start(code, folder.path)
    return code


def train(folder: RunFolder, config: Config, lock: int) -> int:
    """Train the run, or lead the ranks that do; the exit code."""
    if config.run.ranks > 1:
        from farense_worker.ranks import lead

        return lead.lead(folder, config, lock)
    control = Control()
    control.install()
    write_pid(lock, os.getpid())
    custody = Custody(folder, lock, RECORD)
    output = Output(RECORD, folder.events)

    def tell(error: FarenseError) -> None:
        if not control.asked.stop:  # agreed on or not: no step comes any more
            try:
                go_on(error)
            except (OSError, FarenseError) as why:  # a full disk, a damaged config.toml
                error.detail = "\n".join(filter(None, (error.detail, in_words(why))))
        heed_none()
        output.emit(failed(error, output.step))

    def go_on(error: FarenseError) -> None:
        """Start again, where that helps: it does not return then."""
        if restart.helps(error):
            output.emit(restart.notice(error))
            restart.begin(RECORD, lock, restart.count() + 1, control)
        if error.kind == restart.OVERFLOW:
            output.emit(restart.change_type(folder))
            restart.begin(RECORD, lock, restart.count(), control)

    return work(folder, config, output, control, custody, tell)


if __name__ == "__main__":
    afterwards.leave(main())
