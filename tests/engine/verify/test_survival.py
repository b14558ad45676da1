"""A run that is disturbed has to end as one that was not; and what does not is found."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from farense_tui.engine.verify import survival
from farense_tui.engine.verify.outcome import results
from farense_tui.engine.verify.survival import Reference
from farense_tui.engine.verify.workshop import Workshop


@pytest.fixture(scope="module")
def workshop(micro: Path) -> Iterator[Workshop]:
    with Workshop(str(micro)) as made:
        yield made


@pytest.fixture(scope="module")
def reference(workshop: Workshop) -> Reference:
    return survival.reference(workshop)


def test_two_runs_are_the_same(reference: Reference) -> None:
    assert reference.same
    assert reference.spread == 0.0


def test_killed_twice(workshop: Workshop, reference: Reference) -> None:
    row = survival.killed(workshop, reference, random.Random(3))
    assert (row.verdict, row.found) == ("holds", row.expected)


def test_stopped_in_the_last_step(workshop: Workshop, reference: Reference) -> None:
    assert survival.stopped_last(workshop, reference).verdict == "holds"


def test_a_full_disk(workshop: Workshop, reference: Reference) -> None:
    row = survival.full_disk(workshop, reference)
    assert row.verdict == "holds", row
    record = (workshop.runs / "full-disk" / "events.jsonl").read_text()
    assert '"code":"disk_full"' in record  # it was really refused


def test_a_resume_that_goes_elsewhere_comes_out(workshop: Workshop, reference: Reference) -> None:
    """The resumed run goes on with another rate."""
    folder = workshop.run("elsewhere")
    survival.kill(folder, 12, 0.0, workshop.launch)
    text = folder.config.read_text()
    assert "\nlearning_rate = 0.004" in text
    folder.config.write_text(text.replace("\nlearning_rate = 0.004", "\nlearning_rate = 0.003"))
    workshop.finish(folder)
    row = survival._compared("killed", "kill", folder, reference, "")
    assert row.verdict == "fails"
    assert "losses" in row.found
    assert row.figures["difference"] > 0


def test_a_changed_tensor_comes_out(reference: Reference, tmp_path: Path) -> None:
    """A single bit of the optimizer's state is another."""
    copy = tmp_path / "copy"
    shutil.copytree(reference.folder.path, copy)
    folder = replace(reference.folder, path=copy)
    assert results(folder) == reference.results
    file = folder.checkpoints()[-1].path / "optimizer.safetensors"
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(data)
    assert survival._compared("x", "x", folder, reference, "").found.endswith("optimizer")


def test_lost_events_come_out(workshop: Workshop, reference: Reference) -> None:
    """Where runs are not byte-equal, one with steps missing is not the same either."""
    folder = replace(reference.folder, path=workshop.path / "short")
    shutil.copytree(reference.folder.path, folder.path)
    lines = folder.events.read_text().splitlines()
    kept = [line for line in lines if json.loads(line).get("step") != 5]
    folder.events.write_text("\n".join(kept) + "\n")
    loose = replace(reference, same=False, spread=0.01)
    assert survival._compared("x", "x", reference.folder, loose, "").verdict == "holds"
    assert survival._compared("x", "x", folder, loose, "").verdict == "fails"


def test_nothing_is_left_behind(micro: Path) -> None:
    with Workshop(str(micro)) as made:
        folder = made.run("endless", train__epochs=10_000)
        worker = made.launch(folder)
        survival.wait_for(lambda: folder.events.exists(), worker)
    assert worker.poll() is not None
    assert not made.path.exists()
