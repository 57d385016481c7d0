"""Condition cards and the search that brings them up for what is known of a patient.

A retrieval, not a diagnosis: a card scores by weighted overlap, as a search engine ranks documents. A finding that the
patient has and the card lists adds its rarity among all cards (inverse document frequency) times how typical the card
calls it; one that the card calls typical and the patient lacks takes off; so do results and values likewise. Fields
have the fixed weights below. No probability of a condition is computed, and neither the oracle's posterior nor its
model of the patient is used: only what the condition files list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from math import log

from agents.knowledge.catalogue import Examination
from agents.knowledge.conditions import Condition, Distribution, Knowledge, knowledge
from agents.reading.facts import FAR, Facts

TYPICAL = 0.3
"""From this frequency on a card calls a finding or a result typical."""
SETTLING = 2


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each field of a card counts; found by trying on virtual training patients, then rounded."""

    symptom: float = 1.1
    sign: float = 1.0
    no_symptom: float = 0.45
    no_sign: float = 1.1
    value: float = 0.6
    no_value: float = 1.2
    result: float = 1.4
    no_result: float = 0.5
    foreign: float = 0.1
    foreign_value: float = 0.3
    foreign_result: float = 0.1
    complaint: float = 6.0
    usual: float = 0.5
    common: float = 0.5
    age: float = 1.8
    sex: float = 9.0


@dataclass(frozen=True, slots=True)
class Card:
    """One condition brought up: `score` only ranks; `matched` are names of what speaks for it, strongest first.

    `settling` are names of the one or two examinations that settle it and are not done.
    """

    condition: str
    name: str
    score: float
    matched: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    settling: tuple[str, ...] = ()
    cant_miss: bool = False


def search(facts: Facts, *, limit: int = 6, weights: Weights | None = None) -> list[Card]:
    """The cards that fit best, best first; the same facts always give the same cards in the same order."""
    index = _index()
    # Rounded, since a sum of floats depends on the order in which the facts came.
    marked = [(round(weighted(parts, weights or WEIGHTS), 6), condition) for condition, parts in index.parts(facts)]
    best = sorted(marked, key=lambda pair: (-pair[0], pair[1].id))[:limit]
    return [index.card(condition, score, facts) for score, condition in best]


def about(condition: str, facts: Facts) -> Card:
    """The card of one condition against these facts, whatever its rank; KeyError for an unknown condition."""
    index = _index()
    return index.card(index.known.conditions[condition], 0.0, facts)


def weighted(parts: dict[str, float], weights: Weights) -> float:
    """The score of a card: its fields times their weights."""
    return sum(getattr(weights, name) * amount for name, amount in parts.items())


