"""What the virtual clinic itself would answer: P(result | disease, person, opening words, results so far), exactly.

The profile of a virtual patient is its complaint, age, sex, diagnosis and opening words, so this is the distribution
that a world model of that profile has to learn: the truth of calibration, and the upper bound of every metric.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, erf, floor, sqrt

import numpy as np
from numpy.typing import NDArray

from agents.knowledge.catalogue import Analyte
from agents.knowledge.conditions import LATENTS
from agents.world import scales
from agents.world.draw import Patient, pick, uniforms
from agents.world.grammar import Event
from agents.world.model import GRADES, INCIDENTAL, LEVELS, Model
from agents.world.oracle import Belief, Evidence
from agents.world.outcomes import latent_state
from agents.world.plausibility.earlier import values_of
from agents.world.plausibility.reading import read
from agents.world.virtual import VirtualCase

Array = NDArray[np.float64]
LOW, NORMAL, HIGH = "L", "N", "H"
PRESENT, ABSENT = "present", "absent"


@dataclass(frozen=True)
class Twin(Patient):
    """Another patient of the same presentation: its hidden state is given, and some of its results are known."""

    levels: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    known: Mapping[str, bool | float | str] = field(default_factory=dict)

    @cached_property
    def latent(self) -> dict[str, tuple[int, int]]:
        return dict(self.levels)

    def value(self, exam: str) -> float:
        return float(self.known[exam]) if exam in self.known else super().value(exam)

    def result(self, exam: str) -> str:
        return str(self.known[exam]) if exam in self.known else super().result(exam)

    def finding(self, key: str) -> bool:
        return bool(self.known[key]) if key in self.known else super().finding(key)


class Predictive:
    """The exact predictive distribution of one virtual case after some of its results.

    Derived values (anion gap, differential, eGFR) have no closed form: `outcomes` leaves them out, `twin` draws them.
    """

    def __init__(self, case: VirtualCase, history: Iterable[Event] = ()) -> None:
        self.case = case
        patient = case.patient
        self.frame = patient.frame.part(np.array([patient.column]))
        seen = [*case.opening.evidence, *evidence(history, patient.model)]
        self.known = {fact.id: fact.value for fact in seen}
        self.belief = Belief(self.frame).add(seen)
        self.state: Array = self.belief.grades()[0]  # (S,)
        self._by_latent: dict[int, Array] = {}

    def twin(self, seed: int) -> VirtualCase:
        """A patient drawn from the posterior of the hidden state, behind the same case id."""
        s = pick(self.state, uniforms(seed, "twin:state")[0])
        levels = {}
        for k, name in enumerate(LATENTS):
            u = uniforms(seed, f"twin:{name}")[0]
            levels[name] = divmod(pick(self._levels(k)[s].ravel(), u), LEVELS)
        truth = self.case.patient
        drawn = Twin(
            truth.model,
            seed,
            truth.group,
            truth.condition,
            truth.age,
            truth.sex,
            s % GRADES,
            s >= GRADES,
            levels,
            self.known,
        )
        return VirtualCase(self.case.id, drawn)

    def outcomes(self, leaf: str) -> dict[str, dict[str, float]]:
        """Per item of one examination (itself, or each of its signs): outcome to probability.

        Numbers are L, N or H against the catalogue's interval; results their ids; signs present or absent.
        """
        entry = self.frame.model.known.catalogue.exams[leaf]
        if entry.analyte:
            return {} if entry.analyte.rule else {leaf: self._flags(leaf, entry.analyte)}
        if entry.results:
            shares = self.frame.results(leaf)[:, 0] @ self.state
            return {leaf: {pattern.id: float(p) for pattern, p in zip(entry.results, shares, strict=True)}}
        return {sign: self._sign(sign) for sign in self._signs(leaf)}

    def _levels(self, k: int) -> Array:
        """P(comorbidity, level of latent k | S), (S, C, L)."""
        if k not in self._by_latent:
            weight = latent_state(self.belief, k)[0]
            self._by_latent[k] = np.asarray(weight / weight.sum(axis=(1, 2), keepdims=True))
        return self._by_latent[k]

    def _flags(self, leaf: str, known: Analyte) -> dict[str, float]:
        mean, sd = self.frame.value(leaf)  # (1, L), (1, 1)
        low, high = bounds(known, *known.interval(self.frame.age, self.frame.sex))
        own = _beyond(mean[0], sd[0, 0], low, high)  # (2, L)
        level = np.zeros((len(self.state), LEVELS))
        level[:, 0] = 1.0
        if known.latent:
            level = self._levels(LATENTS.index(known.latent)).sum(axis=1)
        mine = own @ level.T  # (2, S)
        whole = self.frame.whole[0] if self.frame.whole else self.frame
        others, spread = whole.value(leaf)
        crowd = whole.crowd_levels(leaf)
        theirs = (_beyond(others, spread, low, high) * crowd).sum(axis=(1, 2)) / crowd.sum()
        share = np.repeat(INCIDENTAL, GRADES)  # (S,)
        below, above = ((1 - share) * mine + share * theirs[:, None]) @ self.state
        if known.scale == "deficit":
            below, above = above, below
        return {LOW: float(below), NORMAL: float(1 - below - above), HIGH: float(above)}

    def _sign(self, sign: str) -> dict[str, float]:
        p = float(self.frame.told([self.frame.model.finding_index[sign]])[0, 0] @ self.state)
        return {PRESENT: p, ABSENT: 1 - p}

    def _signs(self, leaf: str) -> list[str]:
        able = (f for f in self.frame.model.findings if f.possible_for(self.frame.age, self.frame.sex))
        return [f.id for f in able if f.exam == leaf and not f.comorbidity]


def evidence(history: Iterable[Event], model: Model) -> list[Evidence]:
    """The results of a history as the oracle takes them; what it cannot read (and what is derived) is left out."""
    found: dict[str, bool | float | str] = {}
    for event in history:
        reading = read(event.name, event.result)
        found |= values_of(reading)
        found |= reading.facts
    return [Evidence(key, value) for key, value in found.items() if not _derived(model, key)]


def bounds(known: Analyte, low: float, high: float) -> tuple[float, float]:
    """On the analyte's scale, sorted: below the first a value is reported outside on one side, above the second."""
    step = scales.resolution(known)
    under = (ceil(low / step - 1e-9) - 0.5) * step
    over = (floor(high / step + 1e-9) + 0.5) * step
    first, second = _at(known, under), _at(known, over)
    return min(first, second), max(first, second)


