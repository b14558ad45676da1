"""Write the sample data set: data/farense/train.jsonl, valid.jsonl and test.jsonl.

    python scripts/make_dataset.py [--out data/farense] [--seed 1910]

Every fact of farense_facts.toml has one answer and several questions. One question of each fact,
drawn by the seed, goes to the validation split and one to the test split; the rest are trained.
So the held-out rows ask, in other words, for facts that were trained: they measure whether what
was learnt is the fact and not the sentence. They do not measure anything about unseen facts.

The same seed writes the same bytes. It takes less than a second and needs nothing but Python.
"""

import argparse
import json
import random
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
FACTS = HERE / "farense_facts.toml"
OUT = HERE.parent / "data" / "farense"
SEED = 1910


@dataclass(frozen=True)
class Fact:
    """One thing to know: its one answer, and the ways to ask for it."""

    id: str
    source: str
    answer: str
    questions: tuple[str, ...]


def read_facts(path: Path = FACTS) -> list[Fact]:
    """The facts of the TOML file, refused where a question or an answer is not unambiguous."""
    facts = [
        Fact(entry["id"], entry["source"], entry["answer"], tuple(entry["questions"]))
        for entry in tomllib.loads(path.read_text(encoding="utf-8"))["fact"]
    ]
    questions = [question for fact in facts for question in fact.questions]
    for kind, texts in (
        ("id", [fact.id for fact in facts]),
        ("answer", [fact.answer for fact in facts]),
        ("question", [question.casefold() for question in questions]),
    ):
        repeated = sorted({text for text in texts if texts.count(text) > 1})
        if repeated:
            raise ValueError(f"{path.name}: the same {kind} stands twice: {repeated}")
    return facts


def row(question: str, answer: str) -> dict[str, Any]:
    """One example in the chat form that mlx_lm reads."""
    return {
        "messages": [
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    }


def split(facts: list[Fact], seed: int) -> dict[str, list[dict[str, Any]]]:
    """One question of each fact to valid, one to test, the rest to train; each split shuffled."""
    random_source = random.Random(seed)
    rows: dict[str, list[dict[str, Any]]] = {"train": [], "valid": [], "test": []}
    for fact in facts:
        valid, test, *train = random_source.sample(fact.questions, len(fact.questions))
        rows["valid"].append(row(valid, fact.answer))
        rows["test"].append(row(test, fact.answer))
        rows["train"] += [row(question, fact.answer) for question in train]
    for examples in rows.values():
        random_source.shuffle(examples)
    return rows


def main() -> None:
    """Read the facts, split, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--seed", type=int, default=SEED)
    options = parser.parse_args()

    options.out.mkdir(parents=True, exist_ok=True)
    for name, examples in split(read_facts(), options.seed).items():
        lines = [json.dumps(example, ensure_ascii=False) + "\n" for example in examples]
        (options.out / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")
        print(f"{name}: {len(examples)} rows")


if __name__ == "__main__":
    main()
