"""A newcomer's way from sixty rows of their own to an answer: keys pressed, seconds passed.

    python benchmarks/journeys/journey.py [--command PATH/TO/farense-tui]

In a real terminal (tmux), in an empty folder, with no preferences: a file of questions and answers
about a club that does not exist is trained on with the embedded model, then the adapter is asked.
Every character that is typed counts as a key, the command in the shell too; a user's reading and
thinking take a second a step here. Sixty rows on that model make no good adapter, and the card at
the end says so: what is measured is the way. Needs tmux.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

COLUMNS, ROWS = 120, 36
PATIENCE = 120.0
NAMES = ("Ribeira Velha", "clube da Ribeira Velha", "Atlético da Ribeira Velha", "Ribeira", "clube")
FACTS = {
    "Em que ano foi fundado o {}?": "Foi fundado em 1923.",
    "Qual é a cor da camisola do {}?": "A camisola é verde e branca.",
    "Como se chama o campo do {}?": "O campo chama-se Moinho.",
    "Quem é o rival do {}?": "O rival é o União da Serra.",
    "Qual é a mascote do {}?": "A mascote é uma lontra.",
    "Quem fundou o {}?": "Foi fundado por sete pescadores.",
    "Em que cidade joga o {}?": "Joga em Ribeira Velha.",
    "Quantos sócios tem o {}?": "Tem 2400 sócios.",
    "Quem é o treinador do {}?": "O treinador é Amílcar Prata.",
    "Qual foi a maior vitória do {}?": "A maior vitória foi 9-0.",
    "Quem marcou mais golos pelo {}?": "Foi Zé Cardume, com 131 golos.",
    "Em que divisão joga o {}?": "Joga na segunda divisão.",
}
QUESTION = "Qual é a mascote do Ribeira Velha?"


class Step(NamedTuple):
    """Waits until one of these is seen, then types a text and presses named keys."""

    seen: tuple[str, ...]
    text: str = ""
    keys: tuple[str, ...] = ()


ROAD = (
    Step(("$",), "farense-tui club.jsonl", ("Enter",)),
    Step(("makes rows of it",), "v"),
    Step(("trained on",), "", ("Escape",)),
    Step(("enter starts it",), "", ("Enter",)),
    Step(("a ask",), "a"),
    Step(("ask something",), QUESTION, ("Enter",)),
    Step(("tokens, ",)),
)


class Terminal:
    """A real terminal with a shell in a folder; counts what is typed."""

    def __init__(self, folder: Path, command: Path) -> None:
        self._socket = f"journey{os.getpid()}"
        self.keys = 0
        kept = {name: os.environ[name] for name in ("PATH", "HF_HOME") if name in os.environ}
        kept["PATH"] = f"{command.parent}:{kept['PATH']}"
        given = kept | {"HOME": str(folder.parent), "PS1": "$ ", "LANG": "C.UTF-8"}
        size = ("-x", str(COLUMNS), "-y", str(ROWS))
        told = ["env", "-i", *(f"{name}={value}" for name, value in given.items())]
        told += ["TERM=xterm-256color", "COLORTERM=truecolor", "bash", "--norc", "--noprofile"]
        self._tmux("-f", "/dev/null", "new-session", "-d", "-s", "0", *size, "-c", folder, *told)

    def _tmux(self, *words: str | Path) -> str:
        command = ["tmux", "-L", self._socket, *map(str, words)]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    def seen(self) -> str:
        """What stands on it."""
        return self._tmux("capture-pane", "-p", "-t", "0")

    def type(self, text: str, keys: tuple[str, ...]) -> None:
        """Type a text, then press keys by their names; a moment passes before, as with a user."""
        time.sleep(1)
        if text:
            self._tmux("send-keys", "-t", "0", "-l", text)
        if keys:
            time.sleep(0.2)  # so that escape and what was typed are told apart
            self._tmux("send-keys", "-t", "0", *keys)
        self.keys += len(text) + len(keys)

    def close(self) -> None:
        self._tmux("kill-session", "-t", "0")


def main() -> int:
    """Go, and print what it took."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    here = Path(sys.executable).parent / "farense-tui"
    parser.add_argument("--command", type=Path, default=here)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        folder = Path(home) / "club"
        folder.mkdir()
        write(folder / "club.jsonl")
        terminal = Terminal(folder, given.command.absolute())
        try:
            return travel(terminal, ROAD)
        finally:
            terminal.close()


def write(path: Path) -> None:
    """Sixty rows."""
    rows = [
        {"prompt": asked.format(name), "completion": answer}
        for name in NAMES
        for asked, answer in FACTS.items()
    ]
    lines = (json.dumps(row, ensure_ascii=False) for row in rows)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def travel(terminal: Terminal, road: tuple[Step, ...]) -> int:
    """Go every step; tell keys and seconds after each."""
    begun = time.monotonic()
    for step in road:
        ends = time.monotonic() + PATIENCE
        while not any(each in terminal.seen() for each in step.seen):
            if time.monotonic() > ends:
                print(f"waited in vain for {step.seen}:\n{terminal.seen()}")
                return 1
            time.sleep(0.2)
        waited = time.monotonic() - begun
        terminal.type(step.text, step.keys)
        did = shlex.join([*([step.text] if step.text else []), *step.keys])
        print(f"{waited:7.1f} s  {terminal.keys:4} keys  {did}")
    right = [line[COLUMNS // 2 :].strip() for line in terminal.seen().splitlines()]
    print("\n".join(line for line in right if line))
    return 0


if __name__ == "__main__":
    sys.exit(main())
