"""`python -m farense_worker.tasks.data_check`: look through a data set as a run would.

Prints the lines of protocol/messages/data_check.py and trains nothing.
"""

from __future__ import annotations

from farense_worker.process.output import claim_stdout

RECORD = claim_stdout()

import argparse  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from farense_worker.protocol.errors import ExitCode, FarenseError  # noqa: E402
from farense_worker.protocol.messages import data_check  # noqa: E402
from farense_worker.protocol.settings.profile import Model  # noqa: E402


def main() -> int:
    """Check; the exit code: 0 for a report, whatever it says, else that of the failure."""
    args = _arguments()
    settings = Model(
        repo=args.model, revision=args.revision, trust_remote_code=args.trust_remote_code
    )
    try:
        _say(check(args, settings))
    except FarenseError as error:
        code = int(error.exit_code)
        _say(data_check.Failure(error.kind, error.title, error.detail, error.hint, code))
        return code
    return ExitCode.DONE


def check(args: argparse.Namespace, settings: Model) -> data_check.Report:
    """Look through the data with the model's tokenizer, or without it where it is not here."""
    from farense_worker.inspect.survey import Survey
    from farense_worker.model import tokenizer

    loaded, why = None, ""
    try:
        folder = tokenizer.find(settings, args.offline)
    except (OSError, ValueError) as error:  # of huggingface_hub
        why = str(error).splitlines()[0]
    else:
        loaded = tokenizer.load(folder, settings)
    survey = Survey(
        loaded,
        max_seq_length=args.max_seq_length,
        mask_prompt=args.mask_prompt,
        examples=args.rows,
        tell=lambda done, total: _say(data_check.Progress(done, total)),
    )
    return survey.report(
        Path(args.data),
        model=args.model,
        no_tokenizer=why,
        valid_fraction=args.valid_fraction,
        seed=args.seed,
    )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m farense_worker.tasks.data_check")
    parser.add_argument("--data", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--revision", default="")
    parser.add_argument("--trust-remote-code", action="store_true")
    parser.add_argument("--max-seq-length", type=int, required=True)
    parser.add_argument("--mask-prompt", action="store_true")
    parser.add_argument("--valid-fraction", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--rows", type=int, default=3, help="examples")
    parser.add_argument("--offline", action="store_true")
    return parser.parse_args()


def _say(line: data_check.Line) -> None:
    left = data_check.encode(line)
    while left:
        left = left[os.write(RECORD, left) :]


if __name__ == "__main__":
    sys.exit(main())
