"""A conversation with models: the task `ask`, which goes on as long as there are questions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.conversation import (
    Answered,
    Piece,
    Question,
    Ready,
    Said,
    Setup,
    Stop,
)
from farense_worker.protocol.messages.evaluation import Adapter
from farense_worker.protocol.plan import precision
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.engine.runs import found_again
from farense_tui.engine.tasks import evaluation
from farense_tui.engine.tasks.task import Task


def setup(runs: Sequence[RunFolder]) -> Setup:
    """Ask for the adapters of these runs; FarenseError if they have none, or different models."""
    configs = [found_again.usable(run) for run in runs]
    adapters = tuple(Adapter(run.name, str(evaluation.adapter_of(run))) for run in runs)
    repos = sorted({config.model.repo for config in configs})
    if len(repos) > 1:
        raise refused(
            _("the runs have different base models"),
            "\n".join(repos),
            _("Ask those together that have the same one."),
            kind="model",
        )
    model = configs[0].model
    dtype = precision.together(config.model.dtype for config in configs)
    return Setup(model.repo, adapters, model.revision, model.trust_remote_code, dtype)


class Conversation(Task):
    """Models that stay loaded between questions. Not for two threads at once, but for `stop`."""

    def __init__(self, asked: Setup) -> None:
        """Start the worker; the models are there once `ready` has come."""
        super().__init__("ask", asked, Said)

    def __enter__(self) -> Conversation:
        """Use it until the block ends."""
        return self

    def ready(self) -> Ready:
        """Wait until the models are loaded; FarenseError if they cannot be."""
        while not isinstance(said := self.listen(), Ready):
            pass
        return said

    def ask(self, question: Question) -> Iterator[Piece | Answered]:
        """Ask all models; gives what they say, one after the other."""
        self.write(question)
        return self._answers()

    def stop(self) -> None:
        """Break off the answers that are being given; from any thread."""
        self.write(Stop())

    def _answers(self) -> Iterator[Piece | Answered]:
        while not isinstance(said := self.listen(), Ready):
            yield said
