"""From a folder with two tables and a PDF to an `openai` client's answer, without a network.

    python benchmarks/journeys/documents.py [--epochs 2] [--cast FILE] [--keep DIR]

Every step is the program's own command in a terminal, as somebody would type it: `data draft` of
the PDF, `data review` in the app by keys, `data make` of all three, `data check`, `train` with the
embedded model, `evaluate`, `serve`, and the `openai` package's answer beside `ask`'s. Each tells
its time; what does not come out as expected ends it. The embedded model writes no questions in the
form that a draft wants, so a server on the loopback stands for the one that does: it quotes the
passage. --cast writes the terminal as asciinema plays it.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from openai import OpenAI

from farense_tui.dataset.documents import draft
from farense_tui.engine.models.assets import embedded_data
from tests.dataset.documents.address import behind_an_address
from tests.dataset.documents.papers import FOUNDED, GROUND, pdf
from tests.pty.test_terminal import Terminal

QUESTION = "Quem foi Paco Fortes?"
COLUMNS, LINES = 120, 36  # of Terminal


def main() -> None:
    """Go all the way; SystemExit where a step fails."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--cast", type=Path, help="write the terminal to this file")
    parser.add_argument("--keep", type=Path, help="work in this folder and leave it")
    args = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "FARENSE_LANG": "en"}
    with tempfile.TemporaryDirectory() as made:
        place = (args.keep or Path(made)).resolve()
        place.mkdir(parents=True, exist_ok=True)
        journey = Journey(place, args.cast)
        journey.go(args.epochs)
        print(f"arrived: {sum(journey.seconds):.0f} s")


class Journey:
    """The steps, each in a terminal; `seconds` of each."""

    def __init__(self, place: Path, cast: Path | None) -> None:
        self._place = place
        self._cast = Cast(cast)
        self.seconds: list[float] = []

    def go(self, epochs: int) -> None:
        """Do all of it. SystemExit where a step does not end as it should."""
        write(self._place / "club")
        with behind_an_address() as address:
            said = self._do(f"data draft club/history.pdf --to draft --address {address} --name n")
            _expect("documents: 1", said)
        self._review()
        said = self._do("data make club/players.csv club/matches.csv draft --to rows")
        self._do("data check rows")
        assert (self._place / "rows" / "test.jsonl").is_file()
        said = self._do(
            f"train --profile demo --data rows --name club --set train.epochs={epochs} --yes"
        )
        _expect("completed", said)
        _expect("base model", self._do("evaluate club"))
        alone = self._do(f'ask club "{QUESTION}"').partition("[club]")[2].strip()
        answered = self._serve()
        print(f"    {QUESTION}\n    {answered}")
        if " ".join(alone.split()) != " ".join(answered.split()):
            raise SystemExit(f"ask says otherwise: {alone}")

    def _do(self, command: str) -> str:
        """Run a command to its end; what it printed, without the codes of a terminal."""
        with self._open(command) as terminal:
            code = terminal.end(1800)
        said = _plain(terminal.output)
        if code:
            raise SystemExit(f"{command}: exit code {code}\n{said[-3000:]}")
        return said

    def _review(self) -> None:
        """Keep, drop and keep by keys, in the app."""
        with self._open("data review draft") as terminal:
            terminal.wait_for(b"\x1b[?1049h")
            terminal.wait_for(b"Sporting?")
            for done, key in enumerate((b"\r", b"d", b"\r")):
                terminal.press(key)
                terminal.until(partial(self._decided, done + 1))
            terminal.press(b"\x1b")
            if code := terminal.end():
                raise SystemExit(f"review: exit code {code}")

    def _decided(self, wanted: int) -> bool:
        shown = draft.shown(self._place / "draft")
        return sum(each.state != "open" for each in shown) >= wanted

    def _serve(self) -> str:
        with self._open("serve club --port 0") as terminal:
            terminal.until(lambda: re.search(rb"http://127\.0\.0\.1:\d+/v1", terminal.output))
            address = re.search(rb"http://127\.0\.0\.1:\d+/v1", terminal.output)
            assert address
            client = OpenAI(base_url=address[0].decode(), api_key="none")
            said = client.chat.completions.create(
                model="club",
                messages=[{"role": "user", "content": QUESTION}],
                temperature=0,
                max_tokens=100,
            )
            terminal.process.send_signal(signal.SIGINT)
            if code := terminal.end():
                raise SystemExit(f"serve: exit code {code}")
        return str(said.choices[0].message.content)

    @contextmanager
    def _open(self, command: str) -> Iterator[Terminal]:
        began = time.monotonic()
        self._cast.say(f"\r\n$ farense-tui {command}\r\n".encode())
        words = re.findall(r'"[^"]*"|\S+', command)
        program = ["-m", "farense_tui", *(word.strip('"') for word in words)]
        terminal = Recorded(self._place / "checkpoints", self._place, *program)
        terminal.cast = self._cast
        try:
            yield terminal
        finally:
            terminal.close()
        self.seconds.append(time.monotonic() - began)
        print(f"{self.seconds[-1]:7.1f} s  farense-tui {command}", flush=True)


class Cast:
    """A terminal's output as asciinema plays it (asciicast v2), or nowhere."""

    def __init__(self, path: Path | None) -> None:
        self._file = path.open("w", encoding="utf-8") if path else None
        self._began = time.monotonic()
        if self._file:
            head = {"version": 2, "width": COLUMNS, "height": LINES}
            self._file.write(json.dumps(head) + "\n")

    def say(self, new: bytes) -> None:
        if self._file:
            at = round(time.monotonic() - self._began, 3)
            line = [at, "o", new.decode("utf-8", "replace")]
            self._file.write(json.dumps(line) + "\n")
            self._file.flush()


class Recorded(Terminal):
    cast: Cast

    def read(self, seconds: float = 0.1) -> bool:
        """Read what has come, and hand it to the recording."""
        before = len(self.output)
        more = super().read(seconds)
        if new := self.output[before:]:
            self.cast.say(new)
        return more


def write(folder: Path) -> None:
    """Write the folder that somebody has: two tables with headings of their own, and a PDF."""
    folder.mkdir(parents=True, exist_ok=True)
    with (embedded_data() / "train.jsonl").open(encoding="utf-8") as file:
        rows = [[each["content"] for each in json.loads(line)["messages"][-2:]] for line in file]
    half = len(rows) // 2
    for name, heads, some in (
        ("players.csv", ("pergunta", "resposta"), rows[:half]),
        ("matches.csv", ("Question", "Answer"), rows[half:]),
    ):
        with (folder / name).open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows([heads, *some])
    pdf(folder / "history.pdf", [FOUNDED, GROUND])


def _plain(output: bytes) -> str:
    text = output.decode("utf-8", "replace")
    return re.sub(r"\x1b\[[0-9;?<>=]*[A-Za-z]|\x1b[()].|\r", "", text)


def _expect(words: str, said: str) -> None:
    if words not in said:
        raise SystemExit(f"not said: {words}\n{said[-3000:]}")


if __name__ == "__main__":
    main()
