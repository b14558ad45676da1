"""What threads have to say. They post messages instead of calling in and waiting: a screen that is
being taken down drops a message, but a thread that waits for it would hold up the end of the app.
"""

from __future__ import annotations

from farense_worker.protocol.errors import FarenseError
from textual.message import Message

from farense_tui.engine.machine.vitals import Vitals
from farense_tui.engine.models.locate import ModelState
from farense_tui.engine.preflight.model_and_data import Inspection
from farense_tui.engine.runs.describe import RunSummary


class Refused(Message):
    def __init__(self, error: FarenseError) -> None:
        super().__init__()
        self.error = error


class Unforeseen(Message):
    """Something went wrong in a thread that goes on; whoever takes it raises it."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


class Inspected(Message):
    """The model and the data of a draft were looked at."""

    def __init__(self, key: tuple[object, ...], found: Inspection) -> None:
        """Hand over what was found, with what it depends on."""
        super().__init__()
        self.key = key
        self.found = found


class RunsRead(Message):
    def __init__(self, summaries: list[RunSummary], wrong: str = "") -> None:
        """wrong: why the folder of the runs cannot be listed."""
        super().__init__()
        self.summaries = summaries
        self.wrong = wrong


class Located(Message):
    """The models of the profiles were looked for."""

    def __init__(self, states: dict[str, ModelState]) -> None:
        """By the profile's name."""
        super().__init__()
        self.states = states


class Asked(Message):
    """A worker was asked to stop."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name


class Sampled(Message):
    """The machine was looked at."""

    def __init__(self, vitals: Vitals) -> None:
        """Hand over what is known."""
        super().__init__()
        self.vitals = vitals


class Course(Message):
    """How far the run on the screen is."""

    def __init__(self, title: str, share: float | None, bad: bool = False) -> None:
        """`share` from 0 to 1, None where there is nothing to wait for."""
        super().__init__()
        self.title = title
        self.share = share
        self.bad = bad


class News(Message):
    """Something that a user who looks elsewhere wants to know of."""

    def __init__(self, title: str, text: str) -> None:
        """Whose news, and what."""
        super().__init__()
        self.title = title
        self.text = text
