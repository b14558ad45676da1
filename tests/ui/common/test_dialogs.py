"""Dialogs in a terminal that is smaller than what they say: the keys are seen, the rest scrolls."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from farense_worker.protocol.errors import refused
from farense_worker.protocol.messages.evaluation import Report, Score
from farense_worker.protocol.run_folder import RunFolder

from farense_tui.ui.after.evaluation import EvaluationScreen
from farense_tui.ui.common.dialogs import Answer, AskDialog, Dialog, ErrorDialog
from farense_tui.ui.first_start.welcome import Welcome
from tests.ui.conftest import text_of
from tests.ui.runs.test_screen import Bare
from tests.ui.waiting import until

LINES = "\n".join(
    f"line {number} of what is wrong, as long as such lines are" for number in range(20)
)


async def _may() -> bool:
    return True


def _evaluated() -> EvaluationScreen:
    scores = tuple(
        Score(
            name=name,
            model="m",
            loss=1.0,
            perplexity=2.7,
            tokens=9,
            exact_match=0.5,
            token_f1=0.8,
            chrf=9.5,
        )
        for name in ("", "a-run-with-a-long-name")
    )
    report = Report(
        data="gone", split="test", time=1.0, max_tokens=9, scores=scores, rows=(), measured=300
    )
    return EvaluationScreen(RunFolder(Path("a-run-with-a-long-name")), report, _may)


def _webhook() -> Welcome:
    return Welcome(Path("runs"), Path("preferences"), "https://ntfy.example/x")


DIALOGS: dict[str, Callable[[], Dialog[Any]]] = {
    "welcome": _webhook,
    "error": lambda: ErrorDialog(refused("It cannot be read", LINES, "the last word")),
    "question": lambda: AskDialog("What?", f"{LINES}\nthe last word", [Answer("y", "yes")]),
    "evaluation": _evaluated,
}


@pytest.mark.parametrize("size", [(40, 12), (60, 16), (80, 24)], ids=str)
@pytest.mark.parametrize("name", DIALOGS)
async def test_the_keys_are_always_seen(name: str, size: tuple[int, int], runs_dir: Path) -> None:
    app = Bare(runs_dir)
    async with app.run_test(size=size) as pilot:
        dialog = DIALOGS[name]()
        app.push_screen(dialog)
        await until(pilot, lambda: dialog.is_mounted and dialog.query(".box"))
        box, keys = dialog.query_one(".box"), dialog.query_one(".keys, .answers")
        for key in ("", *["pagedown"] * 9):
            await pilot.press(*filter(None, [key]))
            await pilot.pause()
            assert box.content_region.contains_region(keys.region)
        if name in ("error", "question"):
            assert "the last word" in " ".join(text_of(dialog).split())


@pytest.mark.parametrize("width", [40, 60, 80, 120])
async def test_no_line_of_the_table_is_wrapped(width: int, runs_dir: Path) -> None:
    app = Bare(runs_dir)
    async with app.run_test(size=(width, 40)) as pilot:
        screen = _evaluated()
        app.push_screen(screen)
        await until(pilot, lambda: "chrF" in text_of(screen))
        lines = [line.split() for line in text_of(screen).splitlines()]
        beside = ["▌", "loss", "perplexity", "exact", "match", "token", "F1", "chrF", "▐"]
        on_its_side = [line for line in lines if "chrF" in line]
        assert len(on_its_side) == 1
        assert set(on_its_side[0]) >= ({"9.5"} if width < 100 else set(beside[1:-1]))


async def test_an_answer_that_has_no_room_goes_on_below_itself(runs_dir: Path) -> None:
    app = Bare(runs_dir)
    async with app.run_test(size=(40, 20)) as pilot:
        label = "kill it; a resume goes on from the newest checkpoint"
        dialog = AskDialog("What?", "Well?", [Answer("1", label)])
        app.push_screen(dialog)
        await until(pilot, lambda: dialog.is_mounted and "checkpoint" in text_of(dialog))
        lines = [line.strip("▌▐ ") for line in text_of(dialog).splitlines()]
        at = next(at for at, line in enumerate(lines) if line.startswith("1    kill it"))
        whole = text_of(dialog).splitlines()
        assert whole[at + 1].index(lines[at + 1][0]) == whole[at].index("kill")
