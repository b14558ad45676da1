"""Setting the stage: data, model, adapter, optimizer, and what a checkpoint brings back."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import mlx.core as mx
import mlx.nn as nn
import msgspec
from mlx.utils import tree_flatten

from farense_worker.data import prepare
from farense_worker.data.prepare import Examples
from farense_worker.loop import checkpoint, checks, memory, optimizer, trunk_cache
from farense_worker.loop.checkpoint import TrainingState
from farense_worker.loop.checks import Checks
from farense_worker.loop.custody import Custody
from farense_worker.loop.distributed import Ranks
from farense_worker.loop.master_weights import where_needed
from farense_worker.loop.run import Run
from farense_worker.loop.shares import Shares
from farense_worker.loop.start import (
    handover,
    origin,
    planning,
    remarks,
    resume_check,
    shared_prefix,
)
from farense_worker.model import dropout, loss, model, split_forward, tokenizer, trainable
from farense_worker.model.chat_template import DAY
from farense_worker.model.split_forward import Anatomy
from farense_worker.process import restart, versions
from farense_worker.process.output import Output
from farense_worker.process.signals import Control
from farense_worker.protocol import model_identity
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages import events
from farense_worker.protocol.plan import adapter
from farense_worker.protocol.run_folder import RunFolder, write_atomically
from farense_worker.protocol.settings.contradictions import check
from farense_worker.protocol.settings.profile import Config, replace_setting
from farense_worker.protocol.settings.recipe import of, steerable


def set_up(
    folder: RunFolder,
    config: Config,
    output: Output,
    control: Control,
    custody: Custody,
    ranks: Ranks,
) -> Run:
    """Load everything, the cheapest to refuse first, and go back to the newest checkpoint."""
    check(config)
    memory.apply_limits(mx, config.memory)
    path = model.find(config.model, output)
    if ranks.first:
        origin.note(folder, config, path, output)

    output.enter("tokenizing")
    DAY.keep(config.run.created)
    load_tokenizer = functools.cache(lambda: tokenizer.load(path, config.model))
    train_set, valid_set, stops, left_out = prepare.load(config, path, load_tokenizer, output)
    if left_out and ranks.first:
        write_atomically(folder.path / prepare.LEFT_OUT, "\n".join(left_out) + "\n")

    # What it began with may be gone by the time it goes on: its checkpoints have all of it.
    begun = Path(config.model.adapter)
    gone = bool(config.model.adapter and folder.checkpoints() and not begun.exists())
    as_begun = replace_setting(config, "model.adapter", "") if gone else config
    network, size, adapter_config = load_network(as_begun, path, output)
    model.check_tokens(network, max(int(s.tokens.max()) for s in (train_set, valid_set) if s))
    model.check_positions(network, max(max(s.lengths) for s in (train_set, valid_set) if s))
    if ranks.first:
        adapter_config["model"] = named = origin.model_name(folder)
        if as_begun.model.adapter and (said := trainable.of_another_base(begun, named)):
            output.emit(said)
    if stops:
        adapter_config["eos_token_id"] = list(stops)  # for others: mlx_lm does not read it there
    at_once = functools.partial(planning.budget_of, config, path, train_set)
    planning.keep_buffers(config, path, train_set, at_once(False))
    fingerprint = model_identity.fingerprint(path)
    own = checks.of(config, path, fingerprint, network, output)
    parts = take_apart(network, train_set, own, output)
    stored = None
    examples = {"train": train_set} | ({"valid": valid_set} if valid_set else {})
    alike = shared_prefix.find(config, examples)
    if parts:
        planned = trunk_cache.plan(config, parts, examples, alike, fingerprint, folder.trunk)
        room = memory.room(mx, config.memory)
        planning.keep_buffers(config, path, train_set, at_once(False), frozen=True)
        stored = trunk_cache.prepare(config, parts, planned, room, at_once(False), own, output)
        planning.keep_buffers(config, path, train_set, at_once(False))
        output.enter("loading_model")
    model.read_weights(network, config.model)
    trained = network.trainable_parameters()
    chosen = where_needed(optimizer.make(config.train), trained)
    chosen.init(trained)

    run = Run(
        folder=folder,
        config=config,
        output=output,
        control=control,
        custody=custody,
        ranks=ranks,
        load_tokenizer=load_tokenizer,
        path=path,
        train=train_set,
        valid=valid_set,
        model=network,
        anatomy=parts,
        trunk=stored,
        shared=shared_prefix.prepare(
            config,
            loss.LabelLoss(network, parts, stored.start if stored else 0),
            examples,
            alike,
            stored,
            at_once(stored is not None),
            own,
            output,
        ),
        size=size,
        adapter_config=adapter_config,
        optimizer=chosen,
        state=TrainingState(
            data=train_set.digest(),
            valid=valid_set.digest() if valid_set else "",
            model=fingerprint,
            tokenizer=model_identity.tokenizer(path),
            recipe=of(config),
            random=checkpoint.random_key(),
        ),
        guard=memory.Guard(config.memory, memory.limit(mx, config.memory)),
        planned=at_once(stored is not None),
    )
    planning.tell(run)
    if lost := custody.lost():  # before what another worker writes is taken for what a kill left
        raise lost
    if ranks.first:
        weights = [value for _, value in tree_flatten(trained)]
        made = adapter.of(config, [each.shape for each in weights], weights[0].dtype.size)
        checkpoint.check_space(folder, made, config.checkpoint.keep)
    if not go_back(run) and gone:
        trainable.start_from(network, begun, config.lora, output)  # which says that it is gone
    if run.state.step == 0:
        for said in remarks.of(config, run.total_steps, validates=run.valid is not None):
            output.emit(said)
    return run


def load_network(
    config: Config, path: Path, output: Output
) -> tuple[nn.Module, model.Size, dict[str, Any]]:
    """Load the model, what is to be trained of it made so; its size and its adapter's settings."""
    output.enter("loading_model")
    network = model.load(path, config.model)
    model.tell_of_others(path, network, output)
    mx.random.seed(config.train.seed)  # the adapter's first weights
    adapter_config = trainable.make_trainable(network, config, output)
    if config.model.adapter:
        trainable.start_from(network, Path(config.model.adapter), config.lora, output)
    size = model.count(network)
    model.dequantise(network, memory.room(mx, config.memory))
    if config.train.grad_checkpoint or config.lora.dropout > 0:
        dropout.wrap_layers(network, checkpointing=config.train.grad_checkpoint)
    return network, size, adapter_config


