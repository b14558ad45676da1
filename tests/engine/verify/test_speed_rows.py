"""Speed and the screen: what makes their figures worthless comes out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from farense_worker.protocol.errors import FarenseError

from farense_tui.engine.verify import arithmetic, figures, screen, speed, verify
from farense_tui.engine.verify.arithmetic import Size
from farense_tui.engine.verify.row import Row
from farense_tui.engine.verify.screen import Cost
from farense_tui.engine.verify.speed import Measured
from farense_tui.engine.verify.workshop import Workshop
from tests.waiting import until

RUN = Measured(1.0, 4.0, 3.0, 2.0, 1 << 20, 1 << 27, [(0.5, 2.0)], 50, 4000, 240)
SMALL = Size(bits=0, layers=2, hidden=128, rows=1, width=32)


@pytest.fixture
def workshop(micro: Path) -> Iterator[Workshop]:
    with Workshop(str(micro)) as made:
        yield made


@pytest.mark.parametrize(
    ("other", "verdict"),
    [
        (RUN, "holds"),
        (replace(RUN, tokens=4400, labels=264), "holds"),  # an end a row more
        (replace(RUN, steps=49), "fails"),
        (replace(RUN, steps=0), "fails"),
        (replace(RUN, tokens=4800), "fails"),
        (replace(RUN, tokens=0), "fails"),
        (replace(RUN, labels=480), "fails"),  # prompts not masked
        (replace(RUN, labels=0), "fails"),
    ],
)
def test_sides_that_do_not_train_the_same_come_out(other: Measured, verdict: str) -> None:
    for pair in ((RUN, other), (other, RUN)):
        assert figures.same_work([(RUN, RUN), pair]).verdict == verdict


def test_a_figure_is_of_both_sides_and_its_ratio_of_each_pair() -> None:
    slow = replace(RUN, training=4.0, first_step=2.0, peak=4 << 20)
    rows = {row.name: row.figures for row in figures._pairs([(RUN, slow), (slow, RUN)])}
    tokens = rows["tokens"]
    assert (tokens["lowest"], tokens["highest"]) == (0.5, 2.0)
    assert tokens["mlx_lm"] == tokens["ours"] == 1500
    assert (rows["first_step"]["lowest"], rows["peak"]["highest"]) == (0.5, 4.0)


def test_a_model_that_is_not_here_is_told_and_nothing_begun(workshop: Workshop) -> None:
    workshop.model = "owner/not-on-this-disk"
    (row,) = figures.rows(workshop, 1)
    assert row.verdict == "untried"
    assert not list(workshop.path.glob("pair-*"))


def test_a_side_that_breaks_off_fails_the_part(workshop: Workshop, micro: Path) -> None:
    empty = workshop.path / "nothing"
    empty.mkdir()
    task = speed.Task(micro, empty, examples=8)
    for side in (speed.ours, speed.theirs):
        place = workshop.path / side.__name__

        def part() -> Iterator[Row]:
            side(place, task)  # noqa: B023
            yield Row("g", "n", "c", "", "", "told")

        assert [row.verdict for row in verify._told("g", "n", part)] == ["fails"]


@pytest.mark.parametrize(
    ("cost", "verdict"),
    [
        (Cost(seconds=4.0, processor=0.2, memory=60 << 20, drawn=9000), "told"),
        (Cost(), "untried"),  # a run that was over before the first picture
        (Cost(seconds=1.0, processor=0.1, ended="the app ended with exit code 1"), "fails"),
        (Cost(ended="the app ended with exit code 1"), "fails"),
    ],
)
def test_a_screen_that_went_away_comes_out(cost: Cost, verdict: str) -> None:
    row = figures.screen_row(1.0, cost)
    assert row.verdict == verdict
    assert row.figures["share"] == pytest.approx(
        cost.processor / cost.seconds if cost.seconds else 0
    )
    assert verdict != "fails" or row.found == cost.ended


def test_the_screen_is_drawn_and_one_that_cannot_be_is_told(workshop: Workshop) -> None:
    folder = workshop.run("watched", train__epochs=10_000)
    workshop.launch(folder)
    until(lambda: '"type":"step"' in folder.events.read_text())
    with screen.watched(workshop, folder) as seen:
        until(lambda: seen.seconds > 0)
    assert not seen.ended
    assert seen.memory > 10 << 20
    assert 0 <= seen.processor <= 2 * seen.seconds

    nobody = type(folder)(folder.path.with_name("no-run"))
    with screen.watched(workshop, nobody) as unseen:
        process = workshop._started[-1]
        until(lambda: process.poll() is not None)
    assert "exit code" in unseen.ended
    assert figures.screen_row(1.0, unseen).verdict == "fails"


def test_the_arithmetic_of_a_step_is_what_its_matrices_take(workshop: Workshop) -> None:
    """By hand: 6 operations a weight and token, of what a token goes through."""
    model = arithmetic._made(workshop.path / "made", SMALL)
    found, seconds = arithmetic._measured(workshop, model, SMALL)
    layer = 4 * 128 * 128 + 3 * 128 * 384
    head = 512 * 128 / 2  # of the label positions
    by_hand = 4 * (SMALL.layers * layer + head) * 32  # forward, and back to the activations
    assert seconds > 0
    assert 0.8 * by_hand < found * seconds < 1.5 * by_hand


def test_a_model_that_cannot_be_made_or_trained_fails_the_part(workshop: Workshop) -> None:
    with pytest.raises(FarenseError, match="no model could be made"):
        arithmetic._made(workshop.path / "wrong", replace(SMALL, hidden=0))
    model = arithmetic._made(workshop.path / "made", SMALL)
    (model / "model.safetensors").write_bytes(b"")
    with pytest.raises(FarenseError):
        arithmetic._measured(workshop, model, SMALL)
