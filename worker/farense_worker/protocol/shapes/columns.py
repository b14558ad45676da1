"""Columns: what their names say they hold, and their values as text."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Any

from farense_worker.protocol.language import gettext as _


def names(listed: str) -> frozenset[str]:
    """Take names apart that stand between commas."""
    return frozenset(listed.split(","))


# Names as `folded` writes them, English and Portuguese.
QUESTION = names(
    "prompt,question,questions,query,instruction,input,user,human,request,problem,q,"
    "textinput,inputtext,userprompt,userinput,usermessage,questiontext,pergunta,perguntas,"
    "questao,instrucao,entrada,pedido,utilizador,usuario,problema"
)
ANSWER = names(
    "completion,answer,answers,response,responses,output,assistant,reply,target,"
    "outputtext,a,gpt,bot,solution,modeloutput,assistantresponse,assistantmessage,"
    "answertext,groundtruth,generation,resposta,respostas,saida,assistente,solucao"
)
SYSTEM = names("system,systemprompt,systemmessage,sistema")
CONTEXT = names("context,contexto,passage,passagem,excerto,article,artigo")
TEXT = names("text,texto,content,conteudo,document,documento,body,corpo")
# Words of pandas and Excel for an empty cell, where it was written as text.
_EMPTY = ("nan", "NaN", "<NA>", "#N/A")


class Unfit(Exception):
    """A row that cannot be made into one of ours; its text says why, `rule` in one word."""

    def __init__(self, why: str, rule: str = "row") -> None:
        """Say why."""
        super().__init__(why)
        self.rule = rule


def folded(name: str) -> str:
    """Write a column's name without case, accents and whatever is no letter or digit."""
    plain = unicodedata.normalize("NFKD", str(name).casefold())
    return "".join(char for char in plain if char.isalnum())


def named(columns: Iterable[str], known: frozenset[str]) -> list[str]:
    """Give the columns that have one of these names, in their order."""
    return [column for column in columns if folded(column) in known]


def blank(said: str) -> bool:
    """Whether nothing of a text can be seen: white space, and what has no width."""
    return all(char.isspace() or unicodedata.category(char) in ("Cf", "Cc") for char in said)


def text(value: Any) -> str:
    """Give a cell as text; "" for an empty one. Raises Unfit for what has no text of its own.

    A list gives its first item, as sets of questions do that keep several right answers.
    """
    if isinstance(value, str):
        return "" if value.strip() in _EMPTY else value
    if value is None or value == [] or value != value:  # NaN is what pandas calls empty
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict) and "text" in value:
        return text(value["text"])
    if isinstance(value, list):
        return text(value[0])
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")  # what is no text is found by the check
    if isinstance(value, dict):
        raise Unfit(_("a cell that is an object"))
    return str(value)
