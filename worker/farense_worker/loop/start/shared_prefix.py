"""What rows begin with alike, computed once: whether this run does so, checked and told.

Two rows are computed both ways at the start (model/prefix_check.py); where the model does not give
the same, all is computed the plain way. When it pays: protocol/plan/prefix.py.
"""

from __future__ import annotations

from farense_worker.data import batching, shared_prefix
from farense_worker.data.examples import Examples
from farense_worker.data.shared_prefix import AT_ONCE, Shared
from farense_worker.loop.activations import Stored, Trunk
from farense_worker.loop.checks import Checks
from farense_worker.model import prefix_check
from farense_worker.model.loss import LabelLoss
from farense_worker.process.output import Output
from farense_worker.protocol.errors import refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages.events import Notice
from farense_worker.protocol.percent import percent
from farense_worker.protocol.plan import prefix, steps
from farense_worker.protocol.settings.profile import Config

_STEPS = 100  # that are looked at to say what is saved
_WORTH = 0.005  # share of the tokens that has to be saved


def find(config: Config, examples: dict[str, Examples]) -> dict[str, Shared]:
    """Find, by split, what rows begin with alike; a split that shares nothing is left out."""
    if config.train.shared_prefix == "off":
        return {}
    batch = {"train": max(1, config.effective_batch // config.run.ranks), "valid": AT_ONCE}
    found = {name: shared_prefix.find(each, batch[name]) for name, each in examples.items()}
    return {name: each for name, each in found.items() if len(each)}


def prepare(
    config: Config,
    label_loss: LabelLoss,
    examples: dict[str, Examples],
    found: dict[str, Shared],
    trunk: Trunk | None,
    budget: int,
    checks: Checks,
    output: Output,
) -> dict[str, Shared]:
    """Give, of what was found, what is computed once by the layers above the trunk.

    Raises FarenseError (refused) where the profile insists on what the model does not do.
    """
    if not found:
        return {}
    name, shared = next(iter(found.items()))
    stored = trunk.stored[name] if trunk else None
    if why := _unlike(config, label_loss, examples[name], shared, stored, checks):
        if config.train.shared_prefix == "on":
            hint = _("Set train.shared_prefix to auto, which does without where it must.")
            title = _("what the rows begin with alike cannot be computed once")
            raise refused(title, why, hint, kind="shared_prefix")
        _tell(output, _("what rows begin with alike is computed for each: {why}").format(why=why))
        return {}
    if "train" not in found:
        return found
    kept = {name: each for name, each in found.items() if name != "train"}
    if why := prefix.objection(config):
        _tell(output, _("what rows begin with alike is trained for each: {why}").format(why=why))
        return kept
    saved = _saved(config, examples["train"], found["train"], budget)
    if saved < _WORTH:
        return kept
    _tell(output, _saving(found["train"], len(examples["train"]), saved))
    return found


def _tell(output: Output, message: str) -> None:
    output.emit(Notice(level="info", code="shared_prefix", message=message))


def _saved(config: Config, examples: Examples, shared: Shared, budget: int) -> float:
    """Share of the tokens that need not go through the model."""
    batch, before, after = config.effective_batch, 0, 0
    for index in range(min(_STEPS, steps.per_epoch(len(examples), batch))):
        rows = steps.draw(steps.Position(0, index), len(examples), batch, config.train.seed)
        before += prefix.tokens(examples.lengths, batching.cut(examples, rows, budget))
        after += prefix.tokens(examples.lengths, batching.cut(examples, rows, budget, shared))
    return 1 - after / before


def _saving(shared: Shared, total: int, saved: float) -> str:
    """Say what rows have in common, and how much of the work that saves."""
    least, most = min(shared.lengths), max(shared.lengths)
    said = _(
        "{rows} of {total} rows begin with the same {tokens} tokens, which are computed once for "
        "those of a step: {share} less goes through the model"
    )
    if len(shared) > 1:
        said = _(
            "{rows} of {total} rows begin alike, in {groups} groups with {tokens} tokens, which "
            "are computed once for those of a step: {share} less goes through the model"
        )
    return said.format(
        rows=int((shared.of_row != prefix.NONE).sum()),
        total=total,
        groups=len(shared),
        tokens=f"{least}" if least == most else f"{least}-{most}",
        share=percent(saved),
    )


def _unlike(
    config: Config,
    label_loss: LabelLoss,
    examples: Examples,
    shared: Shared,
    stored: Stored | None,
    checks: Checks,
) -> str:
    """Compute two rows both ways, and say so if the model does not give the same; empty if so."""
    # All that is trained would be there twice, and what drops out is another thing each time.
    gradient = config.train.fine_tune_type != "full" and not config.lora.dropout
    rows, length = shared.longest(examples)
    length = prefix_check.part(label_loss.model, length)
    tokens = [examples.example(row) for row in rows]

    def agrees() -> bool:
        entering = stored.read(rows, length + prefix_check.AFTER) if stored else None
        return prefix_check.agrees(label_loss, tokens, length, entering, gradient=gradient)

    train, lora = config.train, config.lora
    way = [train.fine_tune_type, train.grad_checkpoint, lora.num_layers, sorted(lora.keys)]
    if checks.hold("prefix", [length, gradient, stored is not None, *way], agrees):
        return ""
    return _("this kind of model does not give the same result that way")
