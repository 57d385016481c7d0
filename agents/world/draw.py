"""Draws a patient from the model; every fact is a function of (seed, patient, what is asked), so order is nothing."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from agents.knowledge.conditions import LATENTS, Condition
from agents.world import scales
from agents.world.frame import Frame, frame, group_total
from agents.world.model import ATYPICAL, GRADES, INCIDENTAL, LEVELS, MISLEADING, Model
from agents.world.oracle import Evidence

Array = NDArray[np.float64]
_NORMAL = NormalDist()


def uniforms(seed: int, what: str) -> tuple[float, float, float, float]:
    """Four numbers in (0, 1), fixed by the seed and a name; the same on every machine and numpy version."""
    raw = blake2b(f"{seed}:{what}".encode(), digest_size=32).digest()
    a, b, c, d = ((int.from_bytes(raw[n : n + 8], "big") + 0.5) / 2.0**64 for n in (0, 8, 16, 24))
    return a, b, c, d


def pick(weights: Array, u: float) -> int:
    """The index that u in (0, 1) falls on."""
    total = np.cumsum(weights)
    return int(min(np.searchsorted(total, u * total[-1], side="right"), len(total) - 1))


@dataclass(frozen=True)
class Patient:
    """The truth behind a virtual case."""

    model: Model
    seed: int
    group: str
    condition: Condition
    age: int
    sex: str
    severity: int
    atypical: bool

    @cached_property
    def frame(self) -> Frame:
        return frame(self.group, self.age, self.sex, using=self.model)

    @cached_property
    def column(self) -> int:
        """Where the true condition stands in the frame."""
        return self.frame.ids.index(self.condition.id)

    @property
    def state(self) -> int:
        """The index of severity and kind of presentation in the frame."""
        return self.severity + GRADES * self.atypical

    @cached_property
    def latent(self) -> dict[str, tuple[int, int]]:
        """Comorbidity bit and level of each latent."""
        found = {}
        for k, name in enumerate(LATENTS):
            joint = self.frame.joint[k, self.column, self.severity]  # (C, L)
            state = pick(joint.ravel(), uniforms(self.seed, f"latent:{name}")[0])
            found[name] = divmod(state, LEVELS)
        return found

    def misled(self, finding: str) -> bool:
        """Whether this finding comes from the misleading channel."""
        return uniforms(self.seed, f"finding:{finding}")[0] < float(MISLEADING[int(self.atypical)])

    def finding(self, key: str) -> bool:
        """Whether the finding is told or seen."""
        n = self.model.finding_index[key]
        _, u, _, _ = uniforms(self.seed, f"finding:{key}")
        if self.misled(key):
            return bool(u < self.frame.crowd[n])
        latent = self.model.findings[n].comorbidity
        if latent:
            return bool(self.latent[latent][0])
        return bool(u < self.frame.findings[n, self.column, self.severity])

    def value(self, exam: str) -> float:
        """A measured or derived value as reported, in the catalogue's unit."""
        analyte = self.model.analyte(exam)
        if analyte.rule:
            parts = [self.value(source) for source in analyte.sources]
            jitter = uniforms(self.seed, "differential")[0]
            return float(round(scales.derive(analyte.rule, parts, self.age, self.sex, jitter), analyte.decimals))
        incidental, where, noise, _ = uniforms(self.seed, f"value:{exam}")
        mean, sd = self.frame.value(exam)
        row, level = self.column, self.latent[analyte.latent][1] if analyte.latent else 0
        if incidental < INCIDENTAL[int(self.atypical)]:
            row, level = divmod(pick(self.frame.crowd_levels(exam).ravel(), where), LEVELS)
        return scales.report(analyte, mean[row, level] + sd[row, 0] * _NORMAL.inv_cdf(noise))

    def result(self, exam: str) -> str:
        """The id of the categorical result."""
        pattern = pick(self.frame.results(exam)[:, self.column, self.state], uniforms(self.seed, f"result:{exam}")[0])
        return self.model.known.catalogue.exams[exam].results[pattern].id

    def evidence(self, exam: str) -> list[Evidence]:
        """Everything that an examination (panels opened) tells the oracle about this patient."""
        return [fact for leaf in self.model.known.catalogue.measured(exam) for fact in self._leaf(leaf)]

    def _leaf(self, leaf: str) -> list[Evidence]:
        found: list[Evidence] = []
        entry = self.model.known.catalogue.exams[leaf]
        if not entry.possible_for(self.age, self.sex):
            return found
        if entry.analyte:
            found.append(Evidence(leaf, self.value(leaf)))
        elif entry.results:
            found.append(Evidence(leaf, self.result(leaf)))
        else:
            found.extend(Evidence(sign, self.finding(sign)) for sign in signs_of(self.model, leaf, self.age, self.sex))
        return found


