"""The brief form with knowledge in its context: cards of conditions, looked up by what the patient's words say.

The inquiry is followed by the cards that fit it, every reply by those that fit all that is known by then. Cards come
from words alone (agents.reading.facts) by an ordinary search (agents.knowledge.cards), so a hospital's results bring
up cards as the virtual clinic's do. A message depends only on what was said up to it: messages only grow.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256

from agents import prompts
from agents.codecs.brief import BriefCodec, presentation
from agents.codecs.presentation import one_line
from agents.knowledge.cards import WEIGHTS, Card, search
from agents.knowledge.catalogue import Examination, catalogue
from agents.knowledge.conditions import vocabulary
from agents.prompts import fill, shorten
from agents.reading import facts as reading
from agents.reading.facts import REST_NORMAL, Facts
from agents.reading.notes import read
from agents.types import Exchange, Inquiry, MalformedAction, Observation, Source, Value

FILES = tuple(f"cards_{part}.txt" for part in ("system", "inquiry", "reply", "repair", "final", "told"))
AT_FIRST, LATER = 6, 3
MATCHED = 2
"""How many cards an inquiry and a reply bring up, and how many matched findings a card names."""
REPLY_CHARS = 320
COVERED = 0.7
NONE = "none fits"
_FLAGS = {"LL": "very low", "L": "low", "H": "high", "HH": "very high"}


class CardsCodec(BriefCodec):
    """Codec of the one-line action with condition cards in the prompt; one instance serves any number."""

    name = "cards"
    files = FILES[:5]

    @property
    def digest(self) -> str:
        """Over the prompts, the knowledge that cards come from and the weights that rank them."""
        parts = (prompts.digest(*FILES), vocabulary().version, repr(WEIGHTS), str((AT_FIRST, LATER, MATCHED)))
        return sha256("\n".join(parts).encode()).hexdigest()

    def presented(self, inquiry: Inquiry) -> str:
        cards = _fitting(facts_after(inquiry, ()), AT_FIRST)
        return fill(FILES[1], presentation=presentation(inquiry), cards="; ".join(map(_whole, cards)) or NONE)

    def replies(self, inquiry: Inquiry, exchanges: Sequence[Exchange]) -> Sequence[str]:
        found = []
        for n, exchange in enumerate(exchanges):
            cards = _fitting(facts_after(inquiry, exchanges[: n + 1]), LATER)
            found.append(fill(FILES[5], reply=exchange.reply, cards="; ".join(map(_short, cards)) or NONE))
        return found

    def fit(self, inquiry: Inquiry, exchanges: Sequence[Exchange]) -> float:
        """The score of the best card; 0 where none comes up."""
        return max([card.score for card in search(facts_after(inquiry, exchanges), limit=1)], default=0.0)

    def reply(self, observations: Sequence[Observation], *, note: str = "") -> str:
        """What came back, one line each, of panels only what is abnormal; then the clinician's own words."""
        lines = [_line(observation) for observation in observations]
        if note:
            lines.append(one_line(note))
        share = REPLY_CHARS // max(len(lines), 1)
        return fill(FILES[2], results="\n".join(shorten(line, max(share, 80)) for line in lines))


def facts_after(inquiry: Inquiry, exchanges: Sequence[Exchange]) -> Facts:
    """What the words of a consultation say so far."""
    facts = _at_first(inquiry.age_years, inquiry.sex, inquiry.complaint, tuple(inquiry.history.items()))
    for exchange in exchanges:
        facts = facts.joined(_told(facts.age, facts.sex, exchange.said, exchange.reply))
    return facts


@lru_cache(maxsize=4096)
def _at_first(age: float | None, sex: str, complaint: str, history: tuple[tuple[str, str], ...]) -> Facts:
    return reading.of_inquiry(Inquiry(age, sex, complaint, dict(history)))


@lru_cache(maxsize=16384)
def _told(age: float | None, sex: str, said: str, reply: str) -> Facts:
    try:
        asked = CardsCodec().parse(said).target
    except MalformedAction:
        asked = ""
    return reading.of_text(reply, Facts(age, sex), asked=asked)


def _fitting(facts: Facts, limit: int) -> list[Card]:
    """The best cards that fit at all."""
    return [card for card in search(facts, limit=limit) if points(card)]


def _whole(card: Card) -> str:
    parts = [", ".join(card.matched[:MATCHED]), *card.settling[:1]]
    told = "; ".join(part for part in parts if part)
    return f"{card.name} {points(card)}" + (f" ({told})" if told else "")


def _short(card: Card) -> str:
    return f"{card.name} {points(card)}" + (f" ({card.settling[0]})" if card.settling else "")


def points(card: Card) -> int:
    """The score as it is shown: a whole number, never below 0."""
    return max(0, round(card.score))


def _line(observation: Observation) -> str:
    """The examination and what it showed; of an answer only the words."""
    name = observation.matched or ""
    exam = reading.examination_named(name) if name and not _findings(name) else None
    if exam is None:
        return one_line(observation.text if not name or _findings(name) else f"{name}: {observation.text}")
    lines = [line.strip() for line in observation.text.split("\n") if line.strip() not in ("", f"{exam.name}:")]
    lines = [line.removeprefix(f"{exam.name}: ") for line in lines]
    told = _abnormal(exam.id, lines, observation.values) if observation.source is not Source.UNAVAILABLE else ""
    return f"{exam.name}: {told or one_line(' '.join(lines))}"


def _findings(matched: str) -> bool:
    """Whether a world says which findings it took a question for; the policy hears only the answer."""
    return all(key in vocabulary().findings for key in matched.split(", "))


def _abnormal(exam: str, lines: Sequence[str], values: Sequence[Value]) -> str:
    """What is abnormal, and that the rest is not; "" where the text leaves open whether it is."""
    known = catalogue()
    leaves = [known.exams[leaf] for leaf in known.leaves(exam)]
    if any(leaf.results for leaf in leaves) or any(value.low is None or value.high is None for value in values):
        return ""
    noted = [_unlabelled(line) for line in lines if not any(line.startswith(value.name) for value in values)]
    if not any(reading.signs_of(leaf.id) for leaf in leaves):
        noted = []
    told = [sentence.rstrip(".") for line in noted for sentence in reading.sentences(line)]
    if not _covers(leaves, values, told):
        return ""
    said = [f"{_FLAGS[value.flag]} {_small(value.name)} {value.value:g}" for value in values if value.flag in _FLAGS]
    said += [sentence for sentence in told if not reading.denied(sentence)]
    rest = [REST_NORMAL] if len(leaves) > 1 or told else []
    return "; ".join([*said, *rest] if said else ["normal"])


def _covers(leaves: Sequence[Examination], values: Sequence[Value], told: Sequence[str]) -> bool:
    """Whether nearly all that belongs to an examination is told (some of it is not for every age and sex)."""
    wanted = [leaf.id for leaf in leaves if leaf.analyte]
    signs = [key for leaf in leaves for key in reading.signs_of(leaf.id)]
    denied = [key for sentence in told for key in reading.denied(sentence)]
    seen = {mention.code for sentence in told for mention in read(sentence)}
    return len(values) + len(({*denied} | seen) & {*signs}) >= COVERED * (len(wanted) + len(signs))


def _unlabelled(line: str) -> str:
    label, colon, rest = line.partition(": ")
    return rest if colon and reading.examination_named(label) else line


def _small(name: str) -> str:
    return name[:1].lower() + name[1:] if name[1:2].islower() else name
