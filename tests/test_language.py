"""The user's language: what is shown is marked, what is marked is translated."""

from __future__ import annotations

import ast
import gettext
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import translations
from farense_worker.protocol import language

ROOT = Path(__file__).resolve().parent.parent

# Their descriptions of fields are for docs/protocol.md alone, which is in English.
FOR_THE_DOCS = (
    "worker/farense_worker/protocol/messages/events.py",
    "worker/farense_worker/protocol/messages/evaluation.py",
)

MARKED = {"_", "gettext", "ngettext", "pgettext", "mark"}
WORDS = re.compile(r"[A-Za-zÀ-ÿ]{2,},? [A-Za-zÀ-ÿ]{2,}")
TAG = re.compile(r"<[^<>]*>")
_STYLE = "bold|dim|italic|underline|strike|red|green|yellow|cyan|magenta|\\$[\\w-]+"
STYLE = re.compile(f"(?:{_STYLE})(?: (?:{_STYLE}))*$")
EXEMPT = "# not translated"


@pytest.mark.parametrize("name", [each for each in language.LANGUAGES if each != language.ENGLISH])
def test_every_marked_string_has_a_translation(name: str) -> None:
    found = list(translations.faults(translations.current(name), translations.stored(name)))
    assert found == []


BRAZILIAN = re.compile(
    r"\b(arquivos?|telas?|mouse|usuári[oa]s?|você|salvar?|deletar|excluir|registros?|planilhas?"
    r"|est(á|ão|ava|avam) (?!quando)\w+ndo|(carreg|trein|salv|calcul|transfer)[aei]ndo)\b",
    re.IGNORECASE,
)


def test_the_portuguese_is_european() -> None:
    strings = [text for each in translations.stored("pt") for text in translations.strings(each)]
    assert [text for text in strings if BRAZILIAN.search(text)] == []


PERCENT = Path("worker/farense_worker/protocol/percent.py")
AS_WRITTEN = {"farense_tui/dataset/readers/excel.py"}  # a cell of somebody's table


def test_percents_are_written_in_one_way() -> None:
    """`42%` in English, `42 %` in Portuguese; in figures by `percent` alone."""
    for name in set(_sources()) - {str(PERCENT), *AS_WRITTEN}:
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.findall(r".*(?:\{[^{}\n]*:[^{}\n]*%\}|\d %[^\w({]).*", text), name
    for path in ROOT.rglob("*.md"):
        if not set(path.relative_to(ROOT).parts) & {".venv", "node_modules", ".git"}:
            other = r".*\d%.*" if path.name.endswith(".pt.md") else r".*\d %.*"
            assert not re.findall(other, path.read_text(encoding="utf-8")), path
    for message in translations.stored("pt"):
        for text in translations.strings(message):
            assert not re.search(r"[\d}]%", text), text
        for text in [message.id] if isinstance(message.id, str) else message.id:
            assert not re.search(r"[\d}] %", text), text


def test_no_thousands_are_set_off_by_a_comma() -> None:
    """Who writes decimals with a comma reads `1,000 times` as one."""
    for name in _sources():
        text = (ROOT / name).read_text(encoding="utf-8")
        assert not re.findall(r"\{[\w.\[\]()]+:[<>^+ ]?\d*,[.\d]*[a-z]?\}", text), name


def _sources() -> list[str]:
    paths = [*ROOT.glob("farense_tui/**/*.py"), *ROOT.glob("worker/**/*.py")]
    return sorted(str(path.relative_to(ROOT)) for path in paths)


def _to_be_marked() -> list[str]:
    return [name for name in _sources() if not name.startswith(FOR_THE_DOCS)]


@pytest.mark.parametrize("name", _to_be_marked() or ["worker/farense_worker/protocol/language.py"])
def test_every_sentence_of_the_code_is_marked(name: str) -> None:
    source = (ROOT / name).read_text(encoding="utf-8")
    lines = source.splitlines()
    bare = [
        f"{name}:{line}: {text!r}"
        for line, text in _sentences(ast.parse(source))
        if EXEMPT not in lines[line - 1] and not lines[line - 2].lstrip().startswith(EXEMPT)
    ]
    assert bare == [], (
        f"mark with _() of farense_worker.protocol.language, or write {EXEMPT}: and why"
    )


