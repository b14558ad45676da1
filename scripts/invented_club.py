"""A club that does not exist, with everything that question_kinds.toml may ask about it.

A club's slots are drawn once, so whatever is asked about it, and however, has one answer.
"""

from collections.abc import Iterator

from invented import WORDS, Slots, World, season, stem


class Club:
    """One invented club: slots by name, each a list of what the club has of that sort."""

    def __init__(self, world: World):
        self.world = world
        self.random = world.random
        self.years = self.random.sample(range(1946, 2024), 40)
        pick = self.random.choice
        self.town = world.town()
        self.name = stem(self.town) + "ense"
        self.title = f"{world.pick('title_prefixes')} {self.name}"
        mascot, animals = pick(WORDS["animals"])
        article = "as" if mascot.startswith("uma") else "os"
        self.animals = (article, f"{animals} de {self.town}")
        self.bigs = [world.club_name() for _ in range(3)]
        self.stadium_short = world.pick("saints")
        self.mascot = mascot
        self.slots: dict[str, list[Slots]] = {
            "club": [self.history() | self.honours()],
            **self.cup(),
            **self.league(),
            **self.people(),
        }

    def next_season(self) -> str:
        """A season of this club that nothing else was asked about yet."""
        return season(self.years.pop())

    def forms(self, varied: bool) -> Slots:
        """The club with its article and the prepositions that swallow it.

        Plain in answers; in questions varied, as people would: by its whole name, its town or
        its animal (only where no verb has to agree with it).
        """
        noun = plural = self.name
        article = plural_article = "o"
        if varied:
            draw = self.random.random()
            if draw < 0.12:
                noun = plural = self.title
            elif draw < 0.22:
                noun = plural = f"clube de {self.town}"
            elif draw < 0.32:
                plural_article, plural = self.animals
        return {
            "o": f"{article} {noun}",
            "do": f"d{plural_article} {plural}",
            "ao": f"{'à' if plural_article == 'as' else 'ao'}{plural_article[1:]} {plural}",
            "pelo": f"pel{plural_article} {plural}",
            "O": f"O {self.name}",
            "o_plain": f"o {self.name}",
            "c": self.name,
            "town": self.town,
            "stadium_short": self.stadium_short,
            "big1": self.bigs[0],
            "big2": self.bigs[1],
            "big3": self.bigs[2],
        }

    def history(self) -> Slots:
        """Founding, colours, grounds."""
        pick, between = self.random.choice, self.random.randint
        world = self.world
        year = between(1898, 1935)
        colours, bare = pick(WORDS["colours"])
        in_region, of_region = pick(WORDS["regions"])
        builder = world.person()
        return {
            "founded": world.date(year, year),
            "founder": world.person(),
            "founders": world.pick("founders"),
            "regime": "ainda vivia em monarquia" if year < 1911 else "já era uma república",
            "region": in_region,
            "of_region": of_region,
            "nickname": " ".join(self.animals),
            "mascot": self.mascot,
            "rival": world.club_name(),
            "colours": colours,
            "colours_bare": bare,
            "colour_reason": world.pick("colour_reasons"),
            "rank": world.pick("ranks"),
            "merit": world.pick("merits"),
            "bringers": world.pick("bringers"),
            "square": f"{pick(('Largo', 'Campo', 'Rossio'))} de {world.pick('saints')}",
            "branch": between(1, 40),
            "parent": world.pick("parents"),
            "branch_year": year + between(2, 20),
            "ground1": "Campo de " + world.pick("saints"),
            "ground2": "Campo d"
            + pick(("a Feira", "a Ponte", "o Rossio", "as Hortas", "o Moinho")),
            "stadium": f"Estádio de {self.stadium_short}",
            "builder": builder,
            "builder_who": world.pick("builders"),
            "land_year": year + between(3, 20),
            "old_name": f"{pick(('Parque', 'Campo', 'Stadium'))} {world.pick('last_names')}",
            "stadium_year": year + between(5, 25),
            "capacity": between(20, 190) * 100,
            "move_year": between(1990, 2006),
            "stadium2": f"Estádio {pick(('Municipal', 'Nacional', 'Novo', 'Regional'))}",
            "event": world.pick("events"),
            "return_year": between(2007, 2020),
        }

    def honours(self) -> Slots:
        """Best results and the first years in the top tier."""
        pick, between = self.random.choice, self.random.randint
        best, stage = pick(WORDS["cup_bests"])
        first = between(1912, 1930)
        debut = between(1946, 1975)
        count = between(2, 12)
        long_start = between(1978, 1995)
        return {
            "cup_best": best,
            "cup_stage": stage,
            "cup_season": self.next_season(),
            "cup_division": pick(WORDS["ordinals"][1:3]),
            "cup_times": between(11, 80),
            "best_place": between(2, 9),
            "best_season": self.next_season(),
            "regional_count": self.world.pick("numbers"),
            "regional_first": season(first),
            "regional_last": season(first + between(4, 18)),
            "debut": season(debut),
            "debut_place": between(6, 16),
            "n_seasons": WORDS["numbers"][count - 2],
            "period0": debut,
            "period1": debut + count,
            "long0": long_start,
            "long1": long_start + between(5, 14),
        }

    def cup(self) -> dict[str, list[Slots]]:
        """One cup run: its rounds, the tie that needed a replay, the two finals."""
        pick, world = self.random.choice, self.world
        names = [f"a {word} eliminatória" for word in WORDS["ordinals"][:4]]
        steps = [(f"n{name}", f"d{name}", name) for name in names]
        steps.append(("nos quartos de final", "dos quartos de final", "os quartos de final"))
        steps.append(("na meia-final", "da meia-final", "a meia-final"))
        rounds: list[Slots] = [
            {
                "in_round": inside,
                "In_round": inside.capitalize(),
                "of_round": of,
                "the_round": the,
                "opponent": world.club_name(),
                "score": world.score(),
            }
            for inside, of, the in steps
        ]
        opponent = world.club_name()
        coaches = {"coach": world.person(), "coach2": world.person(), "opponent": opponent}
        subs = {"sub1": world.pick("first_names"), "sub2": world.pick("first_names")}
        day = pick(WORDS["months"][4:7])
        year = self.random.randint(1950, 2020)
        finals: list[Slots] = []
        for which in ("final da Taça", "finalíssima"):
            finals.append(
                {
                    "a_final": f"a {which}",
                    "A_final": f"A {which}",
                    "da_final": f"da {which}",
                    "na_final": f"na {which}",
                    "date": f"{self.random.randint(1, 28)} de {day} de {year}",
                    "score": pick(("0-0", "1-1", "2-2", "3-3")),
                    "lost": world.score(),
                    "scorer": world.player(),
                    "scorer2": world.player(),
                    "referee": world.person(),
                    "referee_town": world.town(),
                }
                | coaches
                | subs
            )
        how = pick(("no desempate", "nos penáltis", "no prolongamento"))
        drawn: Slots = {
            "opponent": world.club_name(),
            "score": world.score(),
            "draw": pick(("0-0", "1-1", "2-2")),
            "how": how,
        }
        return {"rounds": rounds, "finals": finals, "replay16": [drawn]}

    def league(self) -> dict[str, list[Slots]]:
        """Seasons: places, points, titles, records, Europe, promotions and relegations."""
        pick, between, world = self.random.choice, self.random.randint, self.world
        places = [{"season": self.next_season(), "place": between(1, 18)} for _ in range(4)]
        points = [
            {"season": self.next_season(), "place": between(9, 18), "points": between(15, 60)}
            for _ in range(2)
        ]
        titles: list[Slots] = []
        for word, seasons in (("segunda", 2), ("terceira", 1)):
            titles.append(
                {
                    "the_division": f"a {word} divisão",
                    "of_division": f"da {word} divisão",
                    "in_division": f"na {word} divisão",
                    "title_seasons": " e em ".join(self.next_season() for _ in range(seasons)),
                }
            )
        europe = self.years.pop()
        return {
            "places": places,
            "points": points,
            "titles": titles,
            "district": [
                {"ordinal": word, "season": self.next_season()} for word in WORDS["ordinals"][:2]
            ],
            "home": [
                {
                    "season": self.next_season(),
                    "wins": between(8, 14),
                    "draws": between(2, 8),
                    "draw": pick(("0-0", "1-1")),
                    "scorer": world.player(),
                }
            ],
            "badhome": [
                {
                    "season": self.next_season(),
                    "wins_word": pick(WORDS["numbers"][:4]),
                    "draws_word": pick(("dois", "três", "quatro", "cinco")),
                }
            ],
            "europe": [
                {
                    "season": season(europe),
                    "next_season": season(europe + 1),
                    "cup": pick(("Taça UEFA", "Taça das Taças", "Taça Intertoto")),
                    "opponent": world.foreign_name(),
                    "away_town": world.town(),
                    "lost1": world.score(),
                    "lost2": world.score(),
                    "scorer": world.player(),
                }
            ],
            "lastday": [
                {
                    "season": self.next_season(),
                    "opponent": world.club_name(),
                    "score": world.score(),
                }
            ],
            "lastloss": [
                {
                    "season": self.next_season(),
                    "opponent": world.club_name(),
                    "score": world.score(),
                    "where": pick(("em casa com o", "no campo do")),
                }
                for _ in range(2)
            ],
            "relegation": [self.relegation()],
            "stopped": [
                {
                    "season": self.next_season(),
                    "position": pick(("primeiro", "segundo", "terceiro", "quarto")),
                    "cause": world.pick("causes"),
                }
            ],
            "promoted": [
                {
                    "season": self.next_season(),
                    "position": pick(("segundo", "terceiro")),
                    "opponent": world.club_name(),
                }
            ],
            "streak": [{"season": self.next_season(), "streak": pick(WORDS["numbers"][2:])}],
            "coaches": [{"season": self.next_season(), "coach": world.person()} for _ in range(3)],
            "coachdown": [{"season": self.next_season(), "coach": world.person()}],
            "coachchange": [
                {
                    "season": self.next_season(),
                    "coach": world.person(),
                    "coach2": world.person(),
                    "round": between(4, 20),
                }
            ],
            "president": [
                {
                    "season": self.next_season(),
                    "president": world.person(),
                    "what": world.pick("apologies"),
                }
            ],
        }

    def relegation(self) -> Slots:
        """How deep it fell, and when it came back."""
        tier, tier_name = self.random.choice(WORDS["tiers"])
        return {
            "season": self.next_season(),
            "year": self.random.randint(1970, 2015),
            "tier": tier,
            "tier_name": tier_name,
            "league": self.random.choice(("Segunda Liga", "Liga de Honra", "segunda divisão B")),
            "up_season": self.next_season(),
            "years_away": self.random.randint(3, 30),
        }

    def people(self) -> dict[str, list[Slots]]:
        """Players and coaches."""
        pick, between, world = self.random.choice, self.random.randint, self.world
        players: list[Slots] = []
        for _ in range(4):
            full = f"{world.player().split()[0]} {world.pick('last_names')}"
            players.append(
                {
                    "full_name": full,
                    "name": full.split()[0] if len(players) % 2 else full,
                    "position": world.pick("positions"),
                    "nationality": world.pick("nationalities"),
                    "matches": between(20, 320),
                }
            )
        start = between(1960, 1995)
        years = [start]
        for _ in range(5):
            years.append(years[-1] + between(1, 8))
        return {
            "players": players,
            "scorers": [self.numbers() for _ in range(3)],
            "strikers": [self.numbers() for _ in range(2)],
            "arrivals": [
                {
                    "name": world.player(),
                    "arrival_year": pick(("", f"em {between(1960, 2020)}, ")),
                    "club_before": world.club_name(),
                }
                for _ in range(2)
            ],
            "departures": [
                {
                    "name": world.player(),
                    "month": world.pick("months"),
                    "year": between(1960, 2020),
                    "club_after": world.club_name(),
                }
            ],
            "between": [
                {
                    "name": world.player(),
                    "count": pick(WORDS["numbers"][:4]),
                    "club_between": pick(self.bigs),
                }
            ],
            "topscorer": [{"season": self.next_season(), "name": world.player()}],
            "coachlife": [
                {
                    "coach": world.player(),
                    "nationality": world.pick("nationalities"),
                    "play0": years[0],
                    "play1": years[1],
                    "coach0": years[2],
                    "coach1": years[3],
                    "coach2": years[4],
                    "coach3": years[5],
                }
                | {f"past{n}": world.club_name() for n in (1, 2, 3, 4)}
            ],
            "captain": [{"name": world.player(), "from": years[1], "to": years[3]}],
        }

    def numbers(self) -> Slots:
        """A player's matches and goals."""
        return {
            "name": self.world.player(),
            "matches": self.random.randint(40, 320),
            "goals": self.random.randint(10, 140),
        }

    def things(self, slots: str) -> Iterator[Slots]:
        """Every thing of one sort, with the club's own slots, which each of them may name."""
        for thing in self.slots[slots]:
            yield self.slots["club"][0] | thing