def signs_of(model: Model, exam: str, age: float, sex: str) -> list[str]:
    """The signs that a physical examination looks for in a person of this age and sex."""
    return [f.id for f in model.findings if f.exam == exam and f.possible_for(age, sex)]


def draw(model: Model, seed: int, group: str | None = None, *, having: Condition | None = None) -> Patient:
    """The patient of a seed; without a group the seed chooses one, `having` fixes the condition."""
    which, condition_u, sex_u, age_u = uniforms(seed, "patient")
    groups = [key for key in model.known.groups if any(key in condition.groups for condition in model.conditions)]
    group = group or groups[int(which * len(groups))]
    group_total(model, group)
    weights = np.array([condition.groups.get(group, 0.0) for condition in model.conditions])
    condition = having or model.conditions[pick(weights, condition_u)]
    sex = "male" if sex_u < condition.male else "female"
    years = np.arange(int(condition.age_min), int(condition.age_max) + 1)
    age = int(years[pick(np.exp(-0.5 * ((years - condition.age_mean) / condition.age_sd) ** 2), age_u)])
    severity_u, kind_u, _, _ = uniforms(seed, "severity")
    severity = pick(np.array(condition.severity), severity_u)
    return Patient(model, seed, group, condition, age, sex, severity, kind_u < ATYPICAL)


def many_values(base: Frame, column: int, exam: str, count: int, rng: np.random.Generator) -> Array:
    """The same distribution as `Patient.value` for one condition of a frame, drawn at once, (count,)."""
    analyte = base.model.analyte(exam)
    mean, sd = base.value(exam)
    state = rng.choice(base.state.shape[1], size=count, p=base.state[column])
    row, level = np.full(count, column), np.zeros(count, dtype=int)
    if analyte.latent:
        table = base.joint[LATENTS.index(analyte.latent), column].sum(axis=1).cumsum(axis=1)[state % GRADES]
        level = (table < rng.random((count, 1)) * table[:, -1:]).sum(axis=1)  # (count,) from (count, L)
    crowd = base.crowd_levels(exam).ravel()
    other = np.divmod(rng.choice(crowd.size, size=count, p=crowd / crowd.sum()), LEVELS)
    swapped = rng.random(count) < INCIDENTAL[state // GRADES]
    row, level = np.where(swapped, other[0], row), np.where(swapped, other[1], level)
    scaled = mean[row, level] + sd[row, 0] * rng.standard_normal(count)
    return np.array([scales.report(analyte, x) for x in scaled])


def many_results(base: Frame, column: int, exam: str, count: int, rng: np.random.Generator) -> Array:
    """Shares of the categorical results of one condition in `count` draws, (R,)."""
    table = base.results(exam)[:, column]  # (R, S)
    states = rng.multinomial(count, base.state[column])
    drawn = sum(rng.multinomial(n, table[:, s] / table[:, s].sum()) for s, n in enumerate(states))
    return np.asarray(drawn, dtype=float) / count
