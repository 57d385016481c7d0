"""The posterior again, by enumerating every state of small sub-models: slow, plain, and independent of the oracle."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import exp, prod

from agents.knowledge.conditions import LATENTS
from agents.world import scales
from agents.world.draw import Patient, draw
from agents.world.frame import Frame
from agents.world.model import GRADES, INCIDENTAL, LEVELS, MISLEADING, STATES, Model
from agents.world.oracle import Belief, Evidence

CASES = 6
SIZE = 12


def enumerate_posterior(base: Frame, evidence: list[Evidence]) -> list[float]:
    """P(D | evidence), summing over state and the (comorbidity, level) of every latent that evidence touches."""
    touched = sorted({k for item in evidence if (k := latent_of(base, item)) is not None})
    crowd = {item.id: _crowd(base, item) for item in evidence}
    weights = []
    for d in range(len(base.rows)):
        total = 0.0
        for s in range(STATES):
            for states in product(product(range(2), range(LEVELS)), repeat=len(touched)):
                at = dict(zip(touched, states, strict=True))
                chance = prod(float(base.joint[k, d, s % GRADES, c, level]) for k, (c, level) in at.items())
                chance *= prod(_chance(base, item, d, s, at, crowd[item.id]) for item in evidence)
                total += float(base.prior[d]) * float(base.state[d, s]) * chance
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


def _chance(base: Frame, item: Evidence, d: int, s: int, at: dict[int, tuple[int, int]], crowd: float) -> float:
    """P(one piece of evidence | the whole state); `crowd` is its probability in any patient of the complaint."""
    k, kind = latent_of(base, item), s // GRADES
    if isinstance(item.value, bool):
        n = base.model.finding_index[item.id]
        own = float(base.findings[n, d, s % GRADES]) if k is None else float(at[k][0])
        p = (1 - float(MISLEADING[kind])) * own + float(MISLEADING[kind]) * crowd
        return p if item.value else 1 - p
    if isinstance(item.value, str):
        patterns = [p.id for p in base.model.known.catalogue.exams[item.id].results]
        return float(base.results(item.id)[patterns.index(item.value), d, s])
    level = at[k][1] if k is not None else 0
    share = float(INCIDENTAL[kind])
    return (1 - share) * _density(base, item.id, item.value, d, level) + share * crowd


def _crowd(base: Frame, item: Evidence) -> float:
    if isinstance(item.value, bool):
        return float(base.crowd[base.model.finding_index[item.id]])
    if isinstance(item.value, str):
        return 0.0
    table = base.crowd_levels(item.id)
    cells = product(range(table.shape[0]), range(table.shape[1]))
    return sum(float(table[d, n]) * _density(base, item.id, item.value, d, n) for d, n in cells if table[d, n] > 0)


def _density(base: Frame, exam: str, value: float, d: int, level: int) -> float:
    """P(reported value | condition, level), one number at a time."""
    mean, sd = base.value(exam)
    return exp(float(scales.log_cell(base.model.analyte(exam), value, mean[d, level], sd[d])[0]))


def largest_difference(using: Model, cases: int = CASES) -> float:
    """The largest gap between oracle and enumeration over drawn patients of small sub-models."""
    worst = 0.0
    for seed in range(cases):
        small = submodel(using, sorted(using.index)[seed * SIZE : (seed + 1) * SIZE])
        patient = draw(small, 8_000_000_000 + seed)
        facts = some_facts(patient)
        exact = Belief(patient.frame).add(facts).posterior()
        plain = enumerate_posterior(patient.frame, facts)
        worst = max(worst, *(abs(a - b) for a, b in zip(exact, plain, strict=True)))
    return worst


def submodel(using: Model, ids: list[str]) -> Model:
    """The same knowledge with only these conditions; all of them where the list is empty."""
    kept = {key: using.known.conditions[key] for key in ids or using.index}
    return Model(replace(using.known, conditions=kept))


def some_facts(patient: Patient) -> list[Evidence]:
    """Values on two latents and on none, a comorbidity, findings and a categorical result."""
    exams = ("crp", "creatinine", "tsh")
    findings = ("fever", "ckd_known", "smoker", "fatigue", "ill_looking")
    return [
        *(Evidence(exam, patient.value(exam)) for exam in exams),
        *(Evidence(key, patient.finding(key)) for key in findings),
        Evidence("chest_xray", patient.result("chest_xray")),
    ]
