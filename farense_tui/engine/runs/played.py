"""Runs that are only played: scenarios of a simulated worker, and records of real runs."""

from __future__ import annotations

import os
import time
from pathlib import Path

from farense_worker.protocol import plain_file, simulation
from farense_worker.protocol.errors import FarenseError, refused
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.run_folder import RunFolder, disk_error
from farense_worker.protocol.settings.profile import (
    CheckpointSettings,
    Config,
    Data,
    Model,
    Report,
    Run,
    Train,
    replace_setting,
)
from farense_worker.protocol.settings.profile_file import dumps
from farense_worker.protocol.simulation import SCENARIOS, Simulation, check_speed

from farense_tui import __version__
from farense_tui.engine.record.tail import Tail


def prepare_scenario(scenario: str, speed: float, folder: Path, owner: int = 0) -> RunFolder:
    """Make a run folder in `folder` whose worker plays a scenario `speed` times as fast.

    owner: process with whose end the play ends and `folder` is removed. Raises FarenseError
    (refused) for a scenario or a speed that there is not.
    """
    if scenario not in SCENARIOS:
        raise refused(
            _("there is no scenario {name}").format(name=scenario),
            hint=_("There are {names}.").format(names=", ".join(SCENARIOS)),
        )
    now = time.time()
    played = Simulation(
        scenario=scenario, speed=check_speed(speed), since=now, origin=now, owner=owner
    )
    return _prepare(_config(f"demo-{scenario}", f"simulated x{speed:g}"), played, folder)


def prepare_replay(record: Path, speed: float, folder: Path, owner: int = 0) -> RunFolder:
    """Make a run folder in `folder` whose worker writes the events of `record` once more.

    record: an events.jsonl, or the run folder that has one. owner: as above. Raises FarenseError
    (refused) if there is nothing to play.
    """
    record = record / "events.jsonl" if record.is_dir() else record
    record = plain_file.resolved(Path(os.path.expanduser(record)))
    tail = Tail(record)
    first = next(iter(tail.read()), None)
    tail.check()
    if first is None:
        raise refused(
            _("there are no events in {path}").format(path=record),
            hint=_("A run's record is events.jsonl."),
        )
    name = RunFolder(record.parent).name[:80]
    try:
        config = RunFolder(record.parent).read_config()
    except FarenseError:  # the record alone is enough
        config = _config(name, "")
    played = Simulation(
        record=str(record),
        speed=check_speed(speed),
        since=time.time(),
        origin=first.time,
        owner=owner,
    )
    config = replace_setting(config, "run.name", f"replay-{name}-x{speed:g}")
    return _prepare(replace_setting(config, "run.ranks", 1), played, folder)


def _prepare(config: Config, played: Simulation, folder: Path) -> RunFolder:
    run = RunFolder(plain_file.resolved(folder) / config.run.name)
    try:
        run.path.mkdir(parents=True)
        simulation.write(run.path, played)
        run.config.write_text(dumps(config), encoding="utf-8")
    except FileExistsError as error:
        title = _("there is a run {name} already").format(name=run.name)
        raise refused(title, str(run.path)) from error
    except OSError as error:
        raise disk_error(error, run.path) from error
    return run


def _config(name: str, profile_name: str) -> Config:
    return Config(
        model=Model(repo="simulated"),
        data=Data(path="simulated"),
        train=Train(batch_size=4, grad_accumulation=2, warmup_steps=20),
        checkpoint=CheckpointSettings(every=50),
        report=Report(eval_every=50, log_every=10),
        run=Run(name=name, profile_name=profile_name, created=time.time(), app_version=__version__),
    )
