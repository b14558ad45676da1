"""An mlx_lm.lora configuration becomes a profile.

What mlx_lm takes by default is taken as well, so that the profile trains what the configuration
would. Nothing is dropped in silence: what is counted otherwise here is told, and so is what has no
place in a profile. A step of mlx_lm is a micro-batch, a step here is an update.
"""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farense_worker.protocol import dataset, foreign_rows
from farense_worker.protocol.checkpoint_files import ADAPTERS
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.language import ngettext
from farense_worker.protocol.plan.adapter import ALL
from farense_worker.protocol.settings.fields import setting
from farense_worker.protocol.settings.profile import Profile, replace_setting

from farense_tui.engine.profiles import hub_rows, yaml_file
from farense_tui.engine.profiles.mlx_lm_keys import (
    AT_LEAST,
    CADENCES,
    DEFAULTS,
    FEATURES,
    FIXED_OPTIONS,
    FORMER,
    NO_PLACE,
    SAME,
    UNLIKE_MLX,
    WEIGHT_DECAY,
)


@dataclass(frozen=True)
class Remark:
    """What became of a key; line 0 where the key is not in the file."""

    key: str
    what: str
    line: int


@dataclass
class Imported:
    """The profile, what is counted otherwise in it, and what it leaves out."""

    profile: Profile
    changed: list[Remark] = field(default_factory=list)
    left_out: list[Remark] = field(default_factory=list)


def read(path: Path) -> Imported:
    """Translate a file; FarenseError (refused) that lists every wrong value with its line."""
    translation = _Translation(path)
    translation.all()
    if translation.faults:
        number = len(translation.faults)
        raise refused(
            ngettext("{path} has {n} fault", "{path} has {n} faults", number).format(
                path=path, n=number
            ),
            "\n".join(translation.faults),
            kind="import",
        )
    return translation.made


