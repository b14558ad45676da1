"""The pre-training corpus: question and answer about invented clubs, and football prose.

The questions are of the kinds of question_kinds.toml, which are the kinds that the sample data
set asks about Farense; the clubs, people and results are those of invented.py. Nothing here names
Farense or anyone of it: make_model.py refuses a corpus that does.
"""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from invented import World
from invented_club import Club

KINDS = Path(__file__).resolve().parent / "question_kinds.toml"


@dataclass(frozen=True)
class Chat:
    """One fact of one invented club: its answer and the ways to ask for it."""

    answer: str
    questions: tuple[str, ...]


def upper_first(text: str) -> str:
    """Capitalise the first letter and leave the others as they are."""
    return text[:1].upper() + text[1:]


def chats(club: Club, kinds: list[dict[str, Any]], unsaid: frozenset[str]) -> list[Chat]:
    """Everything that can be asked about one club, less what chance made equal to unsaid."""
    result = []
    for kind in kinds:
        for slots in club.things(kind["slots"]):
            answer = kind["answer"].format_map(club.forms(varied=False) | slots)
            if upper_first(answer) in unsaid:
                continue
            questions = tuple(
                upper_first(question.format_map(club.forms(varied=True) | slots))
                for question in kind["questions"]
            )
            result.append(Chat(upper_first(answer), questions))
    return result


OPENINGS = (
    "{o} recebeu o {b} {when} e {won} por {score}, perante {crowd} espectadores.",
    "Jogo {adjective} {when} no {stadium}: {o} {won} o {b} por {score}.",
    "{o} deslocou-se a {place} {when} e trouxe {points}, depois de um {score} com o {b}.",
    "O {b} caiu {when} em {town}: {o} {won} por {score}.",
)
GOALS = (
    "O golo de abertura surgiu aos {m1} minutos, por {p1}, a passe de {p2}.",
    "{p1} marcou aos {m1} minutos, de cabeça, na sequência de um canto.",
    "Aos {m1} minutos, {p1} rematou de fora da área e bateu o guarda-redes {p3}.",
    "{p2} aproveitou um erro da defesa e fez o golo aos {m1} minutos.",
    "De grande penalidade, {p1} não falhou e pôs os adeptos em festa.",
)
MIDDLES = (
    "A segunda parte foi mais {adjective}, com a bola quase sempre a meio-campo.",
    "O treinador {p4} trocou {p2} por {p3} ao intervalo e a equipa melhorou.",
    "O guarda-redes {p3} fez uma mão-cheia de defesas e segurou o resultado.",
    "A equipa da casa pediu penálti, mas o árbitro {p5} mandou seguir.",
    "O jogo aqueceu depois do descanso e o árbitro mostrou {cards} cartões amarelos.",
    "{p1} ainda atirou ao poste, já perto do fim.",
    "Os adeptos não pararam de cantar nas bancadas do {stadium}.",
)
ENDINGS = (
    "Com este resultado, {o} está em {place_n}.º lugar, com {n} pontos.",
    "Na próxima jornada, {o} joga fora com o {c2}.",
    "«Foi um jogo {adjective}, mas merecemos», disse o treinador {p4} no final.",
    "{o} não perde há {n2} jogos e sonha com a subida de divisão.",
    "Faltam {n2} jornadas para o fim da época e a permanência está mais perto.",
    "O {b} continua em zona de despromoção.",
)
WHEN = ("no domingo", "no sábado à noite", "ontem à tarde", "na abertura da jornada", "para a Taça")
ADJECTIVES = ("difícil", "aberto", "equilibrado", "intenso", "morno", "bem disputado")


def match_report(club: Club, world: World) -> str:
    """A short newspaper report of a match that was never played."""
    pick, between = world.random.choice, world.random.randint
    slots = {
        "o": f"o {club.name}",
        "b": world.club_name(),
        "c2": world.club_name(),
        "when": pick(WHEN),
        "won": pick(("venceu", "bateu", "derrotou")),
        "score": world.score(),
        "crowd": between(3, 190) * 100,
        "adjective": pick(ADJECTIVES),
        "stadium": f"Estádio de {club.stadium_short}",
        "place": world.town(),
        "town": club.town,
        "points": pick(("um ponto", "três pontos", "os pontos")),
        "m1": between(2, 90),
        "cards": between(2, 9),
        "place_n": between(1, 18),
        "n": between(4, 70),
        "n2": between(2, 12),
    } | {f"p{n}": world.player() for n in range(1, 6)}
    parts = [OPENINGS, GOALS, MIDDLES, MIDDLES, ENDINGS]
    sentences = [upper_first(pick(part).format_map(slots)) for part in parts]
    return " ".join(dict.fromkeys(sentences))


def profile(club: Club, facts: list[Chat], world: World) -> str:
    """A few lines about a club: some of its answers, one after the other."""
    sentences = [fact.answer for fact in world.random.sample(facts, world.random.randint(3, 5))]
    return f"{club.title}. " + " ".join(sentences)


@dataclass(frozen=True)
class Corpus:
    """The clubs that the model meets again and again, and a stream of ones it meets once."""

    seed: int
    unsaid: frozenset[str]
    kinds: list[dict[str, Any]]
    clubs: list[tuple[Club, list[Chat]]]

    @classmethod
    def build(cls, seed: int, clubs: int, unsaid: frozenset[str]) -> "Corpus":
        """Invent the clubs. unsaid are the answers that no document may hold."""
        kinds = tomllib.loads(KINDS.read_text(encoding="utf-8"))["kind"]
        world = World(seed)
        made = [Club(world) for _ in range(clubs)]
        return cls(seed, unsaid, kinds, [(club, chats(club, kinds, unsaid)) for club in made])

    def chat_rows(self) -> list[tuple[str, str]]:
        """Every question about the clubs with its answer."""
        return [
            (question, chat.answer)
            for _, facts in self.clubs
            for chat in facts
            for question in chat.questions
        ]

    def passing_rows(self, clubs: int) -> list[tuple[str, str]]:
        """One question for each fact of clubs that are met only once.

        Their answers cannot be learnt; what can is the form, and to copy a strange name.
        """
        world = World(self.seed + 1)
        rows = []
        for _ in range(clubs):
            world.forget_towns()
            for chat in chats(Club(world), self.kinds, self.unsaid):
                rows.append((world.random.choice(chat.questions), chat.answer))
        return rows

    def prose(self, documents: int) -> list[str]:
        """Match reports and club profiles, half and half."""
        world = World(self.seed + 2)
        texts = []
        for number in range(documents):
            club, facts = world.random.choice(self.clubs)
            world.forget_towns()
            text = match_report(club, world) if number % 2 else profile(club, facts, world)
            texts.append(text)
        return texts
