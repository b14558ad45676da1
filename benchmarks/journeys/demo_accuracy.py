"""How many test questions are answered exactly right, by the base model and by an adapter.

    python benchmarks/journeys/demo_accuracy.py [--adapter DIR] [--model DIR] [--data DIR] [--json]

As `farense-tui evaluate` measures it, but for any model and adapter folder: greedy answers,
compared with the row's answer after stripping both; nothing else is forgiven, so a right fact in
other words counts as wrong. The adapter is a folder as mlx_lm writes it (adapters.safetensors and
adapter_config.json), such as RUN/adapters. Without one, only the base model is measured. It takes
some seconds.
"""

import argparse
import json
from pathlib import Path

from farense_worker.protocol.messages.evaluation import Adapter, Candidate, Report, Request
from farense_worker.tasks.evaluate import evaluate

DATA = Path(__file__).resolve().parents[2] / "data"
MISSES_SHOWN = 8


def measure(options: argparse.Namespace) -> Report:
    """Measure the model and, where there is one, the adapter."""
    adapters = (Adapter("adapter", str(options.adapter)),) if options.adapter else ()
    return evaluate(
        Request(
            candidates=(Candidate(str(options.model), adapters),),
            data=str(options.data),
            batch_size=32,
        ),
        lambda _: None,
    )


def result(report: Report, at: int) -> dict:
    """The share that score `at` answered exactly right, and the misses."""
    misses = [
        {
            "question": row.question,
            "wanted": row.reference.strip(),
            "answered": row.answers[at].text,
        }
        for row in report.rows
        if not row.answers[at].exact
    ]
    of = len(report.rows)
    right = of - len(misses)
    return {"right": right, "of": of, "percent": 100 * right / of, "misses": misses}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adapter", type=Path, help="folder of the adapter to measure")
    parser.add_argument("--model", type=Path, default=DATA / "tiny-chat-pt")
    parser.add_argument("--data", type=Path, default=DATA / "farense")
    parser.add_argument("--json", action="store_true", help="one JSON object, with every miss")
    options = parser.parse_args()

    report = measure(options)
    results = {score.name or "base": result(report, at) for at, score in enumerate(report.scores)}
    if options.json:
        print(json.dumps(results, ensure_ascii=False))
        return
    for name, found in results.items():
        print(f"{name}: {found['percent']:.1f}% exactly right ({found['right']}/{found['of']})")
        for miss in found["misses"][:MISSES_SHOWN]:
            print(f"    {miss['question']}")
            print(f"        wanted    {miss['wanted']}")
            print(f"        answered  {miss['answered']}")


if __name__ == "__main__":
    main()
