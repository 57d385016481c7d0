"""The recommended examination as a card: its price, what it would move, and what in this case speaks against it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from agents.examinations import match
from agents.knowledge.catalogue import Examination, catalogue
from agents.knowledge.conditions import knowledge
from agents.knowledge.safety import OrderWarning, mentions, safety
from agents.types import Source
from agents.world.ratios import Outcome, outcomes, presentation
from clinic.facts import Facts, Known
from clinic.measures import SURE
from clinic.models import Turn, TurnRole

KIDNEYS = ("egfr", "creatinine")


@dataclass(frozen=True, slots=True)
class Warned:
    """A warning and the words of this case that raise it."""

    says: str
    because: str
    fact: Known | None = None


@dataclass(frozen=True, slots=True)
class Effect:
    """One main outcome and whom it would move, in the words of the page."""

    outcome: str
    probability: float
    up: tuple[tuple[str, float, float], ...]
    down: tuple[tuple[str, float, float], ...]


@dataclass(slots=True)
class Card:
    """An examination of the agent's, or of the clinician's, before it is ordered."""

    asked: str
    exams: list[Examination] = field(default_factory=list)
    warnings: list[Warned] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    """What a warning would have to know and nobody has said."""
    done: list[Turn] = field(default_factory=list)
    """Turns that already brought it."""
    effects: list[Effect] = field(default_factory=list)
    judged: bool = False
    """Whether the knowledge could say what it would move."""

    @property
    def cost(self) -> float:
        return sum(exam.cost for exam in self.exams)

    @property
    def delay(self) -> float:
        return max((exam.delay for exam in self.exams), default=0.0)

    @property
    def invasiveness(self) -> str:
        worst = max((exam.invasiveness for exam in self.exams), default=0)
        return ("not invasive", "needle or swab", "invasive", "highly invasive")[min(worst, 3)]

    @property
    def radiation(self) -> float:
        return sum(exam.radiation for exam in self.exams)

    @property
    def movers(self) -> list[tuple[str, str]]:
        """(name, up or down) over the outcomes, for one line; each by its largest move, four at most."""
        best: dict[str, float] = {}
        for effect in self.effects:
            for name, before, after in (*effect.up, *effect.down):
                change = (after - before) * effect.probability
                if abs(change) > abs(best.get(name, 0.0)):
                    best[name] = change
        ranked = sorted(best.items(), key=lambda item: -abs(item[1]))
        return [(name, "up" if change > 0 else "down") for name, change in ranked[:4]]


def card_of(asked: str, facts: Facts, turns: Sequence[Turn] = ()) -> Card:
    """For a request in free text; outside the catalogue only the request itself is known."""
    ids = [hit.exam for hit in match(asked) if hit.score >= SURE]
    exams = [catalogue().exams[key] for key in ids]
    found = Card(asked, exams, done=[turn for turn in turns if _brought(turn, ids)])
    for exam in exams:
        found.warnings += [warning for warning in _warnings(exam, facts) if warning not in found.warnings]
        found.unknown += [what for what in _unknown(exam, facts) if what not in found.unknown]
    found.warnings += [_warned(one, facts) for one in before_drug(asked, facts)]
    if len(exams) == 1:
        found.judged, found.effects = _effects(exams[0], facts)
    return found


def drug_warnings(facts: Facts) -> list[Warned]:
    """About the drugs this patient takes: allergies, interactions (each pair once), kidneys, pregnancy."""
    taken = sorted({name for drug in safety().drugs.values() for name in drug.names if _takes(facts, name)})
    found: dict[frozenset[str], Warned] = {}
    for name in taken:
        for warning in before_drug(name, facts):
            together = warning.caution == "interaction"
            lead = f"{name.capitalize()} with {warning.because}: " if together else f"{name.capitalize()}: "
            key = frozenset((name, warning.because if together else warning.caution))
            found.setdefault(key, _warned(warning, facts, lead))
    return list(found.values())


def before_drug(name: str, facts: Facts) -> list[OrderWarning]:
    return safety().before_drug(name, facts.mapping(), facts.drugs, facts.allergies)


def _takes(facts: Facts, name: str) -> bool:
    return bool(facts.drugs) and mentions(facts.drugs, name)


def _warnings(exam: Examination, facts: Facts) -> list[Warned]:
    found = safety().before_examination(exam.id, facts.mapping(), facts.text)
    impossible = facts.age_years is not None and facts.sex in ("male", "female")
    if impossible and not exam.possible_for(facts.age_years or 0, facts.sex):
        found = [OrderWarning("person", "Not done at this age or sex", f"{facts.age_years:.0f} y, {facts.sex}"), *found]
    return [_warned(warning, facts) for warning in found]


def _warned(warning: OrderWarning, facts: Facts, lead: str = "") -> Warned:
    """`because` is a finding's id, an examination with its value, or a word of the record."""
    fact = facts.find(warning.because) or facts.find(warning.because.split(" ")[0])
    return Warned(lead + warning.says, fact.quote if fact else warning.because, fact)


def _unknown(exam: Examination, facts: Facts) -> list[str]:
    """Said aloud, because silence about an allergy is not the absence of one."""
    wants, found = set(exam.contraindications), []
    if "renal_impairment" in wants and not any(key in facts.values for key in KIDNEYS):
        found.append("kidney function")
    if "contrast_allergy" in wants and not facts.allergies.strip():
        found.append("allergies")
    may_be_pregnant = knowledge().findings["pregnant"].possible_for(facts.age_years or 0, facts.sex)
    tested = facts.find("hcg") or facts.find("pregnant")
    if ("pregnancy" in wants or exam.radiation > 1) and may_be_pregnant and not tested:
        found.append("pregnancy")
    return found


def _brought(turn: Turn, exams: Sequence[str]) -> bool:
    """A result of the same examination, or of a panel that contains it; what was not in the record was not done."""
    if turn.role != TurnRole.ENVIRONMENT or turn.retracted_at or turn.source == Source.UNAVAILABLE:
        return False
    said = [hit.exam for hit in match(turn.matched or turn.request) if hit.score >= SURE]
    return any(catalogue().covers(done, exam) for done in said for exam in exams)


def _effects(exam: Examination, facts: Facts) -> tuple[bool, list[Effect]]:
    base = presentation(facts.group, facts.age_years, facts.sex) if facts.group else None
    if base is None or not exam.possible_for(base.age, base.sex):
        return False, []
    return True, [_effect(exam, outcome) for outcome in outcomes(base, facts.evidence(), exam.id)]


def _effect(exam: Examination, outcome: Outcome) -> Effect:
    names = knowledge().conditions
    moved = [(names[shift.condition].name, shift.before, shift.after) for shift in outcome.shifts]
    words = _result(exam, outcome.result) if outcome.result else f"Points to {names[outcome.points_to].name}"
    up = tuple(move for move in moved if move[2] > move[1])
    return Effect(words, outcome.probability, up, tuple(move for move in moved if move[2] < move[1]))


def _result(exam: Examination, result: str) -> str:
    """A categorical result by its id, a sign by its name."""
    bare = result.removeprefix("no ")
    finding = knowledge().findings.get(bare)
    if finding and not any(pattern.id == result for pattern in exam.results):
        return f"{'No ' if bare != result else ''}{finding.name}"
    return result.replace("_", " ").capitalize()
