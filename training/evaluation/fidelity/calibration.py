"""Exact calibration against the virtual clinic: do the draws of a profile follow P(result | disease)?

Numbers are compared as low, normal or high, categorical results by their id, signs as present or absent; the truth is
computed from the knowledge model, not estimated. Needs blank draws of virtual patients.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from math import log

import numpy as np
from numpy.typing import NDArray

from agents.knowledge.catalogue import catalogue
from agents.world.grammar import Event
from agents.world.model import Model
from agents.world.oracle import Belief
from agents.world.plausibility.reading import exam_id
from training.evaluation.fidelity.drawers import clinic_case
from training.evaluation.fidelity.draws import Drawn, Mode, of_mode
from training.evaluation.fidelity.exact import Predictive, abnormal, evidence, outcome_of
from training.evaluation.fidelity.resampling import Interval, absolute, index, ratio_ci, weighted_ci
from training.evaluation.statistics import bootstrap_ci

Array = NDArray[np.float64]
FEWEST = 8
"""Draws of a (condition, item) pair from which its shares are compared."""
BINS = 10
NOISE = 200
UNREADABLE = "unreadable"


@dataclass
class Pair:
    """One item (a value, a categorical result, a sign) in one condition, over all its patients of the sample."""

    condition: str
    item: str
    exam: str
    drawn: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    truth: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    n: int = 0
    exact: list[dict[str, float]] = field(default_factory=list)
    """The exact distribution behind each draw: patients of one condition differ in age, sex and opening words."""

    def shares(self) -> tuple[Array, Array]:
        """Drawn and exact probabilities over the same outcomes, (R,) each."""
        keys = sorted({*self.truth, *self.drawn})
        return tuple(np.array([table.get(key, 0.0) for key in keys]) / self.n for table in (self.drawn, self.truth))  # type: ignore[return-value]

    @property
    def variation(self) -> float:
        """Total variation distance, 0..1."""
        drawn, truth = self.shares()
        return float(np.abs(drawn - truth).sum() / 2)

    @property
    def divergence(self) -> float:
        """KL(exact || drawn) in bits, the drawn shares smoothed by half a count per outcome."""
        drawn, truth = self.shares()
        smooth = (drawn * self.n + 0.5) / (self.n + 0.5 * len(drawn))
        some = truth > 0
        return float((truth[some] * np.log2(truth[some] / smooth[some])).sum())

    def noise(self, rng: np.random.Generator) -> float:
        """The total variation that as many exact draws would show by chance."""
        keys = sorted(self.truth)
        table = np.array([[one[key] for key in keys] for one in self.exact]).clip(0)
        distinct, count = np.unique(table / table.sum(axis=1, keepdims=True), axis=0, return_counts=True)
        sample = sum(rng.multinomial(n, p, size=NOISE) for n, p in zip(count, distinct, strict=True)) / self.n
        return float(np.abs(sample - table.mean(axis=0)).sum(axis=1).mean() / 2)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Means over pairs weighted by draws. `excess` is the total variation beyond what chance gives; `abnormal_ece` is
    |observed - exact| rate of abnormal outcomes over bins of the exact probability; `unreadable` a share of items."""

    variation: float | None
    variation_ci: Interval
    noise: float | None
    excess: float | None
    excess_ci: Interval
    divergence: float | None
    divergence_ci: Interval
    abnormal_ece: float | None
    abnormal_ci: Interval
    unreadable: float | None
    pairs: int
    items: int


def measure(rows: Sequence[Drawn], *, fewest: int = FEWEST, seed: int = 0) -> Calibration:
    """The calibration of the blank draws of virtual patients; all None where there are none."""
    pairs, told = collect(rows)
    enough = [pair for pair in pairs if pair.n >= fewest]
    weight = np.array([pair.n for pair in enough], dtype=float)
    rng = np.random.default_rng(seed)
    variation = np.array([pair.variation for pair in enough])
    noise = np.array([pair.noise(rng) for pair in enough])
    divergence = np.array([pair.divergence for pair in enough])
    groups = [pair.condition for pair in enough]

    def mean(values: Array) -> float | None:
        return float((values * weight).sum() / weight.sum()) if len(values) else None

    def interval(values: Array) -> Interval:
        return ratio_ci(values * weight, weight, groups, seed=seed) if len(values) else None

    ece, ece_ci = _reliability(told, seed)
    return Calibration(
        mean(variation),
        interval(variation),
        mean(noise),
        mean(variation - noise),
        interval(variation - noise),
        mean(divergence),
        interval(divergence),
        ece,
        ece_ci,
        float(np.mean([t.outcome == UNREADABLE for t in told])) if told else None,
        len(enough),
        len(told),
    )


@dataclass(frozen=True, slots=True)
class Told:
    """One item of one draw: what was written, whether that is abnormal, and the exact probability of abnormal."""

    case: str
    outcome: str
    abnormal: bool
    exact: float


