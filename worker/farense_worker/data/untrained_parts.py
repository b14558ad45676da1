"""What stands in a row and is not trained on, whatever the model's chat template does with it.

A row has more keys than are read; most of them are ids and sources. Some are read by others, so
that their owner counts on them: a system prompt beside the messages, a message marked as no label.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from farense_worker.data.conversation import Remark
from farense_worker.data.row_text import answer_of
from farense_worker.protocol.dataset import Row
from farense_worker.protocol.language import gettext as _
from farense_worker.protocol.rows import chat_rows, padding
from farense_worker.protocol.settings.profile import Answers
from farense_worker.protocol.shapes import columns, verdicts
from farense_worker.protocol.shapes.columns import blank

_MOST_NAMED = 8
_BY_CHANCE = 16  # characters; what is shorter may stand in a text for another reason
# Of a row with messages, or with a prompt and its completion.
_ROW_KEYS = (
    "system",
    "system_prompt",
    "history",
    "context",
    "documents",
    "input",
    "functions",
    "chat_template_kwargs",
    "images",
    "rejected",
)
# All that is read of a row of each kind.
_READ = {
    "text": ("text",),
    "completion": ("prompt", "completion", "tools"),
    "chat": ("messages", "tools"),
}
# Names that answers to a text have, as those of data sets of classes, summaries, translations.
_ANSWERS_TO_TEXT = columns.names(
    "label,labels,labeltext,class,category,sentiment,emotion,intent,topic,summary,highlights,"
    "abstract,headline,title,translation,entities,targets,role,speaker,etiqueta,classe,categoria,"
    "sentimento,resumo,titulo,traducao"
)
# Of others nobody thinks that they are trained on.
_SAY_WHICH = columns.names(
    "id,idx,index,uuid,guid,uid,number,line,source,sources,origin,url,link,file,filename,path,"
    "dataset,subset,split,lang,language,date,time,timestamp,created,createdat,updatedat,author,"
    "license,model,metadata,meta,tokens,length,weight"
)
# What cells are that programs write for empty ones; some of these may be meant.
_EMPTY = ("nan", "nat", "null", "none", "<na>", "#n/a", "undefined")
# Names that others have for who asks and who answers.
_ANSWERS = ("ai", "bot", "chatbot", "gpt", "model")
_QUESTIONS = ("human", "instruction", "prompter")


def remarks(row: Row, mask_prompt: bool, answers: Answers) -> Iterator[Remark]:
    """Give what the owner of a row should know of it before any tokenizer looks at it."""
    counted_on = _counted_on(row)
    for key in counted_on:
        yield Remark("unread", _('the "{key}" of the row is not read').format(key=key))
    if row.values.get("weight", 1) in (0, False):
        yield Remark("unread", _('the "{key}" of the row is not read').format(key="weight"))
    if others := _others(row, counted_on):
        said = ", ".join(f'"{key[:80]}"' for key in others[:_MOST_NAMED])
        yield Remark("beside", said + (", ..." if len(others) > _MOST_NAMED else ""))
    if row.kind == "text":
        if blank(row.values["text"]):
            yield Remark("empty_answer", _("the text is nothing but white space"))
        return
    if label := verdicts.bad(row.values):
        what = _('its "{key}" is {value}, as of a bad answer, and it is trained on all the same')
        yield Remark("label", what.format(key=label[0], value=label[1]))
    if row.kind == "completion" and row.values["completion"][:1].isspace():
        yield Remark("spaced", _("its completion begins with a space"))
    written = row.values.get("messages") or ()
    for number, message in enumerate(written, 1):
        for key in (*_unread(message, chat_rows.UNREAD), *chat_rows.marks(message)):
            what = _('the "{key}" of message {number} ({role}) is not read')
            yield Remark("unread", what.format(key=key, number=number, role=message["role"]))
    messages, tools = row.conversation()
    yield from _roles(messages, row, mask_prompt and answers == "all")
    for number, message in enumerate(messages, 1):
        yield from _nulls(number, message, tools)
        empty = blank(message["content"]) and not message.get("tool_calls")
        if message["role"] == "assistant" and empty:
            what = _("message {number} (assistant) is empty")
            yield Remark("empty_answer", what.format(number=number))
        elif message["role"] == "assistant" and (unended := _unended(message)):
            yield Remark(unended[0], unended[1].format(number=number))
        elif message["role"] == "user" and empty:
            yield Remark("gap", _("message {number} (user) is empty").format(number=number))
        elif message["content"].strip().casefold() in _EMPTY:
            what = _("message {number} ({role}) is {said}, which programs write for an empty cell")
            role, word = message["role"], message["content"].strip()
            code = "empty_answer" if role == "assistant" else "gap"
            yield Remark(code, what.format(number=number, role=role, said=word))
        elif message["role"] == "assistant" and number > 1:
            asked = messages[number - 2]["content"]
            if asked.strip() and asked.strip() == message["content"].strip():
                what = _("message {number} (assistant) is the same as the one before it")
                yield Remark("echo", what.format(number=number))


def _unended(message: dict[str, Any]) -> tuple[str, str] | None:
    """Say it of an answer that is a thought alone, or one that is cut off in its thought."""
    said = message["content"]
    if said.count("<think>") > said.count("</think>"):
        return "open_thought", _("message {number} (assistant) begins a thought and never ends it")
    if "</think>" in said and blank(answer_of(message)) and not message.get("tool_calls"):
        return "empty_answer", _("message {number} (assistant) has a thought and no answer")
    return None


def _nulls(number: int, message: dict[str, Any], tools: Any) -> Iterator[Remark]:
    """Tell of arguments that a table may have filled in, where no tool says which it takes."""
    for call in message.get("tool_calls") or ():
        if found := padding.nulls(call, tools or ()):
            what = _("message {number} ({role}) calls with {keys} = null")
            keys = ", ".join(key[:80] for key in found[:_MOST_NAMED])
            yield Remark("gap", what.format(number=number, role=message["role"], keys=keys))


def _unread(values: dict[str, Any], keys: tuple[str, ...]) -> list[str]:
    return [key for key in keys if values.get(key)]


def _counted_on(row: Row) -> list[str]:
    """Name the keys that somebody counts on: what others train on, a second answer, a label."""
    known = columns.QUESTION | columns.ANSWER | columns.SYSTEM | columns.CONTEXT
    known |= _ANSWERS_TO_TEXT if row.kind == "text" else frozenset()
    found = _unread(row.values, _ROW_KEYS)
    found += [key for key in _left(row) if key not in found and columns.folded(key) in known]
    return [key for key in found if not _is_said(row, row.values[key])]


def _others(row: Row, but: list[str]) -> list[str]:
    """Name the other keys that nothing reads, but for those of numbers, places and dates."""
    return [
        key
        for key in _left(row)
        if key not in but
        and not key.casefold().endswith(("id", "index"))
        and columns.folded(key) not in _SAY_WHICH
        and not isinstance(row.values[key], bool)
        and not _is_said(row, row.values[key])
    ]


def _left(row: Row) -> list[str]:
    """Give the keys of a row that have a value and are not read."""
    read, none = _READ[row.kind], tuple[Any, ...]((None, "", [], {}))
    return [key for key, value in row.values.items() if key not in read and value not in none]


def _is_said(row: Row, value: Any) -> bool:
    """Whether a text stands in what is trained on too, which was made of it: whole, or as a line.

    A word may stand there by chance: `good`, of a label.
    """
    said = value.strip() if isinstance(value, str) else ""
    if not said:
        return isinstance(value, str)
    for text in row.strings:
        if said in text and (len(said) >= _BY_CHANCE or text.strip() == said):
            return True
        lines = (line.strip() for line in text.splitlines() if said in line)
        if any(line == said or line.endswith(f": {said}") for line in lines):
            return True
    return False


def _roles(messages: list[dict[str, Any]], row: Row, all_answers: bool) -> Iterator[Remark]:
    """Tell of answers that are no labels: before any question, or by another name."""
    roles = [message["role"] for message in messages]
    if all_answers and roles[0] == "assistant" and "assistant" in roles[1:]:
        if 0 not in row.unweighted:
            what = _("message 1 (assistant) is no label: no question comes before it")
            yield Remark("unasked", what)
    for number, role in enumerate(roles, 1):
        name = role.strip().casefold()
        if name in (*_ANSWERS, "assistant") and role != "assistant":
            what = _('message {number} ({role}) is no answer: the role of answers is "assistant"')
        elif name in (*_QUESTIONS, "user") and role != "user":
            what = _('message {number} ({role}) is no question: the role of questions is "user"')
        else:
            continue
        yield Remark("role", what.format(number=number, role=role))
