"""Damaged profiles, configurations, manifests, data rows, model files and templates."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from farense_worker.protocol import dataset
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.run_folder import RunFolder
from farense_worker.protocol.settings import profile_file

from benchmarks.common import write_data
from benchmarks.faults.soak import mutate
from benchmarks.faults.soak.tally import Tally
from farense_tui.engine.models import locate
from farense_tui.engine.models.assets import asset, embedded_model
from farense_tui.engine.profiles import import_mlx_lm
from farense_tui.engine.runs import describe
from tests import micro_model
from tests.real_runs import RunMaker
from tests.worker import faults

_REFUSED = (FarenseError,)
Try = Callable[[random.Random], tuple[bytes, Callable[[], object], tuple[type[Exception], ...]]]

_ROWS: tuple[Any, ...] = (
    {"messages": [{"role": "user", "content": "Quem?"}, {"role": "assistant", "content": "Ele."}]},
    {"prompt": "Quem?", "completion": "Ele."},
    {"text": "Quem? Ele."},
    {
        "messages": [
            {"role": "system", "content": "Responde."},
            {"role": "user", "content": [{"type": "text", "text": "Quem?"}]},
            {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    },
    {"conversations": [{"from": "human", "value": "Quem?"}, {"from": "gpt", "value": "Ele."}]},
    {"instruction": "Diz quem.", "input": "", "output": "Ele."},
)


def soak(place: Path, dice: random.Random, more: Callable[[], bool], tally: Tally) -> None:
    """While there is more, one of each kind in turn."""
    kinds = tries(place)
    while more():
        for kind, try_ in kinds.items():
            what, do, allowed = try_(dice)
            tally.try_(kind, what, do, allowed)


def tries(place: Path) -> dict[str, Try]:
    """Each kind of input: makes a damaged one and what is to be done with it."""
    make = RunMaker(place / "runs", micro_model.make(place / "model"), write_data(place / "data"))
    run = make("run")
    faults.two(run)
    profiles = [path.read_bytes() for path in sorted(asset("profiles").glob("*.toml"))]
    return {
        "profiles": lambda dice: profile(dice, profiles),
        "configurations": lambda dice: configuration(dice, run, run.config.read_bytes()),
        "manifests": lambda dice: manifest(dice, run, place / "copy"),
        "rows": row,
        "rows as files": lambda dice: rows(dice, place / "rows"),
        "models": lambda dice: model(dice, place / "damaged"),
        "imports": lambda dice: imported(dice, place / "mlx.yaml"),
        "templates": template,
    }


def profile(dice: random.Random, sources: list[bytes]) -> Any:
    what = mutate.raw(dice, dice.choice(sources))
    text = what.decode("utf-8", "replace")
    return what, lambda: profile_file.parse(text, "x"), _REFUSED


def configuration(dice: random.Random, run: RunFolder, source: bytes) -> Any:
    what = mutate.raw(dice, source)

    def do() -> None:
        run.config.write_bytes(what)
        try:
            describe.summarise(run)
        finally:
            run.config.write_bytes(source)

    return what, do, ()


def manifest(dice: random.Random, run: RunFolder, copy: Path) -> Any:
    """One of the files of a checkpoint, or what names it."""
    from farense_worker.loop import checkpoint

    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(run.path, copy)
    folder = RunFolder(copy)
    newest = folder.checkpoints()[-1].path
    path = dice.choice([folder.training_state, *sorted(newest.iterdir())])
    source = path.read_bytes()
    is_json = path.suffix == ".json" and dice.random() < 0.6
    what = mutate.as_json(dice, json.loads(source)) if is_json else mutate.raw(dice, source)
    path.write_bytes(what)

    def do() -> None:
        folder.resume_step()
        loaded, _damaged = checkpoint.newest(folder)
        if loaded is None:
            raise AssertionError("no checkpoint is left")
        describe.summarise(folder)

    return what, do, ()


def row(dice: random.Random) -> Any:
    value = mutate.value(dice, dice.choice(_ROWS))
    return (
        repr(value).encode("utf-8", "replace"),
        lambda: dataset.checked(Path("/x/y"), 1, value),
        (),
    )


def rows(dice: random.Random, folder: Path) -> Any:
    folder.mkdir(exist_ok=True)
    lines = [mutate.as_json(dice, dice.choice(_ROWS)) for _ in range(5)]
    what = b"\n".join(mutate.raw(dice, line) if dice.random() < 0.5 else line for line in lines)
    (folder / "train.jsonl").write_bytes(what)
    return what, lambda: dataset.check(folder), _REFUSED


def model(dice: random.Random, folder: Path) -> Any:
    """A model's files: its config.json, the header of its weights, its tokenizer's settings."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in embedded_model().iterdir():
        (folder / path.name).symlink_to(path.resolve())
    path = folder / dice.choice(("config.json", "model.safetensors", "tokenizer_config.json"))
    source = path.read_bytes()[:20_000]
    path.unlink()
    is_json = path.suffix == ".json" and dice.random() < 0.7
    what = mutate.as_json(dice, json.loads(source)) if is_json else mutate.raw(dice, source)
    path.write_bytes(what)

    def do() -> None:
        from farense_worker.protocol.plan import model_shape

        locate.locate(str(folder))
        model_shape.read(folder)

    return what, do, ()


_YAML = b"""model: mlx-community/x
data: d
train: true
lora_parameters: {rank: 8, scale: 20.0, dropout: 0.0, keys: [self_attn.q_proj]}
lr_schedule: {name: cosine_decay, warmup: 100, arguments: [1e-5, 1000, 1e-7]}
iters: 1000
batch_size: 4
optimizer_config: {adam: {betas: [0.9, 0.98]}}
"""


def imported(dice: random.Random, path: Path) -> Any:
    what = mutate.raw(dice, _YAML)
    path.write_bytes(what)
    return what, lambda: import_mlx_lm.read(path), _REFUSED


_TEMPLATES = (
    b"{% for m in messages %}<|{{ m['role'] }}|>{{ m['content'] | trim }}{{ eos_token }}"
    b"{% endfor %}"
    b"{% if add_generation_prompt %}<|assistant|>{% endif %}",
    b"{%- set ns = namespace(n=0) %}{%- for m in messages %}{%- set ns.n = ns.n + 1 %}"
    b"{%- if loop.first and m.role == 'system' %}{{ m.content }}{%- else %}"
    b"{{ raise_exception('x') if ns.n > 9 else m | tojson(indent=2) }}{%- endif %}{%- endfor %}",
    b"{%- macro f(x) %}{{ x ~ x }}{%- endmacro %}{{ f(messages[0].content) * 3 }}"
    b"{{ strftime_now('%d %b %Y') }}{{ '%s' % messages[-1]['content'][:5] }}",
)


def template(dice: random.Random) -> Any:
    from farense_worker.model.chat_template import ChatTemplates
    from jinja2 import TemplateError

    what = mutate.raw(dice, dice.choice(_TEMPLATES))
    messages = dice.choice(_ROWS[:1] + _ROWS[3:4])["messages"]
    text = what.decode("utf-8", "replace")

    def do() -> None:
        ChatTemplates(text, {"eos_token": "</s>"}, thinking=False).text(messages)

    # What data/labels.py tells as what is wrong with a template.
    wrong = (TemplateError, FarenseError, ValueError, TypeError, LookupError, AttributeError)
    return what, do, wrong
