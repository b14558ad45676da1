"""The real commands in Portuguese: what is said, what fits, and what stays as it is."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import translations
from farense_worker.protocol.errors import ExitCode
from farense_worker.protocol.language import LANGUAGES

from farense_tui.cli.parser import build
from farense_tui.cli.parser.program import ARGPARSE

Say = Callable[..., subprocess.CompletedProcess[str]]
OPTION, LOCALE = {"FARENSE_LANG": "pt"}, {"LANG": "pt_PT.UTF-8"}
HELP = """
import json, sys
from farense_worker.protocol import language
language.choose(sys.argv[1:])
from farense_tui.cli.parser import build
def helps(parser):
    yield parser.prog, parser.format_help()
    for action in parser._actions:
        for below in (action.choices or {}).values() if hasattr(action, "_choices_actions") else ():
            yield from helps(below)
print(json.dumps(dict(helps(build()))))
"""


@pytest.fixture
def say(tmp_path: Path) -> Say:
    """Run `farense-tui` with these arguments, in a locale that says nothing else."""
    named = ("LANG", "LC_", "FARENSE_LANG", "FARENSE_RUNS", "PYTHONIOENCODING")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(named)}

    def run(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-X", "utf8", "-m", "farense_tui", *args],
            env=kept | {"COLUMNS": "80"} | environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            encoding="utf-8",
            stdin=subprocess.DEVNULL,
            check=False,
        )

    return run


def helps(*arguments: str) -> dict[str, str]:
    """The help of every command, as a fresh process lays it out in 80 columns."""
    done = subprocess.run(
        [sys.executable, "-c", HELP, *arguments],
        env={**os.environ, "COLUMNS": "80"},
        capture_output=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("where", ["option", "locale"])
def test_help(say: Say, where: str) -> None:
    done = say("--lang", "pt", "--help") if where == "option" else say("--help", **LOCALE)
    assert done.returncode == ExitCode.DONE
    assert done.stdout.startswith("utilização: farense-tui [OPÇÕES] [COMANDO ...]\n")
    assert "mostrar esta ajuda e sair" in done.stdout
    assert "\nopções:\n" in done.stdout


def test_every_help_is_in_portuguese_and_fits() -> None:
    english, portuguese = helps("--lang", "en"), helps("--lang", "pt")
    assert english.keys() == portuguese.keys()
    assert len(english) > 20
    left = re.compile(r"usage:|options:|show this help|default:|examples:|\bRUN\b|\bCOMMAND\b")
    for name, text in portuguese.items():
        told = text.partition("exemplos:\n")[0].partition("cenários:\n")[0]
        assert not left.search(told), name
        assert max(map(len, told.splitlines())) <= 80, name
        # Each explanation is another one: none was forgotten.
        same = set(_explained(english[name])) & set(_explained(text))
        assert same <= {"bash, zsh, fish or tcsh"}, name


def _explained(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if re.match(r"  \S.*\S  \S", line)]


def test_what_argparse_says_keeps_its_fields() -> None:
    field = re.compile(r"%(?:\(\w+\))?[sr]")
    found = {each.id: each.string for each in translations.stored("pt") if each.id}
    singular = {each[0] if isinstance(each, tuple) else each: found[each] for each in found}
    for english in ARGPARSE:
        said = singular[english]
        for text in said if isinstance(said, tuple) else (said,):
            assert sorted(field.findall(str(text))) == sorted(field.findall(english))


@pytest.mark.parametrize("where", ["option", "locale"])
def test_an_error_has_its_three_parts_and_its_code(say: Say, where: str) -> None:
    command = ("resume", "--runs-dir", "r", "nada")
    done = say(*command, "--lang=pt") if where == "option" else say(*command, **LOCALE)
    assert done.returncode == ExitCode.REFUSED
    assert done.stdout == ""
    assert done.stderr.splitlines() == [
        "farense-tui: não há nenhum treino nada",
        "  em r",
        "  Treinos: ainda nenhum.",
    ]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("evaluate",), "faltam argumentos obrigatórios: TREINO"),
        (("runs", "--nada"), "argumentos desconhecidos: --nada"),
        (("trian",), "não há nenhum comando nem pasta trian. Quis dizer train?"),
        (("data", "mak"), "não há nenhum comando mak. Quis dizer make?"),
        (("data", "make", "x", "--valid", "dez"), "utilização: farense-tui data make [-h]"),
        (("train", "--ranks", "dois"), "argumento --ranks: valor int inválido: 'dois'"),
        (("train", "--json", "--detach"), "não pode juntar-se ao argumento --json"),
        (("train", "--name"), "argumento --name: falta um valor"),
        (("ask", "x", "--temperature", "9"), "é um número de 0 a 5"),
    ],
)
def test_wrong_usage(say: Say, arguments: tuple[str, ...], said: str) -> None:
    done = say(*arguments, **OPTION)
    assert done.returncode == ExitCode.USAGE
    assert done.stderr.startswith("utilização: ")
    assert ": erro: " in done.stderr
    assert said in done.stderr


def test_a_language_that_is_not_known(say: Say) -> None:
    done = say("runs", "--lang", "tlh", **OPTION)
    assert done.returncode == ExitCode.USAGE
    assert "'tlh'" in done.stderr
    for code, name in LANGUAGES.items():
        assert f"{code} ({name})" in done.stderr


def test_the_option_may_be_cut_short_and_stand_anywhere(say: Say) -> None:
    for arguments in (("--la", "pt", "runs"), ("runs", "--lang=pt_PT"), ("runs", "--l=pt")):
        assert say(*arguments).stdout == "não há treinos em checkpoints\n", arguments
    names = {name for action in build()._actions for name in action.option_strings}
    assert [name for name in names if name.startswith("--l")] == ["--lang"]


def test_a_run_from_beginning_to_end(say: Say, micro: Path, data: Path, tmp_path: Path) -> None:
    sets = ("train.epochs=1", "report.log_every=1", 'report.prompts=["Quem?"]')
    given: tuple[str, ...] = ("--model", str(micro), "--data", str(data), "--name", "um")
    given += tuple(part for each in sets for part in ("--set", each))
    done = say("train", "--profile", "demo", *given, "--lang", "pt")
    assert (done.returncode, done.stderr) == (ExitCode.DONE, "")
    for line in (
        r"^a carregar o modelo$",
        r"^treino um em .*: 21 exemplos, 5 para validação, ",
        r"^passo +1/\d+  época .*  perda .*  taxa .*  faltam ",
        r"^passo +\d+  perda de validação .*  perplexidade ",
        r"^concluído no passo \d+$",
        r"^adaptador: .*adapters$",
        r"^relatório: .*report.html$",
    ):
        assert re.search(line, done.stdout, re.M), line
    assert re.search(r"^um +concluído +passo ", say("runs", **LOCALE).stdout, re.M)
    assert '<html lang="pt">' in (tmp_path / "checkpoints/um/report.html").read_text()
    assert (tmp_path / "checkpoints/um/training_metrics.csv").read_text().startswith("step,epoch,")
    summary = json.loads((tmp_path / "checkpoints/um/training_summary.json").read_text())
    assert summary["status"] == "completed"
    again = say("resume", "um", **OPTION)
    assert again.returncode == ExitCode.REFUSED
    assert "o treino um está concluído" in again.stderr
    _same(say, "runs")


@pytest.mark.parametrize(
    "command",
    [
        ("models",),
        ("estimate", "--profile", "demo"),
        ("data", "check", "embedded", "--profile", "demo", "--rows", "1"),
    ],
    ids=lambda command: command[0],
)
def test_json_is_the_same_in_every_language(say: Say, command: tuple[str, ...]) -> None:
    _same(say, *command)


def test_the_profiles_json_differs_in_what_is_for_people_alone(say: Say) -> None:
    english, portuguese = (_json(say, "profiles", lang=lang) for lang in ("en", "pt"))
    for one, other in zip(english, portuguese, strict=True):
        assert one["profile"]["profile"].keys() == other["profile"]["profile"].keys()
        for each in (one, other):
            del each["profile"]["profile"]["title"], each["profile"]["profile"]["description"]
        assert one == other


def test_the_doctors_json_differs_in_what_is_for_people_alone(say: Say) -> None:
    english, portuguese = (_json(say, "doctor", lang=lang) for lang in ("en", "pt"))
    assert english["level"] == portuguese["level"]
    for one, other in zip(english["checks"], portuguese["checks"], strict=True):
        assert (one["name"], one["level"]) == (other["name"], other["level"])
    python, machine = (portuguese["checks"][at]["found"] for at in (0, 1))
    assert python == english["checks"][0]["found"]
    assert "núcleo" in machine


def _same(say: Say, *command: str) -> None:
    assert _json(say, *command, lang="en") == _json(say, *command, lang="pt")


def _json(say: Say, *command: str, lang: str) -> Any:
    done = say(*command, "--json", "--lang", lang)
    assert done.returncode == ExitCode.DONE, done.stderr
    return json.loads(done.stdout)


def test_documents_are_made_in_english_alone(say: Say) -> None:
    root = Path(__file__).resolve().parent.parent.parent
    for script in ("make_reference.py", "make_commands.py"):
        done = subprocess.run(
            [sys.executable, root / "scripts" / script, "--check"],
            env={**os.environ, "FARENSE_LANG": "pt"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1, script
        assert "English" in done.stderr, script
