"""What the virtual clinic knows about an examination of one of its patients: the truth that draws are held against.

The truth is the distribution in patients with this complaint, age, sex and condition, and this patient's own result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from agents.knowledge.catalogue import Examination
from agents.world.draw import many_values, signs_of
from agents.world.virtual import VirtualCase

SAMPLES = 2000
LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class NumberTruth:
    """A measured value: quantiles at LEVELS (None where it is derived from others), and the patient's own."""

    exam: Examination
    quantiles: tuple[float, ...] | None
    own: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ChoiceTruth:
    """One way a report can read, or one sign: its probability (0..1), and whether it is this patient's own."""

    exam: Examination
    key: str
    name: str
    probability: float
    own: bool


Truth = NumberTruth | ChoiceTruth


def truths(case: VirtualCase, exam: str) -> list[Truth]:
    """Of every part of an examination that can be done in this patient, in the catalogue's order."""
    known = case.patient.model.known.catalogue
    leaves = [known.exams[leaf] for leaf in known.leaves(exam)]
    able = [leaf for leaf in leaves if leaf.possible_for(case.patient.age, case.patient.sex)]
    return [truth for leaf in able for truth in _of_leaf(case, leaf)]


def _of_leaf(case: VirtualCase, leaf: Examination) -> list[Truth]:
    if leaf.analyte:
        return [_number(case, leaf)]
    return [*_reports(case, leaf)] if leaf.results else [*_signs(case, leaf)]


def _number(case: VirtualCase, leaf: Examination) -> NumberTruth:
    patient, analyte = case.patient, leaf.analyte
    assert analyte is not None
    quantiles = None
    if not analyte.rule:
        rng = np.random.default_rng(0)
        drawn = many_values(patient.frame, patient.column, leaf.id, SAMPLES, rng)
        quantiles = tuple(float(x) for x in np.quantile(drawn, LEVELS))
    low, high = analyte.interval(patient.age, patient.sex)
    return NumberTruth(leaf, quantiles, patient.value(leaf.id), low, high)


def _reports(case: VirtualCase, leaf: Examination) -> list[ChoiceTruth]:
    patient = case.patient
    shares = patient.frame.results(leaf.id)[:, patient.column] @ patient.frame.state[patient.column]  # (R,)
    own = patient.result(leaf.id)
    found = [
        ChoiceTruth(leaf, pattern.id, pattern.reports[0], float(share), pattern.id == own)
        for pattern, share in zip(leaf.results, shares, strict=True)
    ]
    return sorted(found, key=lambda choice: -choice.probability)


def _signs(case: VirtualCase, leaf: Examination) -> list[ChoiceTruth]:
    patient = case.patient
    signs = signs_of(patient.model, leaf.id, patient.age, patient.sex)
    rows = [patient.model.finding_index[sign] for sign in signs]
    told = patient.frame.told(rows)[:, patient.column] @ patient.frame.state[patient.column]  # (signs,)
    findings = patient.model.known.findings
    return [
        ChoiceTruth(leaf, sign, findings[sign].name, float(share), patient.finding(sign))
        for sign, share in zip(signs, told, strict=True)
    ]
