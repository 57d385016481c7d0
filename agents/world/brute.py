"""The posterior again, by enumerating every state of small sub-models: slow, plain, and independent of the oracle."""

from __future__ import annotations

from itertools import product
from math import exp, prod

from agents.knowledge.conditions import LATENTS
from agents.world import scales
from agents.world.draw import Patient, draw
from agents.world.frame import Frame
from agents.world.model import GRADES, INCIDENTAL, LEVELS, MISLEADING, Model
from agents.world.oracle import Belief, Evidence

CASES = 6


def enumerate_posterior(base: Frame, evidence: list[Evidence]) -> list[float]:
    """P(D | evidence), summing over severity and the (comorbidity, level) of every latent that evidence touches."""
    touched = sorted({k for item in evidence if (k := latent_of(base, item)) is not None})
    weights = []
    for d in range(len(base.rows)):
        total = 0.0
        for s in range(GRADES):
            for states in product(product(range(2), range(LEVELS)), repeat=len(touched)):
                at = dict(zip(touched, states, strict=True))
                chance = prod(float(base.joint[k, d, s, c, level]) for k, (c, level) in at.items())
                chance *= prod(_chance(base, item, d, s, at) for item in evidence)
                total += float(base.prior[d]) * float(base.severity[d, s]) * chance
        weights.append(total)
    return [w / sum(weights) for w in weights]


def latent_of(base: Frame, item: Evidence) -> int | None:
    """The latent that a piece of evidence depends on."""
    if isinstance(item.value, bool):
        name = base.model.findings[base.model.finding_index[item.id]].comorbidity
    else:
        analyte = base.model.known.catalogue.exams[item.id].analyte
        name = analyte.latent if analyte else None
    return LATENTS.index(name) if name else None


def _chance(base: Frame, item: Evidence, d: int, s: int, at: dict[int, tuple[int, int]]) -> float:
    """P(one piece of evidence | the whole state)."""
    k = latent_of(base, item)
    if isinstance(item.value, bool):
        n = base.model.finding_index[item.id]
        own = float(base.findings[n, d, s]) if k is None else float(at[k][0])
        p = (1 - MISLEADING) * own + MISLEADING * float(base.crowd[n])
        return p if item.value else 1 - p
    if isinstance(item.value, str):
        patterns = [p.id for p in base.model.known.catalogue.exams[item.id].results]
        return float(base.results(item.id)[patterns.index(item.value), d])
    own = _density(base, item.id, item.value, d, at[k][1] if k is not None else 0)
    crowd = sum(
        float(weight) * _density(base, item.id, item.value, row, level)
        for (row, level), weight in _cells(base, item.id)
        if weight > 0
    )
    return (1 - INCIDENTAL) * own + INCIDENTAL * crowd


def _cells(base: Frame, exam: str) -> list[tuple[tuple[int, int], float]]:
    table = base.crowd_levels(exam)
    return [((d, level), float(table[d, level])) for d in range(table.shape[0]) for level in range(table.shape[1])]


def _density(base: Frame, exam: str, value: float, d: int, level: int) -> float:
    """P(reported value | condition, level); the cell is integrated by the same rule, one number at a time."""
    mean, sd = base.value(exam)
    return exp(float(scales.log_cell(base.model.analyte(exam), value, mean[d, level], sd[d])[0]))


def largest_difference(using: Model, cases: int = CASES) -> float:
    """The largest gap between the oracle and the enumeration over a few drawn patients and facts."""
    worst = 0.0
    for seed in range(cases):
        patient = draw(using, 8_000_000_000 + seed)
        facts = some_facts(patient)
        exact = Belief(patient.frame).add(facts).posterior()
        worst = max(worst, *(abs(a - b) for a, b in zip(exact, enumerate_posterior(patient.frame, facts), strict=True)))
    return worst


def some_facts(patient: Patient) -> list[Evidence]:
    """Values on two latents and on none, a comorbidity, findings and a categorical result."""
    exams = ("crp", "wbc", "creatinine", "tsh")
    findings = ("fever", "ckd_known", "smoker", "fatigue", "ill_looking")
    return [
        *(Evidence(exam, patient.value(exam)) for exam in exams),
        *(Evidence(key, patient.finding(key)) for key in findings),
        Evidence("chest_xray", patient.result("chest_xray")),
    ]
