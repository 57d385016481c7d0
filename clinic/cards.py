"""What the Virtual clinic's pages show of the knowledge: rates beside background, ranges, ratios derived here."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from agents.knowledge.conditions import Condition, Distribution, Knowledge, Probability
from agents.world.model import model

ADULT = 50.0
"""Age in years for which background rates and reference ranges are shown."""
SCALE = 120.0
"""Width of a bar or a range in SVG units."""


@dataclass(frozen=True, slots=True)
class Rate:
    """P(present | condition) beside the rate elsewhere; `ratio` is derived, never stored."""

    name: str
    p: float
    background: float
    confidence: str
    source: str

    @property
    def ratio(self) -> float | None:
        return self.p / self.background if self.background > 0 else None

    @property
    def bar(self) -> float:
        return self.p * SCALE

    @property
    def tick(self) -> float:
        return self.background * SCALE


@dataclass(frozen=True, slots=True)
class Spread:
    """Quartiles given the condition, drawn on an axis that holds them and the reference interval."""

    name: str
    unit: str
    told: Distribution
    low: float
    high: float

    def _at(self, value: float) -> float:
        left, right = min(self.low, self.told.q1), max(self.high, self.told.q3)
        margin = (right - left) * 0.06 or 1.0
        return (value - left + margin) / (right - left + 2 * margin) * SCALE

    @property
    def drawing(self) -> dict[str, float]:
        ref, box = (self._at(self.low), self._at(self.high)), (self._at(self.told.q1), self._at(self.told.q3))
        return {
            "ref_x": ref[0], "ref_width": ref[1] - ref[0], "box_x": box[0], "box_width": max(box[1] - box[0], 1),
            "median": self._at(self.told.median),
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Card:
    """One condition, ready to be drawn."""

    condition: Condition
    groups: list[tuple[str, float]]
    findings: dict[str, list[Rate]]
    values: list[Spread]
    exams: list[tuple[str, list[Rate]]]
    confirm: list[str]
    mimics: list[Condition]
    grades: list[tuple[str, str, int, float]]
    sources: list[dict[str, str]]


def known() -> Knowledge:
    return model().known


@lru_cache(maxsize=256)
def card(condition_id: str) -> Card | None:
    """The card of a condition, or None where there is no such condition."""
    condition = known().conditions.get(condition_id)
    if condition is None:
        return None
    cited = {number.source for number in _numbers(condition) if number.source}
    return Card(
        condition=condition,
        groups=_shares(condition),
        findings=_findings(condition),
        values=[_spread(exam, told) for exam, told in condition.values.items()],
        exams=[(known().catalogue.exams[exam].name, _results(exam, row)) for exam, row in condition.exams.items()],
        confirm=[known().catalogue.exams[exam].name for exam in condition.confirm],
        mimics=[known().conditions[key] for key in condition.mimics if key in known().conditions],
        grades=shares_of_grades([condition]),
        sources=[known().sources["sources"][key] for key in sorted(cited)],
    )


def _numbers(condition: Condition) -> list[Probability | Distribution]:
    rows = [p for row in condition.exams.values() for p in row.values()]
    return [*condition.findings.values(), *condition.values.values(), *rows]


def _shares(condition: Condition) -> list[tuple[str, float]]:
    """The prior within each complaint: this condition's weight over that of all in the group."""
    shares = []
    for group, weight in condition.groups.items():
        total = sum(other.groups[group] for other in known().in_group(group))
        shares.append((known().groups[group].name, weight / total))
    return sorted(shares, key=lambda share: -share[1])


def _findings(condition: Condition) -> dict[str, list[Rate]]:
    """By kind, what separates the condition most first."""
    kinds: dict[str, list[Rate]] = {}
    for key, told in condition.findings.items():
        finding = known().findings[key]
        rate = Rate(finding.name, told.p, finding.rate(ADULT), told.confidence, told.source or "")
        kinds.setdefault(finding.kind, []).append(rate)
    return {kind: sorted(rates, key=lambda rate: -abs(rate.p - rate.background)) for kind, rates in kinds.items()}


def _spread(exam: str, told: Distribution) -> Spread:
    entry = known().catalogue.exams[exam]
    assert entry.analyte is not None
    low, high = entry.analyte.interval(ADULT, "female")
    return Spread(entry.name, entry.analyte.unit, told, low, high)


def _results(exam: str, row: dict[str, Probability]) -> list[Rate]:
    patterns = {pattern.id: pattern for pattern in known().catalogue.exams[exam].results}
    rates = [
        Rate(key.replace("_", " "), told.p, patterns[key].background, told.confidence, told.source or "")
        for key, told in row.items()
    ]
    return sorted(rates, key=lambda rate: -rate.p)


def shares_of_grades(conditions: Iterable[Condition]) -> list[tuple[str, str, int, float]]:
    """(letter, what it means, how many numbers carry it, their share) for A to D."""
    counts = dict.fromkeys("ABCD", 0)
    for condition in conditions:
        for letter, count in condition.grades().items():
            counts[letter] += count
    total = sum(counts.values()) or 1
    meaning: dict[str, str] = known().sources["confidence"]
    return [(letter, meaning[letter], count, count / total) for letter, count in counts.items()]


def coverage() -> list[dict[str, Any]]:
    """Each complaint with its conditions, commonest first."""
    rows = []
    for group in known().groups.values():
        conditions = sorted(known().in_group(group.id), key=lambda c: -c.groups[group.id])
        rows.append(
            {
                "id": group.id,
                "name": group.name,
                "conditions": conditions,
                "cant_miss": sum(c.cant_miss for c in conditions),
                "common": sum(c.common for c in conditions),
            }
        )
    return rows
