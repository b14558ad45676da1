"""The last answer as it follows the prompt that it is asked with.

Mostly the text of the whole conversation begins with the prompt. Some templates write a row
otherwise than they ask: a closed thought where the prompt opens one, a system message at another
place, nothing where the prompt has a word. The row that is trained is the prompt all the same, and
then what the model is to say: the thought's end, if one was opened, the answer, and its end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from farense_worker.data.row_text import answer_of
from farense_worker.model.chat_template import REASONING

Message = dict[str, Any]
Render = Callable[[Sequence[Message]], str]
_MARK = "zqmarkqz"  # that no template and no row has in it
_CLOSED = "\n</think>\n\n"  # as the models that think close a thought


def follows(
    render: Render, messages: Sequence[Message], prompt: str, whole: str
) -> tuple[str, str] | None:
    """Give what follows the prompt, and the code of what is to be told of it, if anything.

    messages: up to the answer. None where it cannot be told what of the row is the answer.
    """
    opened = prompt.rstrip().endswith("<think>")
    if whole.startswith(prompt):
        return _within(whole[len(prompt) :]) if opened else (whole[len(prompt) :], "")
    if thought := _closed_thought(render, messages, prompt):
        return thought, "closed_thought"
    if opened and (thought := _from_the_thought(render, messages, whole)):
        return thought, "parted"
    tail = _from_the_answer(render, messages, whole)
    if not tail:
        return None
    if opened:
        return _CLOSED + tail, "closed_thought"
    return tail, "parted"


def _within(answer: str) -> tuple[str, str]:
    """Give an answer that follows an opened thought as it ends that, and what is to be told."""
    if "</think>" not in answer:  # as Nemotron Nano 2: the template leaves it open for good
        return _CLOSED + answer, "closed_thought"
    begun = answer.lstrip()
    if begun.startswith("<think>"):  # the row's own, a second one
        return begun.removeprefix("<think>").lstrip("\n"), "parted"
    return answer, "closed_thought" if begun.startswith("</think>") else ""


def _closed_thought(render: Render, messages: Sequence[Message], prompt: str) -> str:
    """Give the answer as the end of a thought that the prompt opens, if the template writes it so.

    The template is given a thought, and what it writes after that is the end of it.
    """
    *before, last = messages
    if any(last.get(name) for name in REASONING) or "</think>" in last["content"]:
        return ""
    tagged = {**last, "content": f"<think>\n{_MARK}{_CLOSED}{last['content']}"}
    for thinking in ({**last, "reasoning_content": _MARK}, tagged):
        opened, mark, answer = render([*before, thinking]).partition(_MARK)
        if mark and opened == prompt:
            return answer
    return ""


def _from_the_thought(render: Render, messages: Sequence[Message], whole: str) -> str:
    """Give the row's text from the words of the answer's thought on, if it has one."""
    *before, last = messages
    inside, closed, _answer = last["content"].partition("</think>")
    inside = inside.rpartition("<think>")[2] if closed else ""
    thoughts = [(name, last[name]) for name in REASONING if last.get(name)]
    for name, thought in [*thoughts, ("content", inside)]:
        words = thought.strip()
        marked = last[name].replace(words, _MARK) if words else ""
        if _MARK in marked:
            _before, mark, end = render([*before, {**last, name: marked}]).rpartition(_MARK)
            if mark and whole.endswith(words + end) and "</think>" in words + end:
                return words + end
    return ""


def _from_the_answer(render: Render, messages: Sequence[Message], whole: str) -> str:
    """Give the row's text from the words of the answer on; empty where they are not at its end."""
    *before, last = messages
    words = answer_of(last)
    if not words.strip() or last.get("tool_calls"):
        return ""
    _before, mark, end = render([*before, {**last, "content": _MARK}]).rpartition(_MARK)
    for each in (words, words.strip()):
        if mark and whole.endswith(each + end):
            return each + end
    return ""
