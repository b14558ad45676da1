"""From a run's record to a tracker's files: what there is, then what comes, until the run ends.

The files are made anew from the record each time, also when a resume or a rollback takes steps
back, so nothing in them is there twice and nothing has to be remembered of how far they got.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from farense_worker.protocol import plain_file
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.events import AnyEvent
from farense_worker.protocol.run_folder import RunFolder, disk_error
from farense_worker.protocol.settings.profile import Config

from farense_tui.engine.record.tail import Tail
from farense_tui.engine.runs import describe, trackers
from farense_tui.track.counted_events import Course
from farense_tui.track.writer import Feed, Writer

_EVERY = 1.0  # seconds


def track(folder: RunFolder, name: str, *, follow: bool = False) -> Path:
    """Write a run for the tracker `name`; the folder of its files.

    follow: go on until the run has ended. Raises FarenseError (refused) if the package is not
    there, and, without `follow`, if another process is at it.
    """
    trackers.check([name])
    describe.check_readable(folder)
    if follow:
        os.nice(19)  # it takes what time the training leaves
    place, make = trackers.place(folder, name), _writer(name)
    try:
        place.mkdir(exist_ok=True)
        with _alone(place, wait=follow):
            config = folder.read_config()
            while not _write(folder, make(place, config), follow):
                pass
    except OSError as error:
        raise disk_error(error, place) from error
    return place


def _write(folder: RunFolder, writer: Writer, follow: bool) -> bool:
    """Write all; False if what was written is superseded meanwhile, to be written anew."""
    course, feed = Course(), Feed(writer)
    for event in _there(Tail(folder.events)):
        course.take(event)
    tail = Tail(folder.events)
    events = _events(folder, tail, writer, follow)
    try:
        for event in course.counting(islice(events, course.read)):
            feed.put(event)
        for event in events:
            if tail.cut or course.supersedes(event):
                return False
            course.take(event)
            feed.put(event)
    finally:
        writer.close()
    return True


def _there(tail: Tail) -> Iterator[AnyEvent]:
    """All that the record holds; FarenseError where it cannot be read."""
    while found := tail.read():
        yield from found
    tail.check()


def _events(folder: RunFolder, tail: Tail, writer: Writer, follow: bool) -> Iterator[AnyEvent]:
    """All that the record holds and, following, all that comes until the run has ended."""
    while True:
        alive = follow and folder.is_alive()  # first: what it says last is read after it
        yield from _there(tail)
        if not alive:
            return
        writer.flush()
        time.sleep(_EVERY)


@contextmanager
def _alone(place: Path, *, wait: bool) -> Iterator[None]:
    """Hold the folder. A follower waits for the one before it, which ends with its worker."""
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
    except BlockingIOError as error:
        raise refused(
            _("{place} is being written").format(place=place),
            hint=_("The run is tracked while it trains; nothing more is needed."),
            kind="tracker",
        ) from error
    finally:
        plain_file.release(descriptor)


def _writer(name: str) -> Callable[[Path, Config], Writer]:
    """Imported only now: neither may be there."""
    if name == "tensorboard":
        from farense_tui.track.tensorboard import TensorBoard

        return TensorBoard
    from farense_tui.track.wandb_offline import Wandb

    return Wandb