def abnormal(outcome: str, exam: str, model: Model) -> bool:
    """Whether an outcome is an abnormal one: outside the interval, present, or not the first pattern."""
    if outcome in (LOW, HIGH, PRESENT):
        return True
    entry = model.known.catalogue.exams.get(exam)
    return bool(entry and entry.results) and outcome != entry.results[0].id  # type: ignore[union-attr]


def outcome_of(items: Sequence[str], name: str, text: str, age: float, sex: str, model: Model) -> dict[str, str]:
    """What a written result says about each item in the words of `outcomes`; an item it does not say is missing."""
    reading = read(name, text)
    values, facts = values_of(reading), reading.facts
    found: dict[str, str] = {}
    for item in items:
        if item in values:
            low, high = model.analyte(item).interval(age, sex)
            found[item] = LOW if values[item] < low else HIGH if values[item] > high else NORMAL
        elif item in facts:
            fact = facts[item]
            found[item] = fact if isinstance(fact, str) else PRESENT if fact else ABSENT
    return found


def _derived(model: Model, key: str) -> bool:
    entry = model.known.catalogue.exams.get(key)
    return bool(entry and entry.analyte and entry.analyte.rule)


def _at(known: Analyte, value: float) -> float:
    """A bound on the scale; one that no value reaches is infinite."""
    if known.scale == "log" and value <= scales.resolution(known):
        return -np.inf  # a log value is reported as one step at least
    if known.scale == "deficit" and value >= 100:
        return -np.inf
    return scales.forward(known, value)


def _beyond(mean: Array, sd: Array | float, low: float, high: float) -> Array:
    """P(x < low), P(x > high) of normals, (2, ...)."""
    below = _phi((low - mean) / sd)
    above = 1 - _phi((high - mean) / sd)
    return np.stack([below, above])


def _phi(z: Array) -> Array:
    return np.asarray(np.vectorize(lambda x: 0.5 * (1 + erf(x / sqrt(2))), otypes=[float])(z))
