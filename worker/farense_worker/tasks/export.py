"""A run's adapter, or the model fused with it, written for use elsewhere and checked."""

from __future__ import annotations

import contextlib
import functools
import json
import re
import time
from pathlib import Path
from typing import Any

import mlx.core as mx
import msgspec

from farense_worker.data import dated
from farense_worker.model import inference, peft, stops, tokenizer
from farense_worker.model.compat import load_model
from farense_worker.protocol import plain_file
from farense_worker.protocol.checkpoint_files import ADAPTER_CONFIG, ADAPTERS
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import mark
from farense_worker.protocol.messages.export import (
    EDITED,
    MANIFEST,
    Exported,
    Part,
    Request,
    Verified,
    sum_of,
)
from farense_worker.protocol.messages.task import Progress, Tell
from farense_worker.protocol.percent import percent
from farense_worker.protocol.run_folder import disk_error, full, is_full
from farense_worker.protocol.settings.profile import Model
from farense_worker.tasks import compare_models, fuse, gguf, gguf_lora, ollama
from farense_worker.tasks.compare_models import Behaviour, Question

_LEAST_KEPT = 0.9
_CONTEXT = 4096


def export(asked: Request, tell: Tell) -> Exported:
    """Write the folder `asked.to`. Raises FarenseError if what was written is not what it was."""
    settings = Model(
        repo=asked.repo, revision=asked.revision, trust_remote_code=asked.trust_remote_code
    )
    source, to = inference.find(settings), Path(asked.to)
    if asked.gguf and (obstacle := gguf.obstacle(source)):
        raise refused(
            _("this model cannot be exported as GGUF"),
            obstacle,
            _(
                "Export with --fuse --dequantize, and convert the model folder with llama.cpp's "
                "convert_hf_to_gguf.py."
            ),
            kind="export",
        )
    try:
        return _written(asked, settings, source, to, tell)
    except OSError as error:
        raise disk_error(error, to, "--to") from error
    except RuntimeError as error:  # MLX's, which does not tell why it could not write
        if is_full(to):
            raise full(to, option="--to") from error
        raise


def _written(asked: Request, settings: Model, source: Path, to: Path, tell: Tell) -> Exported:
    to.mkdir(parents=True)
    work = _Export(asked, settings, source, to, tell)
    parts = [work.adapter()]
    if asked.peft:
        parts.append(work.peft())
    if asked.gguf_lora:
        parts.append(work.gguf_lora())
    if asked.fuse or asked.gguf:
        parts += work.fused()
    if asked.gguf or asked.gguf_lora:
        (to / "README.md").write_text(asked.gguf_card, encoding="utf-8")
    files = sorted(path for path in to.rglob("*") if not path.is_dir())
    sums = {str(path.relative_to(to)): sum_of(path) for path in files}
    long = {str(path.relative_to(to)) for path in files if path.stat().st_size > EDITED}
    made = Exported(
        run=asked.name,
        model=asked.base,
        time=time.time(),
        precision=asked.precision,
        parts=tuple(parts),
        remarks=tuple(work.remarks),
        checked=asked.check,
        files=tuple(sums),
        sums={name: made for name, made in sums.items() if name not in long},
        samples={name: made for name, made in sums.items() if name in long},
    )
    (to / MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(made), indent=2))
    return made


