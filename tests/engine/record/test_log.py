"""What of a record becomes a line of the log, and that nothing in it can command a terminal."""

from __future__ import annotations

import unicodedata

from farense_worker.protocol.clean_text import clean, clean_lines, written_lines
from farense_worker.protocol.messages import events
from farense_worker.protocol.messages.events import PhaseName
from hypothesis import given
from hypothesis import strategies as st

from farense_tui.engine.record.log import Journal
from tests.events import step


def phase(name: PhaseName) -> events.Phase:
    return events.Phase(name=name)


def texts(journal: Journal) -> list[str]:
    return [entry.text for entry in journal.publish()]


def test_every_tenth_step_has_a_line() -> None:
    journal = Journal(log_every=10)
    for number in range(1, 31):
        journal.add(step(number))
    assert texts(journal) == [
        f"step     {n}  loss {1 / n:.4f}  lr 0.0001  50 tok/s" for n in (10, 20, 30)
    ]


def test_phases_that_leave_a_line_of_their_own_have_none() -> None:
    journal = Journal()
    names: list[PhaseName] = ["starting", "training", "validating", "paused", "training", "saving"]
    for name in names:
        journal.add(phase(name))
    assert texts(journal) == ["starting", "paused", "continued"]


def test_it_keeps_the_newest_and_goes_on_counting() -> None:
    journal = Journal(log_every=1)
    for number in range(1, 1501):
        journal.add(step(number))
    entries = journal.publish()
    assert (len(entries), entries[-1].number) == (1000, 1500)


def test_it_gives_the_same_for_as_long_as_nothing_came() -> None:
    journal = Journal()
    journal.add(phase("starting"))
    assert journal.publish() is journal.publish()


def test_a_sample_is_one_line() -> None:
    journal = Journal()
    journal.add(events.Sample(step=1, prompt="Quem\né?", text="O\tFarense.\x1b[2J"))
    assert texts(journal) == ["Quem é? → O Farense.�[2J"]


def test_written_lines_keep_their_spaces() -> None:
    code = "def f():\r\n\treturn  1\n    # \x1b[31m"
    assert written_lines(code) == ["def f():", "\treturn  1", "    # \N{REPLACEMENT CHARACTER}[31m"]


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_clean_text_has_no_command_in_it_and_can_be_written(text: str) -> None:
    done = clean(text)
    assert not {unicodedata.category(char) for char in done} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    done.encode()


def test_clean_lines_keeps_the_lines() -> None:
    assert clean_lines("a\x07\nb  c\n") == ["a�", "b c"]