def collect(rows: Sequence[Drawn]) -> tuple[list[Pair], list[Told]]:
    """Pairs and single items of all blank draws of virtual patients."""
    pairs: dict[tuple[str, str], Pair] = {}
    told: list[Told] = []
    for row in of_mode(rows, Mode.BLANK):
        case = clinic_case(row.case)
        asked = exam_id(row.exam)
        if case is None or asked is None or not row.draws:
            continue
        patient, predicted = case.patient, _outcomes(row.case, asked)
        for text in row.draws:
            said = outcome_of(list(predicted), row.exam, text, patient.age, patient.sex, patient.model)
            for item, exact in predicted.items():
                outcome = said.get(item, UNREADABLE)
                _add(pairs, row.condition, item, row.exam, outcome, exact)
                told.append(_told(row.case, item, outcome, exact, patient.model))
    return list(pairs.values()), told


def _add(
    pairs: dict[tuple[str, str], Pair], condition: str, item: str, exam: str, outcome: str, exact: dict[str, float]
) -> None:
    pair = pairs.setdefault((condition, item), Pair(condition, item, exam))
    pair.n += 1
    pair.drawn[outcome] += 1
    pair.exact.append(exact)
    for key, p in exact.items():
        pair.truth[key] += p


def _told(case: str, item: str, outcome: str, exact: dict[str, float], model: Model) -> Told:
    p = sum(share for key, share in exact.items() if abnormal(key, item, model))
    return Told(case, outcome, outcome != UNREADABLE and abnormal(outcome, item, model), p)


def _reliability(told: Sequence[Told], seed: int) -> tuple[float | None, Interval]:
    """Over bins of the exact probability, weighted by items; unreadable items are in `unreadable`, not here."""
    readable = [one for one in told if one.outcome != UNREADABLE]
    if not readable:
        return None, None
    exact = np.array([one.exact for one in readable])
    seen = np.array([one.abnormal for one in readable], dtype=float)
    cases, count = index([one.case for one in readable])
    place = np.minimum((exact * BINS).astype(int), BINS - 1)
    table = np.zeros((3, BINS, count))
    for n, values in enumerate((np.ones_like(exact), exact, seen)):
        np.add.at(table[n], (place, cases), values)

    def statistic(weight: Array) -> Array:
        total, stated, observed = np.einsum("nbc,rc->nrb", table, weight)
        return np.asarray(np.abs(stated - observed).sum(axis=1) / np.maximum(total.sum(axis=1), 1))

    return float(statistic(np.ones((1, count)))[0]), weighted_ci(statistic, count, seed=seed)


@lru_cache(maxsize=8192)
def _outcomes(case: str, exam: str) -> dict[str, dict[str, float]]:
    opened = clinic_case(case)
    assert opened is not None
    predictive, patient = _blank(case), opened.patient
    exams = catalogue().exams
    able = [leaf for leaf in catalogue().leaves(exam) if exams[leaf].possible_for(patient.age, patient.sex)]
    return {item: exact for leaf in able for item, exact in predictive.outcomes(leaf).items()}


@lru_cache(maxsize=512)
def _blank(case: str) -> Predictive:
    opened = clinic_case(case)
    assert opened is not None
    return Predictive(opened)


@dataclass(frozen=True, slots=True)
class Chain:
    """Mean surprise, in bits per item, of whole chains under the exact model of the patient's disease.

    A world that draws each result by itself is more surprising than the truth, one that always writes the commonest
    result less: as near to `real` as possible is faithful.
    """

    value: float | None
    interval: Interval
    real: float | None
    off: float | None
    off_ci: Interval
    chains: int


def surprise(rows: Sequence[Drawn], *, seed: int = 0) -> Chain:
    """Of the free-running chains of virtual patients, against the same patients' true results."""
    chains: dict[str, list[Drawn]] = defaultdict(list)
    for row in of_mode(rows, Mode.FREE):
        if row.draws and clinic_case(row.case):
            chains[row.case].append(row)
    found = [
        (
            *_bits(case, [Event(s.exam, s.draws[0]) for s in steps]),
            *_bits(case, [Event(s.exam, s.truth) for s in steps]),
        )
        for case, steps in chains.items()
    ]
    if not found:
        return Chain(None, None, None, None, None, 0)
    table = np.array(found)  # (cases, 4): bits and items drawn, bits and items true

    def each(sample: Array) -> Array:
        total = sample.sum(axis=-2)
        return np.asarray(total[..., ::2] / np.maximum(total[..., 1::2], 1))

    drawn, real = (float(x) for x in each(table))
    return Chain(
        drawn,
        bootstrap_ci(table, statistic=lambda sample: each(sample)[..., :1], seed=seed),
        real,
        abs(drawn - real),
        absolute(bootstrap_ci(table, statistic=lambda sample: np.diff(each(sample)), seed=seed)),
        len(found),
    )


def _bits(case: str, events: Sequence[Event]) -> tuple[float, int]:
    """-log2 P(results | disease, opening) and the number of items in them that the oracle reads."""
    before, after = _blank(case).belief, _blank(case).belief.copy()
    facts = [fact for fact in evidence(events, before.frame.model) if fact.id not in before.evidence]
    after.add(facts)
    return (_log_evidence(before) - _log_evidence(after)) / log(2), len(facts)


def _log_evidence(belief: Belief) -> float:
    joint = belief.log_joint()
    return float(joint.max() + np.log(np.exp(joint - joint.max()).sum()))