class _Translation:
    """One file on its way to a profile."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = yaml_file.load(path)
        given = {key: value for key, value in self._file.values.items() if value is not None}
        self._values: dict[str, Any] = DEFAULTS | self._today(given)
        self.faults: list[str] = []
        self.made = Imported(Profile())
        self._set("profile.title", path.stem, "")
        description = _("imported from {name}").format(name=path.name)
        self._set("profile.description", description, "")

    def _today(self, given: dict[str, Any]) -> dict[str, Any]:
        """Give what the file says under the names that mlx_lm.lora has now."""
        named = {FORMER.get(key, key): value for key, value in given.items() if key in FORMER}
        if given.get("use_dora") is True:
            named["fine_tune_type"] = "dora"
        return named | {key: value for key, value in given.items() if key not in FORMER}

    def all(self) -> None:
        """Go through all keys, those of mlx_lm's that the file leaves out as well."""
        for key, name in SAME.items():
            self._set(name, self._values[key], key)
        if self._file.values.get("model") is None:
            self._change("model", _("none: mlx_lm takes {name}").format(name=DEFAULTS["model"]))
        for key in FEATURES:
            if key in self._values and not self._values.get("hf_dataset"):
                self._set(f"data.{key}", self._values[key], key)
        if self._values["mask_prompt"] is True:
            self._set("train.answers", "last", "mask_prompt")
            self._change(
                "mask_prompt",
                _(
                    "mlx_lm trains the last answer of a conversation alone, and so does "
                    "train.answers = last; all trains every answer"
                ),
            )
        self._layers()
        self._lora()
        self._optimizer()
        self._schedule()
        self._cadences()
        self._epochs()
        self._adapter()
        self._others()

    # ---- the parts ----------------------------------------------------------------------------

    def _layers(self) -> None:
        layers = self._values["num_layers"]
        if isinstance(layers, int) and layers < 1:  # mlx_lm takes layers[-0:], which is all
            layers = -1
        self._set("lora.num_layers", layers, "num_layers")

    def _lora(self) -> None:
        given = self._scaled(self._mapping("lora_parameters"))
        if self._values["fine_tune_type"] == "full":
            if "lora_parameters" in self._file.values:
                self._leave("lora_parameters", _("fine_tune_type is full"))
            return
        for name in ("rank", "scale", "dropout"):
            if name not in given:
                value = DEFAULTS["lora_parameters"][name]
                remark = _("{name} is missing, {value} is taken for it")
                self._change("lora_parameters", remark.format(name=name, value=value))
            default = DEFAULTS["lora_parameters"][name]
            self._set(f"lora.{name}", given.get(name, default), f"lora_parameters.{name}")
        if given.get("keys") is not None:
            self._set("lora.keys", given["keys"], "lora_parameters.keys")
        else:
            self._set("lora.keys", [ALL], "lora_parameters.keys")
            remark = _("none: every linear layer of a block, which is lora.keys = {keys}")
            self._change("lora_parameters.keys", remark.format(keys=f'["{ALL}"]'))
        for name in given.keys() - {"rank", "scale", "dropout", "keys"}:
            remark = _("mlx_lm does not use it")
            if name == "alpha":
                remark = _(
                    "mlx_lm does not use it, lora.scale is the scale; versions that did multiplied "
                    "the scale by alpha / rank"
                )
            self._leave(f"lora_parameters.{name}", remark)

    def _scaled(self, given: dict[str, Any]) -> dict[str, Any]:
        """Give the parameters with the scale that an alpha means where no scale is told."""
        alpha, rank = given.get("alpha"), given.get("rank", DEFAULTS["lora_parameters"]["rank"])
        numbers = all(
            isinstance(each, int | float) and not isinstance(each, bool) for each in (alpha, rank)
        )
        if "scale" in given or not numbers or not rank:
            return given
        scale = alpha / rank
        remark = _("no scale: lora.scale is alpha / rank = {scale:g}").format(scale=scale)
        self._change("lora_parameters.alpha", remark)
        return {key: value for key, value in given.items() if key != "alpha"} | {"scale": scale}

    def _optimizer(self) -> None:
        name = str(self._values["optimizer"]).lower()
        self._set("train.optimizer", name, "optimizer")
        configs = self._mapping("optimizer_config")
        for other in configs.keys() - {name}:
            if configs[other]:
                remark = _("the optimizer is {name}").format(name=name)
                self._leave(f"optimizer_config.{other}", remark)
        given = configs.get(name) or {}
        if not isinstance(given, dict):
            self._fault(f"optimizer_config.{name}", _("must be keys with values"))
            return
        if name in WEIGHT_DECAY:
            decay = given.get("weight_decay", WEIGHT_DECAY[name])
            self._set("train.weight_decay", decay, f"optimizer_config.{name}.weight_decay")
        here = FIXED_OPTIONS.get(name, {})
        there = here | UNLIKE_MLX.get(name, {}) | given
        for option, value in there.items():
            if option == "weight_decay" and name in WEIGHT_DECAY:
                continue
            key = f"optimizer_config.{name}.{option}"
            if option not in here:
                self._leave(key, _("{name} has no such option").format(name=name))
            elif value != here[option]:
                remark = _("{there} in mlx_lm, always {here} here").format(
                    there=value, here=here[option]
                )
                (self._leave if option in given else self._change)(key, remark)

    def _schedule(self) -> None:
        self._set("train.warmup_steps", 0, "lr_schedule")
        self._set("train.learning_rate", self._values["learning_rate"], "learning_rate")
        if self._values["lr_schedule"] is None:
            return
        given = self._mapping("lr_schedule")
        arguments = given.get("arguments")
        if not isinstance(arguments, list) or not arguments:
            self._fault("lr_schedule", _("needs `name` and a list of `arguments`"))
            return
        if "learning_rate" in self._file.values and self._values["learning_rate"] != arguments[0]:
            remark = _("mlx_lm takes {rate} from lr_schedule").format(rate=arguments[0])
            self._leave("learning_rate", remark)
        self._set("train.learning_rate", arguments[0], "lr_schedule.arguments")
        self._set("train.warmup_steps", given.get("warmup") or 0, "lr_schedule.warmup")
        if given.get("warmup"):
            self._set("train.warmup_cap", 0.0, "lr_schedule.warmup")
        if given.get("warmup_init"):
            self._leave("lr_schedule.warmup_init", _("the warm-up begins at 0"))
        for name in given.keys() - {"name", "arguments", "warmup", "warmup_init"}:
            self._leave(f"lr_schedule.{name}", _("mlx_lm does not use it"))
        self._decay(str(given.get("name")), arguments)

    def _decay(self, name: str, arguments: list[Any]) -> None:
        if name == "cosine_decay" and len(arguments) in (2, 3):
            final, steps = (arguments[2] if len(arguments) == 3 else 0.0), arguments[1]
            schedule = "cosine"
        elif name == "linear_schedule" and len(arguments) == 3:
            final, steps = arguments[1], arguments[2]
            schedule = "constant" if final == arguments[0] else "linear"
        else:
            remark = _("{name} is not offered; the rate stays as it begins").format(name=name)
            self._leave("lr_schedule", remark)
            return
        self._set("train.schedule", schedule, "lr_schedule.name")
        if schedule != "constant":
            self._set("train.final_learning_rate", final, "lr_schedule.arguments")
            remark = _("it ends with the last step, not after {steps} updates")
            self._change("lr_schedule.arguments", remark.format(steps=steps))

    def _cadences(self) -> None:
        accumulation = self.made.profile.train.grad_accumulation
        for key, name in CADENCES.items():
            value = self._values[key]
            if accumulation > 1 and isinstance(value, int) and value > 0:
                steps = max(1, round(value / accumulation))
                if key in self._file.values:
                    remark = _("{n} micro-batches are {name} = {steps} steps")
                    self._change(key, remark.format(n=value, name=name, steps=steps))
                value = steps
            self._set(name, value, key)
            if key in self._file.values and name in AT_LEAST:
                self._set(AT_LEAST[name], 0, key)

    def _epochs(self) -> None:
        iters, train = self._values["iters"], self.made.profile.train
        if isinstance(iters, bool) or not isinstance(iters, int) or iters < 1:
            remark = _("must be a whole number from 1, not {value!r}").format(value=iters)
            self._fault("iters", remark)
            return
        folder = Path(os.path.expanduser(self.made.profile.data.path))
        rows = 0
        here = os.path.isdir(folder)  # which is false, not an error, for a name that is too long
        if here:
            rows = dataset.summarise(folder, names=self.made.profile.data).rows.get("train", 0)
        if os.path.isfile(folder):
            self._leave("data", foreign_rows.no_folder(folder))
        elif not here:
            remark = _("there is no folder {folder} here; train --data DIR gives another")
            self._leave("data", remark.format(folder=folder))
        if not rows:
            remark = _("how many rows there are is not known, train.epochs is left at {epochs}")
            self._leave("iters", remark.format(epochs=train.epochs))
            return
        passes = iters * train.batch_size / rows
        epochs = max(1, round(passes))
        self._set("train.epochs", epochs, "iters")
        self._change(
            "iters",
            _(
                "{iters} micro-batches of {size} are {passes:.2f} passes over {rows} rows: "
                "train.epochs = {epochs}"
            ).format(iters=iters, size=train.batch_size, passes=passes, rows=rows, epochs=epochs),
        )

    def _adapter(self) -> None:
        given = self._values["resume_adapter_file"]
        if given is None:
            return
        path = Path(str(given))
        if path.name == ADAPTERS:
            self._set("model.adapter", str(path.parent), "resume_adapter_file")
            remark = _("the run starts from the folder {folder}").format(folder=path.parent)
            self._change("resume_adapter_file", remark)
        else:
            self._leave(
                "resume_adapter_file",
                _(
                    "a run starts from a folder with adapters.safetensors and adapter_config.json: "
                    "copy the file into one under that name and set model.adapter"
                ),
            )

    def _others(self) -> None:
        """Tell of the keys that are left."""
        for key, value in self._file.values.items():
            if key in FORMER:
                now = FORMER[key]
                taken = now not in self._file.values
                said = _("read as {name}, which it is called now") if taken else _("{name} counts")
                (self._change if taken else self._leave)(key, said.format(name=now))
            elif key == "use_dora":
                if value and "fine_tune_type" not in self._file.values:
                    self._change(key, _("read as fine_tune_type: dora, which it is called now"))
                elif value:
                    self._leave(key, _("{name} counts").format(name="fine_tune_type"))
            elif key == "hf_dataset":
                self._hub(value)
            elif key in FEATURES:
                if self._file.values.get("hf_dataset"):  # whose blocks have their own
                    self._leave(key, _("mlx_lm does not use it"))
            elif key in NO_PLACE:
                if value not in (None, DEFAULTS.get(key)):
                    self._leave(key, NO_PLACE[key])
            elif key == "train" and not value:
                self._leave(key, _("a profile is for training"))
            elif key not in DEFAULTS:
                name = FORMER.get(key.replace("-", "_"), key.replace("-", "_"))
                near = difflib.get_close_matches(name, DEFAULTS, n=1)
                hint = " " + _("Did you mean {name}?").format(name=near[0]) if near else ""
                self._leave(key, _("mlx_lm.lora does not know it.") + hint)
        for key in self._file.twice:
            self._leave(key, _("it is given more than once; the last one counts"))

    def _hub(self, value: Any) -> None:
        """Say how the rows of a data set of the hub come here, under the names that are read."""
        blocks = [each for each in (value if isinstance(value, list) else [value]) if each]
        for number, block in enumerate(blocks):
            if not isinstance(block, dict) or not isinstance(block.get("path"), str):
                self._leave("hf_dataset", _("it names no data set: mlx_lm wants keys, with a path"))
                continue
            command = hub_rows.command(block, first=number == 0)
            self._leave("hf_dataset", f"{NO_PLACE['hf_dataset']}: {command}")

    # ---- what they share ----------------------------------------------------------------------

    def _mapping(self, key: str) -> dict[str, Any]:
        value = self._values[key]
        if isinstance(value, dict):
            return {str(name): each for name, each in value.items()}
        self._fault(key, _("must be keys with values"))
        return {}

    def _set(self, name: str, value: Any, key: str) -> None:
        try:
            parsed = setting(name).parse(value)
        except ValueError as error:
            self._fault(key, str(error))
            return
        self.made.profile = replace_setting(self.made.profile, name, parsed)

    def _line(self, key: str) -> int:
        while key and key not in self._file.lines:
            key = key.rpartition(".")[0]
        return self._file.lines.get(key, 0)

    def _fault(self, key: str, what: str) -> None:
        line = self._line(key)
        self.faults.append(f"{self._path}:{line}: {key} {what}" if line else f"{key} {what}")

    def _change(self, key: str, what: str) -> None:
        self.made.changed.append(Remark(key, what, self._line(key)))

    def _leave(self, key: str, what: str) -> None:
        self.made.left_out.append(Remark(key, what, self._line(key)))
