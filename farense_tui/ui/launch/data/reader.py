"""One reader of data sets: waits until the user is still, checks in a thread, keeps what it found.

The check is a process of its own, which needs a second or two and some memory: it is started
late, only once at a time, and ended as soon as nobody wants what it would find.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.data_check import Report
from farense_worker.protocol.messages.task import Progress
from farense_worker.protocol.settings.profile import Profile
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from farense_tui.engine.tasks import data_check
from farense_tui.engine.tasks.task import Stop

STILL = 0.8  # seconds without a change before a check is worth its start
_ROWS = 5  # examples to show

Key = tuple[object, ...]


def key(profile: Profile) -> Key:
    """What a look depends on. Not data_check.request: that asks the disk, at every letter typed."""
    model, data, train = profile.model, profile.data, profile.train
    how = (train.max_seq_length, train.mask_prompt, train.answers, train.seed)
    split = (data.valid_fraction, data.append_end, data.skip, data.features)
    return (model.repo, model.revision, model.trust_remote_code, data.path, *how, *split)


@dataclass(frozen=True)
class Look:
    """What is known of a data set: how far it is read, then the report or why there is none."""

    key: Key
    done: int = 0
    total: int = 0
    report: Report | None = None
    error: FarenseError | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.report is not None or self.error is not None


class Looked(Message):
    """There is something new to know. Each carries all there is."""

    def __init__(self, look: Look) -> None:
        """Hand it over."""
        super().__init__()
        self.look = look

    def can_replace(self, message: Message) -> bool:
        """Whoever is late needs only the newest."""
        return isinstance(message, Looked) and message.look.key == self.look.key


class Looker:
    """Looks at one data set at a time and posts `Looked` to its screen."""

    def __init__(self, screen: Screen[None]) -> None:
        """Work for `screen`."""
        self._screen = screen
        self._known: dict[Key, Look] = {}
        self._wanted: Key | None = None
        self._timer: Timer | None = None
        self._stop = Stop()

    def want(self, profile: Profile, *, now: bool = False) -> Look:
        """Give what is known of a profile's data. More is posted when the user has been still."""
        wanted = key(profile)
        if wanted != self._wanted:
            self.cancel()
            self._wanted = wanted
            if not self._known.get(wanted, Look(wanted)).over:
                start = partial(self._start, wanted, profile)
                self._timer = self._screen.set_timer(0.01 if now else STILL, start)
        elif self._timer and not now:
            self._timer.reset()
        return self._known.get(wanted) or Look(wanted)

    def take(self, look: Look) -> None:
        """Keep what was posted."""
        self._known[look.key] = look

    def forget(self) -> None:
        """Have all looks made again when they are wanted: files may have changed."""
        self.cancel()
        self._known.clear()

    def cancel(self) -> None:
        """End the check that is under way; nothing more is posted of it."""
        if self._timer:
            self._timer.stop()
        self._timer, self._wanted = None, None
        self._stop.ask()

    def _start(self, wanted: Key, profile: Profile) -> None:
        self._timer, self._stop = None, Stop()
        work = partial(self._check, Look(wanted), profile, self._stop)
        self._screen.run_worker(work, thread=True, group="data")

    def _check(self, look: Look, profile: Profile, stop: Stop) -> None:
        """In a thread."""
        try:
            asked = data_check.request(profile, rows=_ROWS, offline=True)
            for said in data_check.run(asked, stop):
                if isinstance(said, Report):
                    look = replace(look, report=said)
                elif isinstance(said, Progress):
                    look = replace(look, done=said.done, total=said.total)
                self._tell(look, stop)
        except FarenseError as error:
            self._tell(replace(look, error=error), stop)
        except OSError as error:  # a path that is too long or may not be read
            wrong = refused(_("the data could not be checked"), error.strerror or str(error))
            self._tell(replace(look, error=wrong), stop)

    def _tell(self, look: Look, stop: Stop) -> None:
        if not stop.asked:
            self._screen.post_message(Looked(look))
