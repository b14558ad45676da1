"""What a model is asked about a passage, and how pairs are read out of what it says.

The words to the model are English, and it is told to keep to the passage's language: small models
follow English best.
"""

from __future__ import annotations

import re

from msgspec import Struct

from farense_tui.dataset.documents.passages import Passage

_MAKE = (
    # not translated: for the model
    "Read the passage. Write {count} questions that the passage answers. After each question, "
    "write its answer, using the words of the passage. Write in the language of the passage. Each "
    "question must make sense to someone who does not see the passage. Use this form and nothing "
    "else:\nQ: a question\nA: its answer\n\nPassage:\n{text}"
)
# not translated: for the model
_CHECK = """Passage:
{text}

Question: {question}
Answer: {answer}

Does the passage say that this is the answer? Reply with yes or no only."""
_LINE = re.compile(
    r"^[\W\d]*+(q|p|a|r|question|answer|pergunta|resposta)"
    r"\W{0,9}\d{0,9}\s{0,9}[:.)\-–]{1,9}\W{0,99}(.+)",  # bounds: each tries all lengths of each
    re.I,
)
_ASKS = ("q", "p", "question", "pergunta")
_YES = re.compile(r"^\W*(yes|sim|oui|ja|sí|si)\b", re.I)
TOKENS_EACH = 90  # of a question with its answer
CHECK_TOKENS = 4


class Pair(Struct, frozen=True):
    """A question with its answer. aside: why it is set aside, "" if it is not."""

    question: str
    answer: str
    aside: str = ""


def wanted(passage: Passage, count: int) -> str:
    """What makes questions."""
    return _MAKE.format(count=count, text=passage.text)


def asked_again(passage: Passage, pair: Pair) -> str:
    """What has the model look at a pair once more."""
    return _CHECK.format(text=passage.text, question=pair.question, answer=pair.answer)


def agreed(said: str) -> bool:
    """Whether the model found the answer in the passage."""
    return bool(_YES.match(said))


def read(said: str, most: int) -> list[Pair]:
    """Find the pairs in what a model said; an answer may go on over lines. Each question once."""
    pairs: list[tuple[str, list[str]]] = []
    for line in said.splitlines():
        found = _LINE.match(line)
        if found and found[1].casefold() in _ASKS:
            pairs.append((found[2].strip().strip("*").strip(), []))
        elif pairs and (text := (found[2] if found else line).strip().strip("*").strip()):
            pairs[-1][1].append(text)
    made: dict[str, Pair] = {}
    for question, answer in pairs:
        if answer and question:
            made.setdefault(question.casefold(), Pair(question, " ".join(answer)))
    return list(made.values())[:most]
