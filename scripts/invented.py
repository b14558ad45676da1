"""Clubs that do not exist: their names, people, seasons and results, drawn from a seed.

A club's slots are drawn once, so whatever is asked about it, and however, has one answer.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field

MONTHS = (
    "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro"
).split()
ORDINALS = ("primeira", "segunda", "terceira", "quarta", "quinta")
NUMBERS = "duas três quatro cinco seis sete oito nove dez onze doze".split()

# Town names are put together from these; what comes out is checked against real names below.
HEADS = (
    "Vil Mont Font Agu Serr Carv Pinh Olm Castr Lour Mour Roch Val Barr Sobr Quint Penh Alv Bel "
    "Cabr Ferr Gav Lam Marv Nog Ourv Palm Ram Sant Torr Urz Verd Zamb Freix Ced Ameix Faz Arg Bald "
    "Corv Durr Esp Gald Jard Lour Mirand Oliv Pedr Quer Ris Sard Trav Vald Vim Caneç Gond Maj Rebord"
).split()
MIDDLES = ["", "", "", "", *"ar al ed eir in or an ad ol ur es ich ag".split()]
TAILS = "a o al ar ais eiro osa edo elo inho iga ura ela ares ide una ada ito".split()
NOT_THESE = {"Faro", "Olhão", "Lagos", "Loulé", "Tavira", "Portimão", "Silves", "Amadora"}

REGIONS = {
    "no Minho": "do Minho",
    "no Alentejo": "do Alentejo",
    "na Beira Alta": "da Beira Alta",
    "na Beira Baixa": "da Beira Baixa",
    "no Ribatejo": "do Ribatejo",
    "no Douro": "do Douro",
    "na Estremadura": "da Estremadura",
    "em Trás-os-Montes": "de Trás-os-Montes",
}
FIRST_NAMES = (
    "Abel Adriano Afonso Alberto Alfredo Amílcar André Aníbal Armando Artur Augusto Baltasar "
    "Bernardo Bruno Caetano César Cláudio Custódio Daniel David Dinis Diogo Domingos Duarte "
    "Edgar Eduardo Elias Emílio Ernesto Estêvão Eusébio Fausto Félix Filipe Flávio Francisco "
    "Gaspar Gil Gonçalo Gustavo Heitor Henrique Hélder Horácio Inácio Ivo Jacinto Jaime Joaquim "
    "Jorge José Júlio Leandro Leonel Lourenço Lucas Luís Manuel Marcelo Mário Martim Mateus "
    "Miguel Moisés Nuno Octávio Orlando Paulo Pedro Quintino Rafael Raul Renato Rodrigo Rogério "
    "Rui Salvador Samuel Sérgio Simão Tiago Tomás Valdemar Vasco Vicente Vítor Xavier João "
    "António Carlos Fernando Hugo Ricardo Roberto Marco"
).split()
LAST_NAMES = (
    "Abreu Aguiar Almeida Amaral Andrade Antunes Araújo Arruda Azinheira Baptista Barbosa Barros "
    "Bastos Brandão Brito Cabral Caldeira Camacho Cardoso Carneiro Carvalho Castanho Coelho "
    "Correia Coutinho Couto Cunha Dias Domingues Esteves Falcão Faria Feijó Ferraz Figueira "
    "Fonseca Freitas Frias Galvão Garcia Godinho Gomes Gouveia Guedes Guerreiro Henriques Lacerda "
    "Leal Leite Lemos Lobato Lopes Loureiro Macedo Machado Madeira Maia Malheiro Marques Matos "
    "Meireles Melo Mendes Menezes Miranda Monteiro Morais Moreira Moura Nascimento Neves Nunes "
    "Pacheco Paiva Peixoto Pereira Pestana Pimenta Pinheiro Pires Pontes Portela Queirós Rebelo "
    "Rego Reis Ribeiro Rocha Sá Salgado Sampaio Saraiva Seabra Sequeira Serra Silveira Simões "
    "Soares Sousa Tavares Teixeira Torres Trindade Valadão Valente Vargas Vaz Veiga Ventura Viana"
).split()
FOREIGN_SYLLABLES = (
    "ka mo ra di be lu sa no ti ju ro ma ne do vi ha ri je su ba le mi to fa ge ku zi pa dra vic "
    "son ek ic ov an el in ar or as ush ye bo cha lo na re"
).split()
ANIMALS = {
    "um lobo": "Lobos",
    "uma águia": "Águias",
    "um touro": "Touros",
    "um galo": "Galos",
    "um urso": "Ursos",
    "um falcão": "Falcões",
    "uma raposa": "Raposas",
    "um javali": "Javalis",
    "um tigre": "Tigres",
    "um cavalo": "Cavalos",
    "um dragão": "Dragões",
    "um leão": "Leões",
}
COLOURS = (
    ("o azul e o branco", "azul e branco"),
    ("o verde e o branco", "verde e branco"),
    ("o vermelho e o preto", "vermelho e preto"),
    ("o amarelo e o azul", "amarelo e azul"),
    ("o grená e o branco", "grená e branco"),
    ("o roxo e o branco", "roxo e branco"),
    ("o verde e o preto", "verde e preto"),
    ("o laranja e o preto", "laranja e preto"),
    ("o preto e o amarelo", "preto e amarelo"),
    ("o vermelho e o branco", "vermelho e branco"),
)
COLOUR_REASONS = (
    "Os fundadores quiseram lembrar as cores da bandeira da cidade.",
    "Os fundadores só tinham tecido dessas cores na fábrica.",
    "Os fundadores copiaram as cores de um clube inglês.",
    "As cores vieram das camisolas oferecidas por um comerciante.",
    "As cores são as do brasão da terra.",
    "Os fundadores conheciam essas cores pelos barcos do porto.",
    "As cores foram escolhidas por votação entre os sócios.",
    "Os fundadores viram essas cores numa fotografia antiga.",
)
FOUNDERS = "operários estudantes ferroviários pescadores comerciantes rapazes amigos".split()
BRINGERS = (
    "marinheiros ingleses",
    "estudantes vindos de Coimbra",
    "operários da fábrica de fiação",
    "engenheiros dos caminhos de ferro",
    "mineiros da região",
    "soldados do quartel",
    "emigrantes regressados do Brasil",
    "professores do liceu",
    "pescadores vindos do norte",
)
PARENTS = "Lusitano|Atlético Nacional|Real|Ginásio Central|Império|Ferroviário".split("|")
SAINTS = "Santo Amaro|São Bento|São Roque|Santa Rita|São Brás|Santo Aleixo|São Vicente".split("|")
BUILDERS = (
    "um emigrante regressado do Brasil",
    "um comerciante da cidade",
    "um industrial da cortiça",
    "um antigo jogador do clube",
    "um médico da terra",
    "um lavrador da região",
    "um emigrante regressado da Argentina",
)
EVENTS = (
    "o Mundial de juniores",
    "a Taça Ibérica",
    "os Jogos da Lusofonia",
    "o Euro de sub-21",
    "a Taça das Nações",
)
MERITS = "melhor palmarés|mais sócios|mais títulos|maior estádio".split("|")
RANKS = "mais antigo|mais popular|mais titulado|mais conhecido".split("|")
CUP_BESTS = (
    ("finalista vencido", "final"),
    ("semifinalista", "meia-final"),
    ("quarto-finalista", "ronda dos quartos"),
)
POSITIONS = "avançado|médio|extremo|defesa central|guarda-redes|lateral direito".split("|")
NATIONALITIES = (
    "brasileiro argentino angolano moçambicano búlgaro sueco espanhol francês nigeriano ganês "
    "marroquino uruguaio húngaro polaco senegalês croata"
).split()
CAUSES = "a pandemia|a greve|a guerra|o temporal".split("|")
TIERS = (
    ("terceiro", "a segunda divisão B"),
    ("quarto", "a terceira divisão"),
    ("quinto", "a primeira distrital"),
    ("sexto", "a segunda distrital"),
)
APOLOGIES = (
    "pediu desculpa|se demitiu|prometeu voltar|chorou na despedida|agradeceu aos adeptos"
).split("|")
TITLE_PREFIXES = "Clube Desportivo|Sporting Clube|Grupo Desportivo|Futebol Clube".split("|")

Slots = dict[str, object]


def season(first_year: int) -> str:
    """1994 -> "1994/95"."""
    return f"{first_year}/{(first_year + 1) % 100:02d}"


@dataclass
class World:
    """Draws names and numbers from one seeded source."""

    random: random.Random
    towns_taken: set[str] = field(default_factory=set)

    def town(self) -> str:
        while True:
            pick = self.random.choice
            town = pick(HEADS) + pick(MIDDLES) + pick(TAILS)
            if stem(town) not in self.towns_taken and town not in NOT_THESE and len(town) > 4:
                self.towns_taken.add(stem(town))
                return town

    def club_name(self) -> str:
        return stem(self.town()) + "ense"

    def person(self) -> str:
        return f"{self.random.choice(FIRST_NAMES)} {self.random.choice(LAST_NAMES)}"

    def player(self) -> str:
        """A Portuguese name, or one of a foreigner or of the one-word kind."""
        syllables = self.random.choices(FOREIGN_SYLLABLES, k=self.random.choice((2, 2, 3)))
        single = "".join(syllables).capitalize()
        kind = self.random.random()
        if kind < 0.5:
            return self.person()
        if kind < 0.75:
            return single
        return f"{self.random.choice(FIRST_NAMES)} {single}"

    def date(self, first_year: int, last_year: int) -> str:
        day, month = self.random.randint(1, 28), self.random.choice(MONTHS)
        return f"{day} de {month} de {self.random.randint(first_year, last_year)}"

    def score(self, least_margin: int = 1) -> str:
        lost = self.random.choice((0, 0, 0, 1, 1, 2))
        return f"{lost + least_margin + self.random.choice((0, 0, 1, 1, 2, 4, 7))}-{lost}"


def stem(town: str) -> str:
    """What "ense" is put after: the town without its last vowels."""
    return town.rstrip("aoeiu") if len(town.rstrip("aoeiu")) > 2 else town


class Club:
    """One invented club: slots by name, each a list of what the club has of that sort."""

    def __init__(self, world: World):
        self.world = world
        self.random = world.random
        self.years = self.random.sample(range(1946, 2024), 40)
        pick = self.random.choice
        self.town = world.town()
        self.name = stem(self.town) + "ense"
        self.title = f"{pick(TITLE_PREFIXES)} {self.name}"
        mascot = pick(list(ANIMALS))
        article = "as" if mascot.startswith("uma") else "os"
        self.animals = (article, f"{ANIMALS[mascot]} de {self.town}")
        self.bigs = [world.club_name() for _ in range(3)]
        self.stadium_short = pick(SAINTS)
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
        pick, between = self.random.choice, self.random.randint
        world = self.world
        year = between(1898, 1935)
        colours, bare = pick(COLOURS)
        in_region = pick(list(REGIONS))
        builder = world.person()
        return {
            "founded": world.date(year, year),
            "founder": world.person(),
            "founders": pick(FOUNDERS),
            "regime": "ainda vivia em monarquia" if year < 1911 else "já era uma república",
            "region": in_region,
            "of_region": REGIONS[in_region],
            "nickname": " ".join(self.animals),
            "mascot": self.mascot,
            "rival": world.club_name(),
            "colours": colours,
            "colours_bare": bare,
            "colour_reason": pick(COLOUR_REASONS),
            "rank": pick(RANKS),
            "merit": pick(MERITS),
            "bringers": pick(BRINGERS),
            "square": f"{pick(('Largo', 'Campo', 'Rossio', 'Terreiro'))} de {pick(SAINTS)}",
            "branch": between(1, 40),
            "parent": pick(PARENTS),
            "branch_year": year + between(2, 20),
            "ground1": f"Campo de {pick(SAINTS)}",
            "ground2": f"Campo d{pick(('a Feira', 'a Ponte', 'o Rossio', 'as Hortas', 'o Moinho'))}",
            "stadium": f"Estádio de {self.stadium_short}",
            "builder": builder,
            "builder_who": pick(BUILDERS),
            "land_year": year + between(3, 20),
            "old_name": f"{pick(('Parque', 'Campo', 'Stadium'))} {pick(LAST_NAMES)}",
            "stadium_year": year + between(5, 25),
            "capacity": between(20, 190) * 100,
            "move_year": between(1990, 2006),
            "stadium2": f"Estádio {pick(('Municipal', 'Nacional', 'Novo', 'Regional'))}",
            "event": pick(EVENTS),
            "return_year": between(2007, 2020),
        }

    def honours(self) -> Slots:
        pick, between = self.random.choice, self.random.randint
        best, stage = pick(CUP_BESTS)
        first = between(1912, 1930)
        debut = between(1946, 1975)
        count = between(2, 12)
        long_start = between(1978, 1995)
        return {
            "cup_best": best,
            "cup_stage": stage,
            "cup_season": self.next_season(),
            "cup_division": pick(ORDINALS[1:3]),
            "cup_times": between(11, 80),
            "best_place": between(2, 9),
            "best_season": self.next_season(),
            "regional_count": pick(NUMBERS),
            "regional_first": season(first),
            "regional_last": season(first + between(4, 18)),
            "debut": season(debut),
            "debut_place": between(6, 16),
            "n_seasons": NUMBERS[count - 2],
            "period0": debut,
            "period1": debut + count,
            "long0": long_start,
            "long1": long_start + between(5, 14),
        }

    def cup(self) -> dict[str, list[Slots]]:
        pick, world = self.random.choice, self.world
        steps = [(f"na {word} eliminatória", f"da {word} eliminatória", f"a {word} eliminatória")
                 for word in ORDINALS[:4]]  # fmt: skip
        steps.append(("nos quartos de final", "dos quartos de final", "os quartos de final"))
        steps.append(("na meia-final", "da meia-final", "a meia-final"))
        rounds = [
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
        subs = {"sub1": pick(FIRST_NAMES), "sub2": pick(FIRST_NAMES)}
        day = pick(MONTHS[4:7])
        year = self.random.randint(1950, 2020)
        finals = []
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
        drawn = {
            "opponent": world.club_name(),
            "score": world.score(),
            "draw": pick(("0-0", "1-1", "2-2")),
            "how": how,
        }
        return {"rounds": rounds, "finals": finals, "replay16": [drawn]}

    def league(self) -> dict[str, list[Slots]]:
        pick, between, world = self.random.choice, self.random.randint, self.world
        places = [{"season": self.next_season(), "place": between(1, 18)} for _ in range(4)]
        points = [
            {"season": self.next_season(), "place": between(9, 18), "points": between(15, 60)}
            for _ in range(2)
        ]
        titles = []
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
            "district": [{"ordinal": w, "season": self.next_season()} for w in ORDINALS[:2]],
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
                    "wins_word": pick(NUMBERS[:4]),
                    "draws_word": pick(("dois", "três", "quatro", "cinco")),
                }
            ],
            "europe": [
                {
                    "season": season(europe),
                    "next_season": season(europe + 1),
                    "cup": pick(("Taça UEFA", "Taça das Taças", "Taça Intertoto")),
                    "opponent": world.player(),
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
                    "cause": pick(CAUSES),
                }
            ],
            "promoted": [
                {
                    "season": self.next_season(),
                    "position": pick(("segundo", "terceiro")),
                    "opponent": world.club_name(),
                }
            ],
            "streak": [{"season": self.next_season(), "streak": pick(NUMBERS[2:])}],
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
                    "what": pick(APOLOGIES),
                }
            ],
        }

    def relegation(self) -> Slots:
        tier, tier_name = self.random.choice(TIERS)
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
        pick, between, world = self.random.choice, self.random.randint, self.world
        players = []
        for _ in range(4):
            full = f"{world.player().split()[0]} {pick(LAST_NAMES)}"
            players.append(
                {
                    "full_name": full,
                    "name": full.split()[0] if len(players) % 2 else full,
                    "position": pick(POSITIONS),
                    "nationality": pick(NATIONALITIES),
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
                    "month": pick(MONTHS),
                    "year": between(1960, 2020),
                    "club_after": world.club_name(),
                }
            ],
            "between": [
                {"name": world.player(), "count": pick(NUMBERS[:4]), "club_between": pick(self.bigs)}
            ],
            "topscorer": [{"season": self.next_season(), "name": world.player()}],
            "coachlife": [
                {
                    "coach": world.player(),
                    "nationality": pick(NATIONALITIES),
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
        return {
            "name": self.world.player(),
            "matches": self.random.randint(40, 320),
            "goals": self.random.randint(10, 140),
        }

    def things(self, slots: str) -> Iterator[Slots]:
        """Every thing of one sort, with the club's own slots, which each of them may name."""
        for thing in self.slots[slots]:
            yield self.slots["club"][0] | thing
