"""TOML from anybody: what would take minutes is refused at once, and nothing else is."""

from __future__ import annotations

import pytest
from farense_worker.protocol.errors import FarenseError
from farense_worker.protocol.settings import toml_text
from farense_worker.protocol.settings.fields import SETTINGS
from farense_worker.protocol.settings.profile_file import parse

DEEP = "a" + ".a" * 30_000


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (f"{DEEP} = 1", "a key has more than 32 parts"),
        (f"[{DEEP}]", "a key has more than 32 parts"),
        (f"[[ {DEEP} ]]", "a key has more than 32 parts"),
        ("x = {" + " . ".join(["'a'", '"b"'] * 100) + " = 1}", "a key has more than 32 parts"),
        ('# don\'t\n# """\n' + f'{DEEP} = 1\n# """', "a key has more than 32 parts"),
        ("x = 1 #" + "." * toml_text.MOST, "it has more than 262144 characters"),
        ("x = " + "[" * 100_000, "maximum recursion depth exceeded"),
        ("x = " + "9" * 5000, "Exceeds the limit"),
    ],
)
def test_what_would_take_minutes_is_refused(text: str, why: str) -> None:
    with pytest.raises(FarenseError) as caught:
        parse(text, "mine.toml")
    assert caught.value.title == "mine.toml is not TOML"
    assert why in caught.value.detail


@pytest.mark.parametrize("quote", ['"', "'", '"""', "'''"])
def test_dots_that_make_no_key_are_none(quote: str) -> None:
    assert toml_text.loads(f"x = {quote}{DEEP}{quote} # {DEEP}") == {"x": DEEP}


def test_a_word_without_an_end_is_looked_at_once() -> None:
    with pytest.raises(ValueError, match="Expected"):
        toml_text.loads("a" * 200_000)


def test_faults_without_end_are_counted_and_not_listed() -> None:
    with pytest.raises(FarenseError) as caught:
        parse("".join(f"[section{number}]\n" for number in range(10_000)), "mine.toml")
    assert caught.value.title == "mine.toml has 10000 faults"
    assert caught.value.detail.splitlines()[20:] == ["and 9980 more"]


def test_a_typed_value_that_is_nested_too_deeply_is_a_wrong_one() -> None:
    for text in ("[" * 50_000, "1\n" + DEEP):
        with pytest.raises(ValueError, match="must be"):
            SETTINGS["train"]["epochs"].parse_text(text)
