"""Full-chain consistency: whether a patient's own simulated results, one after the other, can be one patient's.

The published one asks GPT-4o for clear contradictions; here the rules of the plausibility monitor, and that is said.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from agents.world.grammar import Event
from agents.world.plausibility import Code, check
from agents.world.plausibility.verdict import Complaint, rejects
from training.evaluation.fidelity.draws import Drawn, Mode, of_mode
from training.evaluation.fidelity.resampling import Interval, cases_share_ci
from training.worlds.rows import Row

AGAINST = (Code.REPEAT, Code.CONTRADICTION, Code.ARITHMETIC, Code.PERSON)
"""Complaints that are a contradiction among results, or with the person."""
JUDGE = "rules"
_PERSON = re.compile(
    r"\b(\d{1,3})[- ]?(?:year|yr|y)s?[- ]?(?:old|o)\b[^.\n]{0,40}?\b(female|male|woman|man|girl|boy)\b", re.I
)
_FEMALE = ("female", "woman", "girl")


@dataclass(frozen=True, slots=True)
class Share:
    """A share of cases or results, 0..1, and how often each kind of complaint was made."""

    value: float | None
    interval: Interval
    n: int
    complaints: Mapping[str, int]


def person(profile: str) -> tuple[float | None, str]:
    """Age in years and sex as the profile states them; (None, "") where it does not."""
    found = _PERSON.search(profile)
    if not found:
        return None, ""
    return float(found[1]), "female" if found[2].lower() in _FEMALE else "male"


def chains(rows: Sequence[Drawn], cohort: Mapping[str, Row], *, seed: int = 0) -> Share:
    """Share of free-running chains without a contradiction; a chain with missing steps is judged by what there is.

    A patient without a single drawn step has no chain.
    """
    by_case: dict[str, list[Drawn]] = defaultdict(list)
    for row in of_mode(rows, Mode.FREE):
        if row.draws:
            by_case[row.case].append(row)
    told: Counter[str] = Counter()
    good: list[float] = []
    for case, steps in by_case.items():
        found = _chain(sorted(steps, key=lambda step: step.step), cohort[case])
        told.update(str(complaint.code) for complaint in found)
        good.append(float(not found))
    value = sum(good) / len(good) if good else None
    return Share(value, cases_share_ci(good, list(by_case), seed=seed), len(good), told)


def believable(rows: Sequence[Drawn], cohort: Mapping[str, Row], *, seed: int = 0) -> Share:
    """Share of teacher-forced results that the monitor would let pass at the first draw."""
    told: Counter[str] = Counter()
    good: list[float] = []
    cases: list[str] = []
    for row in of_mode(rows, Mode.FORCED):
        patient = cohort[row.case]
        history = patient.events[: row.step]
        for text in row.draws:
            found = _complaints(text, row.exam, patient, history)
            told.update({str(complaint.code) for complaint in found})
            good.append(float(not found))
            cases.append(row.case)
    value = sum(good) / len(good) if good else None
    return Share(value, cases_share_ci(good, cases, seed=seed), len(good), told)


def _chain(steps: Sequence[Drawn], patient: Row) -> list[Complaint]:
    history: list[Event] = []
    found: list[Complaint] = []
    for step in steps:
        complaints = _complaints(step.draws[0], step.exam, patient, history)
        found += [complaint for complaint in complaints if complaint.code in AGAINST]
        history.append(Event(step.exam, step.draws[0]))
    return found


def _complaints(text: str, exam: str, patient: Row, history: Sequence[Event]) -> tuple[Complaint, ...]:
    age, sex = person(patient.profile)
    about = {"profile_diagnosis": patient.diagnosis, "history": history, "age": age, "sex": sex}
    return rejects(check(text, examination=exam, **about))  # type: ignore[arg-type]
