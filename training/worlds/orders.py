"""Which examinations a virtual patient of a cohort has had: what fits disease and complaint, and some at random."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from agents.knowledge.catalogue import Examination
from agents.knowledge.conditions import Condition, Knowledge
from agents.world.draw import Patient, signs_of
from agents.world.model import model

FEWEST, MOST = 8, 14
PHYSICAL = (2, 4)
UNEXAMINED = 0.2
"""Share of patients without a physical examination: in service the first request may be a blood test."""
PANEL = 0.4
"""Share of patients with a panel; one at most, since a panel is as long as ten single tests."""
OWN, COMMON, ANY = 0.4, 0.35, 0.25
"""What a choice is made by: the condition's own examinations, those usual for the complaint, anything possible.

The choice may know the diagnosis: the world model is told it too, so what was ordered gives nothing away.
"""
STEPS = (2, 4)


@dataclass(frozen=True, slots=True)
class Orders:
    """Ids of the catalogue: the physical examination, and what was ordered after it, in steps of time."""

    physical: tuple[str, ...]
    steps: tuple[tuple[str, ...], ...]


def orders(patient: Patient) -> Orders:
    """The orders of a patient, always the same ones."""
    rng = random.Random(f"orders:{patient.seed}")
    weights = _weights(patient)
    exams = patient.model.known.catalogue.exams
    body = {key: w for key, w in weights.items() if exams[key].kind == "physical"}
    other = {key: w for key, w in weights.items() if exams[key].kind != "physical"}
    physical = [] if rng.random() < UNEXAMINED else _sample(body, rng.randint(*PHYSICAL), rng)
    wanted = rng.randint(FEWEST, MOST) - len(physical)
    if rng.random() < PANEL:
        physical, rest = _with_panel(patient, physical, _sample(other, wanted, rng), rng)
    else:
        rest = _sample(other, wanted, rng)
    return Orders(tuple(physical), _steps(rest, rng))


def _with_panel(
    patient: Patient, physical: list[str], rest: list[str], rng: random.Random
) -> tuple[list[str], list[str]]:
    """One panel in place of those single tests that it contains."""
    known = patient.model.known.catalogue
    panels = [exam for exam in known.exams.values() if exam.parts and set(exam.parts) == set(known.leaves(exam.id))]
    chosen = rng.choice([exam.id for exam in panels if exam.possible_for(patient.age, patient.sex)])
    inside = set(known.leaves(chosen))
    physical, rest = ([exam for exam in exams if exam not in inside] for exams in (physical, rest))
    if known.exams[chosen].kind == "physical":
        return [chosen, *physical], rest
    return physical, [chosen, *rest]


def _steps(exams: list[str], rng: random.Random) -> tuple[tuple[str, ...], ...]:
    """Cut at random places: results come back in any order, since each stands for the same patient."""
    rng.shuffle(exams)
    cuts = sorted(rng.sample(range(1, len(exams)), min(rng.randint(*STEPS), len(exams)) - 1))
    return tuple(tuple(exams[a:b]) for a, b in zip([0, *cuts], [*cuts, len(exams)], strict=True))


def _sample(weights: dict[str, float], count: int, rng: random.Random) -> list[str]:
    """Without replacement, in proportion to the weights (Efraimidis and Spirakis 2006)."""
    return sorted(weights, key=lambda key: rng.random() ** (1 / weights[key]), reverse=True)[:count]


def _weights(patient: Patient) -> dict[str, float]:
    """Of every single examination that can be done in this patient and has a result."""
    able = [exam.id for exam in patient.model.known.catalogue.exams.values() if _informs(patient, exam)]
    own = dict.fromkeys(named(patient.condition, patient.model.known), 1.0)
    shares = ((OWN, own), (COMMON, _usual(patient.group)), (ANY, dict.fromkeys(able, 1.0)))
    totals = [(share, table, sum(table.get(key, 0.0) for key in able)) for share, table in shares]
    return {key: sum(share * table.get(key, 0.0) / total for share, table, total in totals if total) for key in able}


def _informs(patient: Patient, exam: Examination) -> bool:
    if exam.parts or not exam.possible_for(patient.age, patient.sex):
        return False
    return bool(exam.analyte or exam.results or signs_of(patient.model, exam.id, patient.age, patient.sex))


@cache
def _usual(group: str) -> dict[str, float]:
    """Examinations by how often the conditions of a complaint name them."""
    known = model().known
    found: Counter[str] = Counter()
    for condition in known.in_group(group):
        for exam in named(condition, known):
            found[exam] += condition.groups[group]  # type: ignore[assignment]
    return dict(found)


def named(condition: Condition, known: Knowledge) -> Iterable[str]:
    """The examinations that a condition says something about."""
    signs = (known.findings[key].exam for key in condition.findings)
    return dict.fromkeys([*condition.values, *condition.exams, *condition.confirm, *(exam for exam in signs if exam)])
