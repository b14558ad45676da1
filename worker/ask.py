"""`python -m worker.ask`: answer a question with the base model and with adapters.

Prints one JSON object a line for each piece of an answer: {"adapter": NAME, "text": PIECE}, and
{"adapter": NAME, "done": true} after the last; the base model's name is empty.
"""

from __future__ import annotations

from worker.output import claim_stdout

RECORD = claim_stdout()

import argparse  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
import tempfile  # noqa: E402
from pathlib import Path  # noqa: E402

from worker.protocol.errors import FarenseError  # noqa: E402
from worker.protocol.profile import Model  # noqa: E402


def main() -> int:
    """Answer; the exit code. A failure is one line {"error": ...} with its parts."""
    parser = argparse.ArgumentParser(prog="python -m worker.ask")
    parser.add_argument("--model", required=True)
    parser.add_argument("--adapter", action="append", default=[], metavar="NAME=DIR")
    parser.add_argument("--max-tokens", type=int, required=True)
    parser.add_argument("question")
    args = parser.parse_args()
    adapters = [("", "")] + [tuple(given.partition("=")[::2]) for given in args.adapter]
    try:
        for name, folder in adapters:
            answer(args.model, name, folder, args.question, args.max_tokens)
    except FarenseError as error:
        _say(
            error={
                "kind": error.kind,
                "title": error.title,
                "detail": error.detail,
                "hint": error.hint,
                "exit_code": int(error.exit_code),
            }
        )
        return error.exit_code
    return 0


def answer(repo: str, name: str, adapter: str, question: str, max_tokens: int) -> None:
    """Load the model anew, with this adapter or none, and stream its answer."""
    from worker import model, sampling, tokenizer
    from worker.mlxlm import load_adapters
    from worker.output import Output

    settings = Model(repo=repo)
    with tempfile.TemporaryDirectory() as nowhere:
        path = model.find(settings, Output(os.open(os.devnull, os.O_WRONLY), Path(nowhere) / "-"))
    network = model.load(path, settings)
    if adapter:
        try:
            load_adapters(network, adapter)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            raise FarenseError(
                f"the adapter of {name} cannot be loaded", str(error), kind="adapter"
            ) from error
    network.eval()
    for piece in sampling.stream(network, tokenizer.load(path, settings), question, max_tokens):
        if piece:
            _say(adapter=name, text=piece)
    _say(adapter=name, done=True)


def _say(**values: object) -> None:
    os.write(RECORD, json.dumps(values, ensure_ascii=False).encode() + b"\n")


if __name__ == "__main__":
    sys.exit(main())