def take_apart(
    network: nn.Module, examples: Examples, own: Checks, output: Output
) -> Anatomy | None:
    """Take the model apart, for a loss without all logits; None, with a notice, if it is unlike."""
    found, tokens = split_forward.find(network), examples.example(0).tolist() * 2
    if found and own.hold("head", [], lambda: split_forward.comes_apart(found, tokens)):
        return found
    output.emit(
        events.Notice(
            level="info",
            code="logits",
            message=_(
                "this kind of model does not come apart into layers and head: the loss "
                "computes the logits of all tokens, which takes more memory and time"
            ),
        )
    )
    return None


def go_back(run: Run) -> bool:
    """Go back to the newest sound checkpoint and say from where it goes on; whether there is one.

    Every reader of the record drops the steps after that one.
    """
    loaded, damaged, best_lost = None, list[str](), False
    if run.ranks.first:  # the others may not even have the folder
        checkpoint.clean_up(run.folder)
        loaded, damaged = checkpoint.newest(run.folder)
        if loaded is not None:
            best_lost = checkpoint.catch_up(run.folder, loaded.state, loaded.path)
    loaded = handover.hand_over(run.ranks, loaded, run.state)
    for what in damaged:
        run.output.emit(
            events.Notice(
                level="warning",
                code="checkpoint_damaged",
                message=_("a damaged checkpoint is passed over: {what}").format(what=what),
            )
        )
    if best_lost and loaded is not None:
        message = _(
            "adapters/ and the best checkpoint, of step {best}, are gone or damaged: the run's "
            "adapter is that of step {step} until a better one is found"
        ).format(best=loaded.state.best_step, step=loaded.state.step)
        run.output.emit(events.Notice(level="warning", code="best_lost", message=message))
    if loaded is not None:
        like = model_identity.fingerprint(run.path, loaded.state.model)
        now = msgspec.structs.replace(run.state, model=like)
        for notice in resume_check.compare(loaded.state, now):
            run.output.emit(notice)
        checkpoint.restore(run.model, run.optimizer, loaded)
        run.state = resume_check.updated(loaded.state, run.state)
        if run.state.finer and run.state.finer[:2] == (run.planned, run.guard.limit):
            run.budget = min(run.budget, run.state.finer[2])
    elif run.config.train.rollbacks:
        run.unsaved = True  # the first weights are saved too, to have something to go back to
    if restart.count():
        run.budget = max(run.least, min(run.budget, run.planned >> restart.count()))
    run.output.step = run.state.step
    # After the restoring: a compiled function keeps the arrays that it was made with.
    run.label_loss = loss.LabelLoss(run.model, run.anatomy, run.trunk.start if run.trunk else 0)
    alone = loss.loss_and_gradient(run.model, run.label_loss, compiled=False)
    behind = loss.behind_and_gradient(run.model, run.label_loss, compiled=False)
    if run.compiled:
        faster = loss.loss_and_gradient(run.model, run.label_loss, compiled=True)
        faster_behind = loss.behind_and_gradient(run.model, run.label_loss, compiled=True)
        alone = run.shapes.choose(faster, alone)
        behind = run.shapes.choose(faster_behind, behind)
    run.shares = Shares(run.label_loss, alone, behind)
    announce(run)
    return loaded is not None


def announce(run: Run) -> None:
    """Tell what is about to be trained, and after which step."""
    valid, trained = run.valid, _bytes(run.model.trainable_parameters())
    run.output.emit(
        events.RunStarted(
            protocol=events.PROTOCOL,
            run=run.folder.name,
            pid=versions.pid(),
            device=model.device(),
            versions=versions.versions(),
            trainable_parameters=run.size.trainable,
            total_parameters=run.size.total,
            total_steps=run.total_steps,
            resumed_from_step=run.state.step,
            train_examples=len(run.train),
            valid_examples=len(valid) if valid else 0,
            truncated_examples=run.train.truncated + (valid.truncated if valid else 0),
            weights_bytes=run.size.bytes,
            base_bytes=trunk_cache.nbytes(run.model) - trained,
            adapter_bytes=trained + _bytes(run.optimizer.state),
            memory_limit=memory.limit(mx, run.config.memory),
            ranks=run.ranks.size,
            settings=steerable(run.config),
        )
    )


def _bytes(arrays: Any) -> int:
    return sum(value.nbytes for _, value in tree_flatten(arrays))
