"""The forecast against what others have measured on Macs: one Markdown row for each figure.

    python benchmarks/forecast/metal_points.py

Nothing of this was measured here. Sources: [a] mlx-train-perf 0.9.1, M1 Max with 32 GB; [b] Soup,
pull request 663, an M1 with 8 GB, 48 short chat rows of at most 512 tokens; [c] the README of
mlxtuner, an M2 with 8 GB; [d] mlx-lm issue 1206, an M3 Pro with 18 GB. Of [b] the lengths are not
told: 96 tokens a row are taken. Speeds of one machine differ by a factor of two between its runs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from farense_worker.protocol.plan import model_shape, step_memory
from farense_worker.protocol.plan.memory import GIB
from farense_worker.protocol.plan.model_shape import Shape
from farense_worker.protocol.plan.step_memory import MicroBatch, attention_backward, fit_of, fused
from farense_worker.protocol.settings.profile import Profile, replace_setting

from farense_tui.engine.forecast import workload
from farense_tui.engine.forecast.forecast import published

GB = 1e9
SHORT = 96  # tokens of a short chat row: an assumption


@dataclass(frozen=True)
class Point:
    """A published figure and ours. why_not: what is not told, or is not alike; "" if comparable."""

    what: str
    source: str
    published: float
    ours: float
    unit: str
    why_not: str = ""

    @property
    def ratio(self) -> float:
        """Ours to the published one."""
        return self.ours / self.published


def shape(repo: str) -> Shape:
    """Of a model that is known by its name."""
    found = model_shape.known(repo)
    assert found is not None
    return found


def profile(**settings: Any) -> Profile:
    """Of mlx_lm's defaults where nothing else is told."""
    made = Profile()
    for name, value in {"train__compile": "on", "train__epochs": 1, **settings}.items():
        made = replace_setting(made, name.replace("__", "."), value)
    return made


def attention(tokens: int, *, blocks: bool) -> float:
    """GiB of one attention forwards and backwards: 32 heads of 128, 8 of keys, 16 bits, one row.

    What goes in and comes out and the gradients of that, and the scores. blocks: mlx >= 0.32.4.
    """
    model = shape("mlx-community/Meta-Llama-3.1-8B-Instruct-4bit")
    batch, fit = MicroBatch(1, tokens, 1), fit_of(profile(), gpu=True)
    assert fused(model, batch, gpu=True)
    around = 2 * tokens * 2 * (model.heads + model.kv_heads) * model.head_dim * 2
    kept = 0 if blocks else step_memory.scores(model, batch, gpu=False) * 2
    return (around + kept + attention_backward(model, batch, fit, gpu=blocks)) / GIB


def peak(repo: str, made: Profile, tokens: int, labels: int, *, blocks: bool) -> int:
    """Bytes of a step on one row."""
    batch = MicroBatch(1, tokens, labels)
    parts = step_memory.step_parts(shape(repo), made, batch, cached=False, gpu=True)
    if blocks:
        return parts.total
    unfused = replace(shape(repo), kind="gemma2")  # of which all scores are there
    return step_memory.step_parts(unfused, made, batch, cached=False, gpu=True).total


def speed(repo: str, made: Profile, chip: str, tokens: int, labels: int) -> float:
    """Tokens a second."""
    batch = MicroBatch(1, tokens, labels)
    made_of = workload.flops(shape(repo), made, batch, cached=False)
    operations, _source = published(chip)
    assert operations
    return tokens * operations / made_of


def points() -> Iterator[Point]:
    """Every figure that there is, comparable or not."""
    for tokens, before, after in ((8192, 12.53, 0.68), (2048, 0.85, 0.33), (1024, 0.24, 0.27)):
        said = f"attention alone, {tokens:,} tokens, mlx"
        yield Point(f"{said} 0.32.0", "a", before, attention(tokens, blocks=False), "GiB")
        yield Point(f"{said} 0.32.4", "a", after, attention(tokens, blocks=True), "GiB")
    chat = profile(lora__keys=("q_proj", "v_proj"), lora__num_layers=16)
    for repo, took, theirs, fast in (
        ("Qwen2.5-0.5B-Instruct-4bit", 0.50, None, 240),
        ("Llama-3.2-3B-Instruct-4bit", 2.08, 2.24, 82),
        ("Qwen2.5-7B-Instruct-4bit", 4.58, 4.92, 33),
        ("Meta-Llama-3.1-8B-Instruct-4bit", 4.80, 5.15, 36),
    ):
        ours = peak(repo, chat, SHORT, SHORT, blocks=False) / GB
        yield Point(f"{repo}, queries and values, peak", "b", took, ours, "GB")
        if theirs:
            why = "mlx_lm computes all logits at once"
            yield Point(f"{repo}, mlx_lm.lora's peak", "b", theirs, ours, "GB", why)
        why = "speeds of that machine differ by a factor of two"
        yield Point(f"{repo}", "b", fast, speed(repo, chat, "M1", SHORT, SHORT), "tok/s", why)
    alpaca, qwen = profile(), "Qwen2.5-1.5B-Instruct-4bit"
    ours = peak(qwen, alpaca, 648, 648, blocks=False) / GB
    yield Point(f"{qwen}, 645 tokens at most, peak", "c", 2.1, ours, "GB", "settings not told")
    long = profile(
        train__grad_checkpoint=True,
        lora__keys=("q_proj", "k_proj", "v_proj", "o_proj"),
    )
    llama = "Meta-Llama-3.1-8B-Instruct-4bit"
    ours = peak(llama, long, 8192, 8192, blocks=False) / GIB
    why = "mlx_lm computes all logits at once"
    yield Point(f"{llama}, 8,192 tokens, checkpoints, mlx 0.31", "a", 25.68, ours, "GiB", why)
    ours = speed(llama, long, "M1 Max", 2048, 2048)
    why = "what the forecast of time is made from"
    yield Point(f"{llama}, 2,048 tokens, checkpoints", "a", 97.8, ours, "tok/s", why)
    four, where = "Qwen3-4B-4bit", "16 layers, 4 rows, checkpoints, peak"
    for published_peak, rows in ((7.9, "long"), (3.8, "short")):
        why = "lengths not told"
        yield Point(f"{four}, {where}, {rows} rows", "d", published_peak, float("nan"), "GB", why)


def main() -> None:
    """Print the table."""
    print("| what | source | published | ours | ratio | |")
    print("| --- | --- | --- | --- | --- | --- |")
    for each in points():
        known = each.ours == each.ours
        ours = f"{each.ours:.3g} {each.unit}" if known else "—"
        ratio = f"{each.ratio:.2f}" if known else "—"
        print(
            f"| {each.what} | {each.source} | {each.published:g} {each.unit} | {ours} | {ratio} | "
            f"{each.why_not} |"
        )


if __name__ == "__main__":
    main()