def _sentences(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Text of two words and more that is neither marked nor a docstring."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Constant) and STYLE.match(str(node.value)):
            continue
        if isinstance(node, ast.Call) and _name(node.func) in MARKED:
            continue
        if isinstance(node, ast.Assign) and _name(node.targets[0]) == "DEFAULT_CSS":
            continue
        if isinstance(node, ast.keyword) and node.arg in ("classes", "examples"):
            continue
        if isinstance(node, ast.JoinedStr):
            text = "".join(
                str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values
            )
            if WORDS.search(TAG.sub("", text)):
                yield node.lineno, text
            else:
                for part in node.values:
                    yield from _sentences(part)
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            if WORDS.search(node.value):
                yield node.lineno, node.value
            continue
        yield from _sentences(node)


def _name(function: ast.expr) -> str:
    return function.id if isinstance(function, ast.Name) else ""


@pytest.mark.parametrize("name", _sources())
def test_every_marked_string_is_found(name: str) -> None:
    """Before Python 3.12 an f-string is one token, and babel sees nothing of what is in it."""
    for node in ast.walk(ast.parse((ROOT / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            calls = [each for each in ast.walk(node) if isinstance(each, ast.Call)]
            literal = [
                each for each in calls if each.args and isinstance(each.args[0], ast.Constant)
            ]
            assert not [each.lineno for each in literal if _name(each.func) in MARKED]


@pytest.mark.parametrize("name", _sources())
def test_what_is_thrown_away_does_not_hide_the_function(name: str) -> None:
    tree = ast.parse((ROOT / name).read_text(encoding="utf-8"))
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            names = [node for node in ast.walk(function) if isinstance(node, ast.Name)]
            stored = any(each.id == "_" and isinstance(each.ctx, ast.Store) for each in names)
            called = any(each.id == "_" and isinstance(each.ctx, ast.Load) for each in names)
            assert not (stored and called), f"{name}: {function.name}"


@pytest.mark.parametrize(
    ("given", "meant"),
    [("pt", "pt"), ("pt_PT.UTF-8", "pt"), ("pt-BR", "pt"), ("C.UTF-8", "en"), ("tlh", None)],
)
def test_a_locale_names_a_language(given: str, meant: str | None) -> None:
    assert language.known(given) == meant


def _said(text: str, *arguments: str, **environment: str) -> str:
    """What a fresh process says for `text`."""
    program = (
        "import sys; from farense_worker.protocol import language; language.choose(sys.argv[2:]);"
        "print(language.gettext(sys.argv[1]))"
    )
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LANG", "LC_", "FARENSE_"))}
    found = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", program, text, *arguments],
        env=kept | environment,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
        cwd=ROOT,
    )
    return found.stdout.removesuffix("\n")


def test_the_option_is_before_the_variable_is_before_the_locale() -> None:
    catalogue = translations.stored("pt")
    english, portuguese = next(
        (each.id, each.string)
        for each in catalogue
        if each.id and isinstance(each.id, str) and not each.context and each.id != each.string
    )
    assert _said(english) == english
    assert _said(english, LANG="pt_PT.UTF-8") == portuguese
    assert _said(english, LC_ALL="en_GB.UTF-8", LANG="pt_PT.UTF-8") == english
    assert _said(english, LANG="pt_PT.UTF-8", FARENSE_LANG="en") == english
    assert _said(english, "--lang", "pt", FARENSE_LANG="en") == portuguese
    assert _said(english, "train", "--lang=en", LANG="pt_PT.UTF-8") == english


@pytest.mark.parametrize("name", [each for each in language.LANGUAGES if each != language.ENGLISH])
def test_what_is_compiled_is_what_is_written(name: str) -> None:
    compiled = gettext.translation(language.DOMAIN, language.FOLDER, [name])
    stale = [
        message.id
        for message in translations.stored(name)
        if isinstance(message.id, str) and message.id and not message.context
        if compiled.gettext(message.id) != message.string
    ]
    assert stale == [], "run: make translations"
