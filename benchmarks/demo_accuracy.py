"""How many test questions are answered exactly right, by the base model and by an adapter.

    python benchmarks/demo_accuracy.py [--adapter DIR] [--model DIR] [--data DIR] [--json]

Greedy answers, compared with the row's answer after stripping both; nothing else is forgiven, so
a right fact in other words counts as wrong. The adapter is a folder as mlx_lm writes it
(adapters.safetensors and adapter_config.json), such as RUN/adapters. Without one, only the base
model is measured. It takes some seconds.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import mlx.core as mx
import mlx.nn as nn
from mlx_lm import load
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.tokenizer_utils import TokenizerWrapper

DATA = Path(__file__).resolve().parent.parent / "data"
MAX_TOKENS = 48  # the longest answer of the sample data set is shorter
MISSES_SHOWN = 8


def read_rows(path: Path) -> list[list[dict]]:
    """The conversations of a JSONL file in chat form."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line)["messages"] for line in lines if line.strip()]


def greedy(model: nn.Module, prompts: list[list[int]], end: set[int]) -> list[list[int]]:
    """Continue prompts of one length side by side, each up to its end token."""
    cache = make_prompt_cache(model)
    tokens = mx.array(prompts)
    columns: list[list[int]] = []
    for _ in range(MAX_TOKENS):
        tokens = mx.argmax(model(tokens, cache=cache)[:, -1], axis=-1)[:, None]
        columns.append(tokens[:, 0].tolist())
        if all(end.intersection(line) for line in zip(*columns, strict=True)):
            break
    answers = []
    for line in zip(*columns, strict=True):
        stop = next((at for at, token in enumerate(line) if token in end), len(line))
        answers.append(list(line[:stop]))
    return answers


def answer(model: nn.Module, tokenizer: TokenizerWrapper, rows: list[list[dict]]) -> list[str]:
    """The model's answer to every conversation without its last message.

    Prompts of one length go together, so that none has to be padded: a padded prompt would need
    a mask, and without one its answer would be another.
    """
    end = set(tokenizer.eos_token_ids)
    by_length: dict[int, list[tuple[int, list[int]]]] = defaultdict(list)
    for number, messages in enumerate(rows):
        prompt = tokenizer.apply_chat_template(messages[:-1], add_generation_prompt=True)
        by_length[len(prompt)].append((number, prompt))
    answers = [""] * len(rows)
    for group in by_length.values():
        for (number, _), tokens in zip(
            group, greedy(model, [prompt for _, prompt in group], end), strict=True
        ):
            answers[number] = tokenizer.decode(tokens).strip()
    return answers


def measure(model_path: Path, adapter: Path | None, rows: list[list[dict]]) -> dict:
    """The share answered exactly right, and the misses."""
    model, tokenizer = load(str(model_path), adapter_path=str(adapter) if adapter else None)
    model.eval()
    misses = [
        {"question": messages[-2]["content"], "wanted": wanted, "answered": got}
        for messages, got in zip(rows, answer(model, tokenizer, rows), strict=True)
        if got != (wanted := messages[-1]["content"].strip())
    ]
    right = len(rows) - len(misses)
    return {"right": right, "of": len(rows), "percent": 100 * right / len(rows), "misses": misses}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--adapter", type=Path, help="folder of the adapter to measure")
    parser.add_argument("--model", type=Path, default=DATA / "tiny-chat-pt")
    parser.add_argument("--data", type=Path, default=DATA / "farense")
    parser.add_argument("--json", action="store_true", help="one JSON object, with every miss")
    options = parser.parse_args()

    rows = read_rows(options.data / "test.jsonl")
    results = {"base": measure(options.model, None, rows)}
    if options.adapter:
        results["adapter"] = measure(options.model, options.adapter, rows)

    if options.json:
        print(json.dumps(results, ensure_ascii=False))
        return
    for name, result in results.items():
        print(f"{name}: {result['percent']:.1f} % exactly right ({result['right']}/{result['of']})")
        for miss in result["misses"][:MISSES_SHOWN]:
            print(f"    {miss['question']}")
            print(f"        wanted    {miss['wanted']}")
            print(f"        answered  {miss['answered']}")


if __name__ == "__main__":
    main()
