"""Between the steps: saving the run, waiting with it, seeing that its folder is still its own."""

from __future__ import annotations

import time

import msgspec
from mlx.utils import tree_flatten

from farense_worker.loop import checkpoint, shortage
from farense_worker.loop.run import Run
from farense_worker.protocol import checkpoint_files
from farense_worker.protocol.errors import in_words
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.messages import events
from farense_worker.protocol.run_folder import RunFolder, disk_error

_PAUSE_POLL = 0.1


def save(run: Run, improved: bool) -> None:
    """Write a checkpoint; on a full disk wait for space, because nothing must be lost."""
    run.unsaved, run.saved_at = False, run.worked()
    run.control.saved()
    if not run.ranks.first:
        return
    run.output.enter("saving")
    began = run.worked()
    finer = None
    if run.budget < run.planned:
        finer = (run.planned, run.guard.limit, run.budget)
    run.state = msgspec.structs.replace(run.state, random=checkpoint.random_key(), finer=finer)
    adapters = dict(tree_flatten(run.model.trainable_parameters()))
    told = False
    while True:
        place = run.custody.whereabouts()
        try:
            with run.custody.home() as folder:
                if folder is None:
                    return
                path, size = checkpoint.save(
                    folder, run.state, adapters, run.optimizer.state, run.adapter_config
                )
                # Until a validation has found the best one, the newest adapter is the run's.
                if improved or (run.state.best_loss is None and run.state.step > 0):
                    checkpoint.publish(folder, path)
                _prune(run, folder)
            break
        except OSError as error:
            if run.custody.whereabouts() != place:  # moved or deleted in the middle of it
                continue
            shortage.wait_for_disk(run, disk_error(error, run.folder.path), told=told)
            told = True
    run.output.emit(
        events.Checkpoint(
            step=run.state.step,
            path=path.name,
            bytes=size,
            seconds=run.worked() - began,
            best=improved,
        )
    )


def _prune(run: Run, folder: RunFolder) -> None:
    """Delete the checkpoints that are too many; one that cannot be deleted ends no training."""
    try:
        keep, state = run.config.checkpoint.keep, run.state
        checkpoint_files.prune(folder.path, keep, state.best_step, state.step)
    except FileNotFoundError:  # the folder has moved: looked after at the next step
        return
    except OSError as error:
        message = _("an old checkpoint cannot be deleted, and stays: {why}")
        why = in_words(error)
        run.output.emit(
            events.Notice(level="warning", code="checkpoint_kept", message=message.format(why=why))
        )


def late(run: Run) -> bool:
    """Whether the newest checkpoint is older than the settings allow."""
    minutes = run.config.checkpoint.minutes
    return run.unsaved and 0 < minutes * 60 < run.worked() - run.saved_at


def pause(run: Run) -> None:
    """Wait until the run is told to go on or to stop; checkpoints are written meanwhile.

    Only the first rank gets signals. The others ask it as often as it asks itself: MLX's ring
    would keep a core busy with a message that waits to be received.
    """
    control = run.control
    began = time.perf_counter()
    run.output.enter("paused")
    while run.ranks.add(control.asked.pause and not control.asked.stop)[0]:
        if control.asked.save:
            save(run, improved=False)
            run.output.enter("paused")
        look_after(run)
        if run.short:  # none of the ranks would wait for ever
            control.asked.pause = False
        time.sleep(_PAUSE_POLL)
    control.resume()
    control.agree(run.ranks.add)
    run.waited += time.perf_counter() - began


def look_after(run: Run) -> None:
    """See to it that the run ends where its folder, lock or record is not its own any more."""
    run.short = run.short or run.custody.lost()
