"""Red flags of a presentation, and warnings before an examination or a drug is ordered."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from agents.knowledge.conditions import Knowledge, vocabulary
from agents.knowledge.files import ROOT, fail, read

Fact = bool | float | str
"""A finding (bool), a measured value in the catalogue's unit (float), or the id of a categorical result (str)."""


@dataclass(frozen=True, slots=True)
class Limit:
    exam: str
    below: float | None = None
    above: float | None = None

    def broken(self, facts: Mapping[str, Fact]) -> bool:
        value = facts.get(self.exam)
        if isinstance(value, (bool, str)) or value is None:
            return False
        return (self.below is not None and value < self.below) or (self.above is not None and value > self.above)


@dataclass(frozen=True, slots=True)
class RedFlag:
    id: str
    groups: tuple[str, ...]
    """Complaints in which it counts; empty: in all."""
    any: tuple[str, ...]
    all: tuple[str, ...]
    value: Limit | None
    says: str
    consider: tuple[str, ...]

    def raised(self, group: str | None, facts: Mapping[str, Fact]) -> bool:
        if self.groups and group not in self.groups:
            return False
        if self.value is not None:
            return self.value.broken(facts)
        if self.all:
            return all(facts.get(key) is True for key in self.all)
        return any(facts.get(key) is True for key in self.any)


@dataclass(frozen=True, slots=True)
class Caution:
    """A situation in which some orders are unsafe."""

    id: str
    says: str
    findings: tuple[str, ...]
    values: tuple[Limit, ...]
    results: dict[str, tuple[str, ...]]
    words: tuple[str, ...]
    radiation_above: float | None

    def applies(self, facts: Mapping[str, Fact], text: str) -> str | None:
        """What shows that the situation is present, or None. `text`: recorded history, drugs and allergies."""
        for key in self.findings:
            if facts.get(key) is True:
                return key
        for limit in self.values:
            if limit.broken(facts):
                return f"{limit.exam} {facts[limit.exam]}"
        for exam, results in self.results.items():
            if facts.get(exam) in results:
                return f"{exam} {facts[exam]}"
        return next((word for word in self.words if mentions(text, word)), None)


@dataclass(frozen=True, slots=True)
class Drug:
    id: str
    names: tuple[str, ...]
    avoid: tuple[str, ...]
    with_: tuple[str, ...]
    allergy: tuple[str, ...]
    says: str


@dataclass(frozen=True, slots=True)
class OrderWarning:
    """Why an order may be unsafe: the situation, the sentence to show, what in the record shows it."""

    caution: str
    says: str
    because: str


@dataclass(frozen=True, slots=True)
class Safety:
    known: Knowledge
    red_flags: tuple[RedFlag, ...]
    cautions: dict[str, Caution]
    drugs: dict[str, Drug]

    def raised(self, group: str | None, facts: Mapping[str, Fact]) -> list[RedFlag]:
        """The red flags that these facts raise in this complaint."""
        return [flag for flag in self.red_flags if flag.raised(group, facts)]

    def before_examination(self, exam: str, facts: Mapping[str, Fact], text: str = "") -> list[OrderWarning]:
        """Warnings before ordering an examination of the catalogue; raises KeyError for an unknown id."""
        entry = self.known.catalogue.exams[exam]
        found = []
        for caution in self.cautions.values():
            too_much = caution.radiation_above is not None and entry.radiation > caution.radiation_above
            if caution.id in entry.contraindications or too_much:
                because = caution.applies(facts, text)
                if because:
                    found.append(OrderWarning(caution.id, caution.says, because))
        return found

    def before_drug(
        self, name: str, facts: Mapping[str, Fact], text: str = "", allergies: str = ""
    ) -> list[OrderWarning]:
        """Warnings before giving a drug; empty too for a drug that the knowledge does not have."""
        drug = next((d for d in self.drugs.values() if any(mentions(name, n) for n in d.names)), None)
        if drug is None:
            return []
        found = [OrderWarning("allergy", drug.says, word) for word in drug.allergy if mentions(allergies, word)][:1]
        for key in drug.avoid:
            because = self.cautions[key].applies(facts, text)
            if because:
                found.append(OrderWarning(key, drug.says, because))
        for key in drug.with_:
            taken = next((n for n in self.drugs[key].names if mentions(text, n)), None)
            if taken:
                found.append(OrderWarning("interaction", drug.says, taken))
        return found


def mentions(text: str, word: str) -> bool:
    """Whether the word stands in the text, and not right after "no", "not", "denies" or "without"."""
    pattern = rf"(?<![a-z])(?:(no|not|denies|without|never)\s+(?:\w+\s+)?)?{re.escape(word.lower())}(?![a-z])"
    return any(found.group(1) is None for found in re.finditer(pattern, text.lower()))


def load(root: Path = ROOT) -> Safety:
    """Red flags, cautions and drugs of `root`, with every reference checked; raises KnowledgeError."""
    known = vocabulary(root)
    flags = tuple(_flag(row) for row in read(root / "red_flags.yaml", schema="red_flags")["red_flags"])
    orders = read(root / "orders.yaml", schema="orders")
    cautions = {key: _caution(key, row) for key, row in orders["cautions"].items()}
    drugs = {key: _drug(key, row) for key, row in orders["drugs"].items()}
    safety = Safety(known, flags, cautions, drugs)
    _check(safety, root)
    return safety


@cache
def safety() -> Safety:
    """The shipped facts, read once."""
    return load()


def _check(all_of: Safety, root: Path) -> None:
    known = all_of.known
    for n, flag in enumerate(all_of.red_flags):
        limit = [flag.value.exam] if flag.value else []
        unknown = [key for key in (*flag.any, *flag.all) if key not in known.findings]
        unknown += [key for key in flag.groups if key not in known.groups]
        unknown += [key for key in limit if key not in known.catalogue.exams]
        if unknown:
            raise fail(root / "red_flags.yaml", ["red_flags", n], f"unknown id {unknown[0]!r}")
    for exam in known.catalogue.exams.values():
        for key in exam.contraindications:
            if key not in all_of.cautions:
                raise fail(root / "exams.yaml", ["exams", exam.id], f"unknown caution {key!r}")
    for drug in all_of.drugs.values():
        strange = [key for key in drug.avoid if key not in all_of.cautions]
        strange += [key for key in drug.with_ if key not in all_of.drugs]
        if strange:
            raise fail(root / "orders.yaml", ["drugs", drug.id], f"unknown id {strange[0]!r}")


def _flag(row: dict[str, Any]) -> RedFlag:
    value = Limit(**row["value"]) if "value" in row else None
    return RedFlag(
        id=row["id"],
        groups=tuple(row["groups"]),
        any=tuple(row.get("any", ())),
        all=tuple(row.get("all", ())),
        value=value,
        says=row["says"],
        consider=tuple(row["consider"]),
    )


def _caution(key: str, row: dict[str, Any]) -> Caution:
    return Caution(
        id=key,
        says=row["says"],
        findings=tuple(row.get("findings", ())),
        values=tuple(Limit(**limit) for limit in row.get("values", ())),
        results={exam: tuple(results) for exam, results in row.get("results", {}).items()},
        words=tuple(row.get("words", ())),
        radiation_above=row.get("radiation_above"),
    )


def _drug(key: str, row: dict[str, Any]) -> Drug:
    return Drug(
        id=key,
        names=tuple(row["names"]),
        avoid=tuple(row["avoid"]),
        with_=tuple(row.get("with", ())),
        allergy=tuple(row.get("allergy", ())),
        says=row["says"],
    )
