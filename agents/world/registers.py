"""Says a virtual patient's presentation as real notes do: in several registers, with typing errors, gaps and noise.

What is told is chosen without looking at the condition, so a gap is no evidence; and the evidence returned is exactly
what the words say, so an oracle that hears it knows no more than the reader. The same seed gives the same words.
"""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from agents.knowledge.conditions import Finding, vocabulary
from agents.knowledge.files import read as read_yaml
from agents.prompts import plain
from agents.reading.notes import PHRASES, coded, read
from agents.types import Inquiry
from agents.world import wording
from agents.world.oracle import Evidence
from agents.world.register_words import (
    ABBREVIATED,
    ASIDES,
    BEGINNINGS,
    JOINTS,
    NEGATED,
    POSITIVE,
    UNNAMED,
)
from agents.world.virtual import VirtualCase

_CLAUSE = re.compile(
    r"\b(my|i|his|her|he|she|is|are|can't|cannot)\b"
    r"|^(felt|feels|feeling|ate|had|wakes|waking|hit|came|comes|goes|red and)\b",
    re.I,
)
REGISTERS = ("plain", "lay", "clerk", "telegraphic", "third")
SHARES = (0.4, 0.18, 0.18, 0.12, 0.12)
"""How often each is drawn; plain is what the virtual clinic itself says."""
DROPPED, ASIDE, TYPED, HISTORY, VITALS = 0.15, 0.25, 0.02, 0.35, 0.15
"""Chances: a finding is left out, an aside put in, a long word mistyped, some history told, vital signs given."""
TOLD_VITALS = ("temperature", "heart_rate", "systolic_bp", "diastolic_bp", "spo2")


@dataclass(frozen=True, slots=True)
class Intake:
    """A presentation and the evidence that its words carry."""

    inquiry: Inquiry
    evidence: tuple[Evidence, ...]
    register: str


def intake(case: VirtualCase, seed: int) -> Intake:
    """The presentation of a virtual patient in a register of the seed."""
    rng = random.Random(f"{seed}:{case.patient.seed}")
    register = rng.choices(REGISTERS, SHARES)[0]
    if register == "plain":
        return Intake(case.inquiry(), case.opening.evidence, register)
    return _Writer(case, register, rng).intake()


