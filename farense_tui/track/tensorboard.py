"""TensorBoard's event files, by tensorboardX, which needs neither TensorBoard nor torch."""

from __future__ import annotations

from pathlib import Path

from farense_worker.protocol.settings.profile import Config
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.proto.summary_pb2 import Summary
from tensorboardX.summary import text as text_summary

from farense_tui.track.writer import settings


class TensorBoard:
    """One event file in `place`, in the place of any that is there.

    EventsWriter and not SummaryWriter: that one sends every figure through a queue between
    processes, to a thread that writes when it likes.
    """

    def __init__(self, place: Path, config: Config) -> None:
        """Begin the file with the run's settings."""
        place.mkdir(exist_ok=True)
        for old in place.glob("events.out.tfevents.*"):
            old.unlink()
        self._writer = EventsWriter(str(place / "events"))
        for made in place.glob("events.out.tfevents.*"):  # the fifth word is this machine's name
            made.rename(made.with_name(".".join(made.name.split(".")[:4])))
        self._prompts: list[str] = []
        # To a TensorBoard that watches the folder: what it knows of the run is written anew.
        start = SessionLog(status=SessionLog.START)
        self._writer.write_event(Event(wall_time=config.run.created, step=0, session_log=start))
        rows = [f"| {name} | {value} |" for name, value in settings(config).items()]
        table = "\n".join(["| setting | value |", "| --- | --- |", *rows])
        self._write(0, config.run.created, text_summary("settings", table))

    def scalars(self, step: int, time: float, values: dict[str, float]) -> None:
        found = [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()]
        self._write(step, time, Summary(value=found))

    def sample(self, step: int, time: float, prompt: str, text: str) -> None:
        """Write an answer under the number that its prompt has."""
        if prompt not in self._prompts:
            self._prompts.append(prompt)
        tag = f"samples/{self._prompts.index(prompt) + 1}"
        self._write(step, time, text_summary(tag, f"{_quoted(prompt)}\n\n{_indented(text)}"))

    def flush(self) -> None:
        """Write out what is held back."""
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()

    def _write(self, step: int, time: float, summary: Summary) -> None:
        self._writer.write_event(Event(wall_time=time, step=step, summary=summary))


# TensorBoard reads text as Markdown. Four spaces before a line make it what it is.
def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())