class _Export:
    """What the parts of one export share."""

    def __init__(self, asked: Request, settings: Model, source: Path, to: Path, tell: Tell) -> None:
        self._asked = asked
        self._settings = settings
        self._source = source
        self._to = to
        self._tell = tell
        self._tokenizer = tokenizer.load(source, settings)
        self.remarks: list[str] = []
        end = stops.unnamed(source, self._tokenizer)
        self._ends: set[int] | None = None
        if end is not None:
            self._ends = set(self._tokenizer.eos_token_ids)
            said = _(
                "answers end with {token}, which {model} itself does not name: with the adapter "
                "alone, mlx_lm wants --extra-eos-token '{token}'"
            )
            token = self._tokenizer.decode([end])
            self.remarks.append(said.format(token=token, model=asked.base))
        if self._tokenizer.takes_parts_alone:
            self.remarks.append(
                _(
                    "the chat template takes messages as a list of parts alone: mlx_lm.generate "
                    "sends plain strings, which it leaves out; send content as "
                    "{parts}"
                ).format(parts='[{"type": "text", "text": "..."}]')
            )

    def adapter(self) -> Part:
        """Copy the adapter, and see that it does what the run's does."""
        self._tell(Progress(_("the adapter")))
        folder, made = self._to / "adapter", Path(self._asked.adapter)
        _weights, config = self._adapter()
        folder.mkdir()
        plain_file.copy(made / ADAPTERS, folder / ADAPTERS)
        fuse.copy_templates(self._source, folder)
        config["model"] = self._asked.base  # a folder of this machine means nothing elsewhere
        (folder / ADAPTER_CONFIG).write_text(json.dumps(config, indent=2) + "\n")
        (folder / "README.md").write_text(self._asked.adapter_card, encoding="utf-8")
        if self._ends:
            stops.write(folder, self._ends)
        verified = None
        if self._asked.check:
            most = len(self._questions)
            self._before = self._behaviour(_("looking at the run's adapter"), most, adapter=made)
            self._base = self._behaviour(_("looking at the base model"), 0)
            copied = self._behaviour(_("looking at the adapter"), self._answered, adapter=folder)
            verified = self._compared(copied)
        return Part(what=mark("adapter"), path="adapter", bytes=_size(folder), verified=verified)

    def peft(self) -> Part:
        """Write the adapter as peft has it, read it back and look at what it does."""
        self._tell(Progress(_("the adapter for PEFT")))
        weights, config = self._adapter()
        network: Any = inference.load(self._source, self._settings, self._asked.name, self._made)
        embeddings = {
            name for name, module in network.named_modules() if hasattr(module, "lora_a")
            and hasattr(module, "embedding")
        }  # fmt: skip
        base, remark = _original(self._source, self._asked.base)
        kind = json.loads(plain_file.text(self._source / "config.json")).get("model_type")
        self.remarks += filter(None, (remark, peft.remark(str(kind))))
        folder = self._to / "peft"
        folder.mkdir()
        made, written = peft.made_of(
            weights,
            config,
            base=base,
            layers=len(network.layers),
            embeddings=frozenset(embeddings),
            tied=not hasattr(network, "lm_head"),
        )
        peft.write(folder, made, written)
        (folder / "README.md").write_text(self._asked.peft_card, encoding="utf-8")
        verified = None
        if self._asked.check:
            read, _config = peft.read(folder, written)
            verified = self._checked(
                _("the PEFT adapter has lost something"), self._with(network, read)
            )
        size = _size(folder)
        return Part(what=mark("PEFT adapter"), path="peft", bytes=size, verified=verified)

    def gguf_lora(self) -> Part:
        """Write the adapter as llama.cpp has it, read it back and look at what it does."""
        self._tell(Progress(_("the adapter for llama.cpp")))
        weights, adapter = self._adapter()
        config = json.loads(plain_file.text(self._source / "config.json"))
        if wrong := gguf_lora.obstacle(config, adapter):
            raise refused(
                _("this adapter cannot be written for llama.cpp"),
                wrong,
                _("Export with --fuse --dequantize, and convert the model folder."),
                kind="export",
            )
        path = self._to / f"{self._asked.name}-lora.gguf"
        gguf_lora.write(path, weights, config, adapter, self._asked.name)
        verified = None
        if self._asked.check:
            read, scale = gguf_lora.read(path, config, gguf_lora.layers_of(weights))
            factor = scale / adapter["lora_parameters"]["scale"]
            read = {
                name: value * factor if name.endswith("lora_b") else value
                for name, value in read.items()
            }
            network: Any = inference.load(
                self._source, self._settings, self._asked.name, self._made
            )
            verified = self._checked(
                _("the GGUF adapter has lost something"), self._with(network, read)
            )
        size = path.stat().st_size
        return Part(what=mark("GGUF adapter"), path=path.name, bytes=size, verified=verified)

    @property
    def _made(self) -> str:
        return self._asked.adapter

    def _adapter(self) -> tuple[dict[str, mx.array], dict[str, Any]]:
        return inference.adapter_files(Path(self._made), self._asked.name)

    def _with(self, network: Any, weights: dict[str, mx.array]) -> Behaviour:
        network.load_weights(list(weights.items()), strict=False)
        return self._look(_("looking at the adapter"), network, self._answered)

    def fused(self) -> list[Part]:
        """Fuse, write, load again and compare; then GGUF and the Modelfile as far as they go."""
        self._tell(Progress(_("fusing")))
        asked, folder = self._asked, self._to / "model"
        network = inference.load(self._source, self._settings, asked.name, asked.adapter)
        fuse.fuse(network, asked.precision)
        trusted = self._settings.trust_remote_code
        fuse.as_it_came(network, load_model(self._source, trust_remote_code=trusted))
        fuse.save(network, self._source, folder, self._ends)
        (folder / "README.md").write_text(asked.model_card, encoding="utf-8")
        verified = None
        if asked.check:
            seen = self._behaviour(_("looking at the fused model"), self._answered, folder)
            verified = self._checked(_("the fused model has lost the adapter"), seen)
        elif asked.precision == "quantised" and self._quantised(folder):
            said = _(
                "the adapter was rounded to the base model's bits, where much or all of it may be "
                "lost: the check refuses what keeps less than {share} of it"
            )
            self.remarks.append(said.format(share=percent(_LEAST_KEPT)))
        parts = [Part(what=mark("model"), path="model", bytes=_size(folder), verified=verified)]
        if asked.gguf:
            parts.append(self._gguf(network, folder))
        if asked.gguf or not self._quantised(folder):
            source = f"./{parts[-1].path}"
            context = self._context(folder)
            text = ollama.modelfile(self._tokenizer, source, context, self._asked.system)
            (self._to / "Modelfile").write_text(text, encoding="utf-8")
            if dated.writes(self._tokenizer, [{"role": "user", "content": "?"}]):
                said = _("the Modelfile has today's date, where the chat template has each day's")
                self.remarks.append(said)
            size = len(text.encode())
            parts.append(Part(what=mark("Ollama Modelfile"), path="Modelfile", bytes=size))
        else:
            self.remarks.append(
                _(
                    "no Modelfile: Ollama does not read MLX's quantised weights; "
                    "--dequantize or --gguf"
                )
            )
        return parts

    def _gguf(self, network: Any, folder: Path) -> Part:
        self._tell(Progress(_("writing GGUF")))
        path = self._to / f"{self._asked.name}.gguf"
        gguf.write(folder, fuse.as_half(network), path, self._tokenizer)
        verified = None
        if self._asked.check:
            gguf.read_into(network, json.loads(plain_file.text(folder / "config.json")), path)
            seen = self._look(_("looking at the GGUF file"), network, self._answered)
            verified = self._checked(_("the GGUF file has lost the adapter"), seen)
        return Part(what="GGUF", path=path.name, bytes=path.stat().st_size, verified=verified)

    def _checked(self, lost: str, seen: Behaviour) -> Verified:
        verified = self._compared(seen)
        if verified.kept < _LEAST_KEPT:
            raise FarenseError(
                lost,
                _(
                    "{kept} of the adapter's effect is left; {same} of {answers} answers are "
                    "the same"
                ).format(
                    kept=percent(verified.kept),
                    same=verified.answers_same,
                    answers=verified.answers,
                ),
                _(
                    "Nothing was exported. Without --requantize the layers with an adapter are "
                    "kept as floats."
                ),
                kind="export",
            )
        return verified

    def _compared(self, seen: Behaviour) -> Verified:
        return compare_models.compare(self._before, self._base, seen, len(self._questions))

    @property
    def _answered(self) -> int:
        """Questions that the run's adapter has answered in time: no other needs answer more."""
        return len(self._before.answers)

    def _behaviour(
        self, what: str, most: int, folder: Path | None = None, adapter: Path | None = None
    ) -> Behaviour:
        self._tell(Progress(what))
        place = str(adapter) if adapter else ""
        network = inference.load(folder or self._source, self._settings, self._asked.name, place)
        return self._look(what, network, most)

    def _look(self, what: str, network: Any, most: int) -> Behaviour:
        """Look at a model, with up to `most` answers."""
        return compare_models.behaviour(
            network,
            self._tokenizer,
            self._questions,
            most=most,
            tell=lambda done: self._tell(Progress(what, done, most, "answers")),
        )

    @functools.cached_property
    def _questions(self) -> list[Question]:
        """Read once: all models are compared on the same, whoever changes the data meanwhile."""
        return compare_models.questions(self._tokenizer, self._asked)

    def _quantised(self, folder: Path) -> bool:
        return "quantization" in json.loads(plain_file.text(folder / "config.json"))

    def _context(self, folder: Path) -> int:
        config = json.loads(plain_file.text(folder / "config.json"))
        return min(_CONTEXT, int(config.get("max_position_embeddings") or _CONTEXT))


def _original(source: Path, base: str) -> tuple[str, str]:
    """Name the model that transformers is to lay a PEFT adapter over, and what to say of it.

    A model in MLX's own bits names the one it was made of in its card.
    """
    config = json.loads(plain_file.text(source / "config.json"))
    if "quantization" not in config:
        return base, ""
    with contextlib.suppress(OSError, ValueError):
        card = plain_file.text(source / "README.md").split("---", 2)[1]
        if named := re.search(r"^base_model:\s*(?:-\s*)?([\w.-]+/[\w.-]+)\s*$", card, re.MULTILINE):
            said = _(
                "the PEFT adapter names {base}, which {model} was made of: other bits, near it"
            )
            return named[1], said.format(base=named[1], model=base)
    said = _(
        "transformers cannot read {model}'s bits: put the name of the model that it was made of "
        "into peft/adapter_config.json"
    )
    return base, said.format(model=base)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