class _Writer:
    def __init__(self, case: VirtualCase, register: str, rng: random.Random) -> None:
        self.case, self.register, self.rng = case, register, rng
        self.known = case.patient.model.known
        self.group = self.known.groups[case.patient.group]

    def intake(self) -> Intake:
        facts = self._chosen()
        past = self._past() if self.rng.random() < HISTORY else ()
        vitals = self._vitals() if self.rng.random() < VITALS else ()
        history = {"hpi": self._typed(" ".join([*self._story(facts), *self._measured(vitals)]))}
        if past:
            history["past"] = self._typed(self._listed(past))
        inquiry = self.case.inquiry()
        told = Inquiry(inquiry.age_years, inquiry.sex, inquiry.complaint, history)
        return Intake(told, (*facts, *past, *vitals), self.register)

    def _chosen(self) -> tuple[Evidence, ...]:
        """What defines the complaint, and most of what the patient tells unasked."""
        return tuple(
            fact
            for fact in self.case.opening.evidence
            if fact.id in self.group.presents_with or self.rng.random() > DROPPED
        )

    def _past(self) -> tuple[Evidence, ...]:
        """Some of the history, present or not: which ones does not depend on the patient."""
        patient = self.case.patient
        able = [f.id for f in self.known.findings.values() if f.kind == "history" and f.category in ("past", "habits")]
        able = [key for key in able if self.known.findings[key].possible_for(patient.age, patient.sex)]
        told = {fact.id for fact in self.case.opening.evidence}
        return tuple(
            Evidence(key, patient.finding(key)) for key in self.rng.sample(able, min(3, len(able))) if key not in told
        )

    def _vitals(self) -> tuple[Evidence, ...]:
        found = self.case.patient.evidence("vital_signs")
        return tuple(fact for fact in found if fact.id in TOLD_VITALS)

    def _story(self, facts: Sequence[Evidence]) -> list[str]:
        present = [self.known.findings[fact.id] for fact in facts if fact.value]
        absent = [self.known.findings[fact.id] for fact in facts if not fact.value]
        begin = self.rng.choice(BEGINNINGS[self.register]).replace("{person}", self._person())
        # The name of a complaint ("vomiting or bleeding") would be read as findings that nobody has.
        lead = present.pop(0) if present else None
        if self.register == "lay":
            return self._spoken(begin, lead, present, absent)
        said = [begin.replace("{complaint}", self._named(lead) if lead else self.rng.choice(UNNAMED))]
        if present:
            said.append(f"{self.rng.choice(POSITIVE[self.register])} {self._row(present)}.")
        if absent:
            said.append(f"{self.rng.choice(NEGATED[self.register])} {self._row(absent, last='or')}.")
        return self._with_aside(said)

    def _spoken(self, begin: str, lead: Finding | None, present: list[Finding], absent: list[Finding]) -> list[str]:
        """The patient's own sentences, joined as people join them."""
        first = wording.choose(self.group.says, self.rng.random())
        parts = [f"{begin} {_lower(first)}"]
        if lead and lead.id not in self.group.presents_with:
            present = [lead, *present]
        parts += [_lower(self.rng.choice(finding.says)) for finding in present]
        parts += [_lower(finding.denies) for finding in absent]
        joined = parts[0]
        for part in parts[1:]:
            joined += self.rng.choice(JOINTS) + part
        return self._with_aside([wording.sentences([sentence]) for sentence in joined.split(". ")])

    def _with_aside(self, said: list[str]) -> list[str]:
        if self.rng.random() < ASIDE:
            said.insert(self.rng.randint(1, len(said)), self.rng.choice(ASIDES[self.register]))
        return said

    def _row(self, findings: Sequence[Finding], last: str = "and") -> str:
        names = [self._named(finding) for finding in findings]
        if self.register == "telegraphic":
            return ", ".join(names)
        return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} {last} {names[-1]}"

    def _named(self, finding: Finding) -> str:
        short = ABBREVIATED.get(finding.id)
        if short and self.register == "telegraphic":
            return short
        return self.rng.choice(_names(finding.id))

    def _listed(self, facts: Sequence[Evidence]) -> str:
        parts = [f"{'' if fact.value else 'No '}{self._named(self.known.findings[fact.id])}" for fact in facts]
        return wording.sentences(parts)

    def _measured(self, vitals: Sequence[Evidence]) -> list[str]:
        if not vitals:
            return []
        value = {fact.id: float(fact.value) for fact in vitals}
        told = []
        if "temperature" in value:
            warm = value["temperature"]
            told.append(f"T {warm * 1.8 + 32:.1f} F" if self.rng.random() < 0.4 else f"Temp {warm:.1f} C")
        if "heart_rate" in value:
            told.append(f"{self.rng.choice(('HR', 'pulse', 'Pulse rate'))} {value['heart_rate']:.0f}")
        if {"systolic_bp", "diastolic_bp"} <= set(value):
            told.append(f"BP {value['systolic_bp']:.0f}/{value['diastolic_bp']:.0f}")
        if "spo2" in value:
            told.append(f"sats {value['spo2']:.0f}%")
        return [f"{self.rng.choice(('Obs', 'On arrival', 'Triage'))}: {', '.join(told)}."]

    def _person(self) -> str:
        patient = self.case.patient
        if self.register == "telegraphic":
            return f"{int(patient.age)}{patient.sex[:1].upper()}"
        noun = self.rng.choice(("man", "gentleman") if patient.sex == "male" else ("woman", "lady"))
        return (
            f"{int(patient.age)}-year-old {noun if patient.age >= 18 else 'boy' if patient.sex == 'male' else 'girl'}"
        )

    def _typed(self, text: str) -> str:
        return re.sub(r"[A-Za-z]{6,}", lambda word: self._mistyped(word[0]), plain(text))

    def _mistyped(self, word: str) -> str:
        if self.rng.random() >= TYPED:
            return word
        n = self.rng.randrange(1, len(word) - 1)
        how = self.rng.randrange(3)
        if how == 0:
            return word[:n] + word[n + 1 :]
        if how == 1:
            return word[:n] + word[n] + word[n:]
        return word[:n] + word[n + 1] + word[n] + word[n + 2 :]


def _lower(text: str) -> str:
    return text if text.startswith(("I ", "I'")) else text[:1].lower() + text[1:]


@cache
def _names(key: str) -> tuple[str, ...]:
    """Ways to name a finding that the reader takes for exactly that finding."""
    finding = vocabulary().findings[key]
    options = dict.fromkeys([_lower(finding.name), *read_yaml(PHRASES).get(key, ())])
    sure = [
        text for text in options if {code for code, one in coded(read(text)).items() if one.state == "present"} == {key}
    ]
    return tuple(text for text in sure if not _CLAUSE.search(text)) or (_lower(finding.name),)
