"""The field a question is typed into."""

from __future__ import annotations

from textual.app import App, ComposeResult
from textual.events import Paste

from farense_tui.ui.ask.question_field import QuestionField


class Bare(App[None]):
    def compose(self) -> ComposeResult:
        yield QuestionField()


async def test_a_pasted_question_keeps_all_its_lines() -> None:
    async with Bare().run_test() as pilot:
        field = pilot.app.query_one(QuestionField)
        await pilot.press(*"so ")
        field.post_message(Paste("who founded it,\r\n  and when?\n"))
        await pilot.pause()
        assert field.value == "so who founded it, and when?"
        assert "2 lines" in next(note.message for note in pilot.app._notifications)
