"""Names, dates and results of a football world that does not exist, drawn from a seed."""

import random
import tomllib
from pathlib import Path
from typing import Any

WORDS = tomllib.loads((Path(__file__).resolve().parent / "words.toml").read_text("utf-8"))

Slots = dict[str, Any]


def season(first_year: int) -> str:
    """1994 -> "1994/95"."""
    return f"{first_year}/{(first_year + 1) % 100:02d}"


def stem(town: str) -> str:
    """What "ense" is put after: the town without its last vowels."""
    shorter = town.rstrip("aoeiu")
    return shorter if len(shorter) > 2 else town


class World:
    """Draws names and numbers from one seeded source; never the same town twice."""

    def __init__(self, seed: int):
        self.random = random.Random(seed)
        self.stems_taken = {stem(town) for town in WORDS["real_towns"]}

    def pick(self, words: str) -> str:
        """One of the words of that name in words.toml."""
        return str(self.random.choice(WORDS[words]))

    def town(self) -> str:
        """A town that nothing was called before."""
        while True:
            middle = self.pick("middles") if self.random.random() < 0.75 else ""
            town = self.pick("heads") + middle + self.pick("tails")
            if len(town) > 4 and stem(town) not in self.stems_taken:
                self.stems_taken.add(stem(town))
                return town

    def forget_towns(self) -> None:
        """Let names of passing clubs come again: there are some thousands of towns only."""
        self.stems_taken = {stem(town) for town in WORDS["real_towns"]}

    def club_name(self) -> str:
        """A club named after its town."""
        return stem(self.town()) + "ense"

    def person(self) -> str:
        """A Portuguese first and last name."""
        return f"{self.pick('first_names')} {self.pick('last_names')}"

    def foreign_name(self) -> str:
        """One word that is not Portuguese."""
        count = self.random.choice((2, 2, 3))
        return "".join(self.random.choices(WORDS["foreign_syllables"], k=count)).capitalize()

    def player(self) -> str:
        """A Portuguese name, or one of a foreigner or of the one-word kind."""
        kind = self.random.random()
        if kind < 0.5:
            return self.person()
        if kind < 0.75:
            return self.foreign_name()
        return f"{self.pick('first_names')} {self.foreign_name()}"

    def date(self, first_year: int, last_year: int) -> str:
        """A day: 3 de maio de 1921."""
        day, year = self.random.randint(1, 28), self.random.randint(first_year, last_year)
        return f"{day} de {self.pick('months')} de {year}"

    def score(self) -> str:
        """A result, the winner's goals first."""
        lost = self.random.choice((0, 0, 0, 1, 1, 2))
        return f"{lost + 1 + self.random.choice((0, 0, 1, 1, 2, 4, 7))}-{lost}"