@dataclass
class Index:
    """Rarity of everything a card can list, once per version of the knowledge."""

    known: Knowledge
    rarity: dict[str, float] = field(default_factory=dict)
    rare_result: dict[tuple[str, str], float] = field(default_factory=dict)
    rare_value: dict[tuple[str, int], float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        conditions = list(self.known.conditions.values())
        for key, finding in self.known.findings.items():
            shares = [c.findings[key].p if key in c.findings else finding.background[1] for c in conditions]
            self.rarity[key] = _rarity(sum(shares), len(conditions))
        for exam in self.known.catalogue.exams.values():
            for pattern in exam.results:
                shares = [_result(c, exam.id, pattern.id, pattern.background) for c in conditions]
                self.rare_result[exam.id, pattern.id] = _rarity(sum(shares), len(conditions))
            if exam.analyte:
                low, high = exam.analyte.interval(50, "female")
                for level in (-2, -1, 1, 2):
                    shares = [0.06 + _shifted(c, exam.id, level, low, high) for c in conditions]
                    self.rare_value[exam.id, level] = _rarity(sum(shares), len(conditions))

    def parts(self, facts: Facts) -> Iterator[tuple[Condition, dict[str, float]]]:
        """The fields of every card that fits the patient's age and sex, before they are weighted."""
        for condition in self.known.conditions.values():
            if _possible(condition, facts):
                yield condition, self._parts(condition, facts)

    def _parts(self, condition: Condition, facts: Facts) -> dict[str, float]:
        parts = dict.fromkeys(Weights.__slots__, 0.0)
        for key, present in facts.findings.items():
            kind = "sign" if self.known.findings[key].kind == "sign" else "symptom"
            listed = condition.findings.get(key)
            if present and listed:
                parts[kind] += self.rarity[key] * listed.p**0.5
            elif present:
                parts["foreign"] -= self.rarity[key]
            elif listed:
                parts[f"no_{kind}"] -= _lacking(listed.p)
        self._values(condition, facts, parts)
        self._results(condition, facts, parts)
        shared = facts.groups & set(condition.groups)
        parts["complaint"] = float(bool(shared))
        parts["usual"] = max((self.usual(condition, group) for group in shared), default=0.0)
        parts["common"] = float(condition.common)
        if facts.age is not None:
            parts["age"] = -max(0.0, abs(facts.age - condition.age_mean) / condition.age_sd - 1.0)
        if facts.sex:
            share = condition.male if facts.sex == "male" else 1 - condition.male
            parts["sex"] = -max(0.0, 0.4 - share)
        return parts

    def usual(self, condition: Condition, group: str) -> float:
        """How usual a cause of this complaint the card is: 0 rare, then 1, 2, 3."""
        share = condition.groups[group] / sum(c.groups[group] for c in self.known.in_group(group))
        return float(sum(share > limit for limit in (0.02, 0.05, 0.1)))

    def _values(self, condition: Condition, facts: Facts, parts: dict[str, float]) -> None:
        for exam, level in facts.levels.items():
            fits = self._expects(condition, exam, level, facts) if level else 0.0
            if fits:
                parts["value"] += self.rare_value[exam, level] * fits
            elif level:
                parts["foreign_value"] -= self.rare_value[exam, level]
            elif level == 0:
                parts["no_value"] -= max(self._expects(condition, exam, way, facts) for way in WAYS)

    def _expects(self, condition: Condition, exam: str, level: int, facts: Facts) -> float:
        analyte = self.known.catalogue.exams[exam].analyte
        if analyte is None or exam not in condition.values:
            return 0.0
        low, high = analyte.interval(facts.age if facts.age is not None else 50, facts.sex or "female")
        return _shifted(condition, exam, level, low, high)

    def _results(self, condition: Condition, facts: Facts, parts: dict[str, float]) -> None:
        for exam, result in facts.results.items():
            patterns = self.known.catalogue.exams[exam].results
            listed = condition.exams.get(exam, {})
            if result != patterns[0].id:
                if result in listed:
                    parts["result"] += self.rare_result[exam, result] * listed[result].p ** 0.5
                else:
                    parts["foreign_result"] -= self.rare_result[exam, result]
            expected = sum(p.p for key, p in listed.items() if key not in (patterns[0].id, result))
            parts["no_result"] -= _lacking(min(expected, 0.99)) if result == patterns[0].id else 0.0

    def card(self, condition: Condition, score: float, facts: Facts) -> Card:
        return Card(
            condition.id,
            condition.name,
            score,
            tuple(self._matched(condition, facts)),
            tuple(self._missing(condition, facts)),
            tuple(exam.name for exam in self.settling(condition, facts))[:SETTLING],
            condition.cant_miss,
        )

    def _matched(self, condition: Condition, facts: Facts) -> Iterable[str]:
        """Names of examinations with a fitting result, values and findings, by how much they add.

        What defines the complaint is left out: all cards of that complaint share it.
        """
        exams, findings = self.known.catalogue.exams, self.known.findings
        defining = {key for group in facts.groups for key in self.known.groups[group].presents_with}
        found = [
            (self.rare_result[exam, key] * condition.exams[exam][key].p ** 0.5 + 3, exams[exam].name)
            for exam, key in facts.results.items()
            if key != exams[exam].results[0].id and key in condition.exams.get(exam, {})
        ]
        for exam, level in facts.levels.items():
            fits = self._expects(condition, exam, level, facts) if level else 0.0
            if fits >= TYPICAL:
                found.append((self.rare_value[exam, level] * fits, f"{WAYS[level]} {_small(exams[exam].name)}"))
        found += [
            (self.rarity[key] * condition.findings[key].p ** 0.5, _small(findings[key].name))
            for key, present in facts.findings.items()
            if present and key in condition.findings and key not in defining
        ]
        return (name for _, name in sorted(found, key=lambda pair: (-pair[0], pair[1])))

    def _missing(self, condition: Condition, facts: Facts) -> Iterable[str]:
        found = [
            (condition.findings[key].p, self.known.findings[key].name)
            for key, present in facts.findings.items()
            if not present and key in condition.findings and condition.findings[key].p >= 0.5
        ]
        return (_small(name) for _, name in sorted(found, reverse=True))

    def settling(self, condition: Condition, facts: Facts) -> Iterator[Examination]:
        """The examinations that confirm it and can still be done, cheapest first."""
        exams = self.known.catalogue
        age, sex = facts.age if facts.age is not None else 50, facts.sex or "female"
        wanted = [exams.exams[key] for key in condition.confirm]
        for exam in sorted(wanted, key=lambda one: one.cost):
            if exam.possible_for(age, sex) and not any(exams.covers(done, exam.id) for done in facts.done):
                yield exam


WAYS = {-2: "very low", -1: "low", 1: "high", 2: "very high"}
WEIGHTS = Weights()


def _small(name: str) -> str:
    """Inside a sentence; an abbreviation keeps its capitals."""
    return name[:1].lower() + name[1:] if name[1:2].islower() else name


def _possible(condition: Condition, facts: Facts) -> bool:
    if facts.age is not None and not condition.age_min <= facts.age <= condition.age_max:
        return False
    share = {"male": condition.male, "female": 1 - condition.male}.get(facts.sex, 1.0)
    return share > 0


def _rarity(listed: float, cards: int) -> float:
    return log((cards + 1) / (listed + 0.5))


def _lacking(p: float) -> float:
    """How much the absence of something listed counts: little below one half, much where it hardly ever lacks."""
    return p * p / (1.05 - p)


def _result(condition: Condition, exam: str, result: str, background: float) -> float:
    listed = condition.exams.get(exam, {})
    return listed[result].p if result in listed else background


def _shifted(condition: Condition, exam: str, level: int, low: float, high: float) -> float:
    """How typical a value beyond that end of the reference interval is, 0 to 1; less where more is expected."""
    told = condition.values.get(exam)
    if told is None:
        return 0.0
    far = FAR * (high - low)
    if level > 0:
        beyond, well = _beyond(told, high), _beyond(told, high + far)
    else:
        mirrored = Distribution(-told.median, -told.q3, -told.q1)
        beyond, well = _beyond(mirrored, -low), _beyond(mirrored, far - low)
    return max(well, 0.6 * beyond) if abs(level) == 2 else beyond - 0.4 * well


def _beyond(told: Distribution, limit: float) -> float:
    return 0.25 * (told.q3 > limit) + 0.35 * (told.median > limit) + 0.4 * (told.q1 > limit)


@cache
def _index() -> Index:
    return Index(knowledge())
