"""`python -m worker.ask`: a conversation with a base model and with adapters on it.

See worker/protocol/conversation.py for what is read and printed. The models share the weights of
the base, so each adapter only takes its own.
"""

from __future__ import annotations

from worker.output import claim_stdout

RECORD = claim_stdout()

import os  # noqa: E402
import signal  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
from typing import Any  # noqa: E402

import msgspec  # noqa: E402

from worker.protocol.conversation import Answered, Piece, Question, Ready, Setup  # noqa: E402
from worker.protocol.errors import ExitCode, FarenseError  # noqa: E402
from worker.protocol.profile import Model  # noqa: E402
from worker.protocol.task import Failure  # noqa: E402


def main() -> int:
    """Answer until there are no more questions; the exit code."""
    stop = Stop()
    signal.signal(signal.SIGUSR1, stop.on_signal)
    try:
        setup = msgspec.json.decode(sys.stdin.buffer.readline(), type=Setup)
        models = load(setup)
        _say(Ready())
        for line in sys.stdin.buffer:
            asked = msgspec.json.decode(line, type=Question)
            stop.asked = False
            for model in models:
                model.answer(asked, stop)
            _say(Ready())
    except BrokenPipeError:  # nobody listens any more
        return ExitCode.STOPPED
    except FarenseError as error:
        _say(Failure.of(error))
        return error.exit_code
    return ExitCode.DONE


class Stop:
    """Whether the answers are to be broken off."""

    def __init__(self) -> None:
        """Not yet."""
        self.asked = False

    def on_signal(self, _signal: int, _frame: object) -> None:
        """Break off after the next token."""
        self.asked = True


class Speaker:
    """One model in the conversation, with what it has said."""

    def __init__(self, name: str, network: Any, tokenizer: Any) -> None:
        """Begin with nothing said."""
        self._name = name
        self._network = network
        self._tokenizer = tokenizer
        self._turns: list[dict[str, str]] = []

    def answer(self, asked: Question, stop: Stop) -> None:
        """Stream the answer to a question, and remember both."""
        from worker import sampling

        if asked.fresh:
            self._turns = []
        self._turns.append({"role": "user", "content": asked.text})
        began, count, whole, ended = time.perf_counter(), 0, "", False
        detokenizer = self._tokenizer.detokenizer
        detokenizer.reset()
        for token in sampling.tokens(
            self._network,
            sampling.prompt_tokens(self._tokenizer, self._turns),
            asked.max_tokens,
            temperature=asked.temperature,
            seed=asked.seed,
        ):
            if token in self._tokenizer.eos_token_ids:
                ended = True
                break
            count += 1
            detokenizer.add_token(token)
            whole += self._tell(detokenizer.last_segment)
            if stop.asked:
                break
        detokenizer.finalize()
        whole += self._tell(detokenizer.last_segment)
        self._turns.append({"role": "assistant", "content": whole.strip()})
        _say(Answered(self._name, count, time.perf_counter() - began, not ended))

    def _tell(self, piece: str) -> str:
        if piece:
            _say(Piece(self._name, piece))
        return piece


def load(setup: Setup) -> list[Speaker]:
    """Load the base once, and each adapter on a model of its own that shares its weights."""
    from worker import loading, tokenizer

    settings = Model(
        repo=setup.repo, revision=setup.revision, trust_remote_code=setup.trust_remote_code
    )
    folder = loading.find(settings)
    words = tokenizer.load(folder, settings)
    base = loading.load(folder, settings)
    speakers = [Speaker("", base, words)]
    for adapter in setup.adapters:
        shared = loading.load(folder, settings, adapter.name, adapter.folder, shares=base)
        speakers.append(Speaker(adapter.name, shared, words))
    return speakers


def _say(line: msgspec.Struct) -> None:
    left = msgspec.json.encode(line) + b"\n"
    while left:
        left = left[os.write(RECORD, left) :]


if __name__ == "__main__":
    sys.exit(main())
