"""The generative model of the virtual clinic, as arrays: the same numbers draw patients and judge them.

Given a condition D: severity (3 grades) and whether the presentation is typical, together the state S (6); per
latent k a comorbidity bit C and a level L (0..4) with P(L | D, severity, C); findings independent given (D, S);
each measured value normal on its scale given (D, L) of its one latent; each categorical result given (D, S).
Some findings and values are another patient's with the same complaint, more often so in an atypical presentation;
its categorical results too are nearer to those of others, in such a way that the authored rates hold on the whole.
So the posterior factorises over latents and is summed exactly.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from agents.knowledge.catalogue import Analyte
from agents.knowledge.conditions import LATENTS, Condition, Knowledge, knowledge
from agents.world import scales

Array = NDArray[np.float64]

GRADES = 3
LEVELS = 5
KINDS = 2
STATES = KINDS * GRADES
"""State n is severity n % GRADES of a typical (n < GRADES) or an atypical presentation."""
ATYPICAL = 0.21
"""Share of atypical presentations."""
MISLEADING = np.array([0.01, 0.64])
"""Share of told or seen findings that are another patient's, typical and atypical: 14 % on the whole."""
INCIDENTAL = np.array([0.06, 0.98])
"""The same of measured values: the tails of real tests are heavy, and heavy together."""
BLURRED = 1.0
"""How far the categorical results of an atypical presentation move towards those of others, at most."""
GRADED_SLOPE = 0.8
"""Log-odds by which a graded finding rises per grade of severity."""
SEVERITY_SHIFT = 0.6
"""Levels by which an affected latent rises per grade of severity."""


class Model:
    """All conditions compiled; D is their number, in the order of `conditions`."""

    def __init__(self, known: Knowledge) -> None:
        self.known = known
        self.conditions: tuple[Condition, ...] = tuple(known.conditions.values())
        self.index = {condition.id: n for n, condition in enumerate(self.conditions)}
        self.findings = tuple(known.findings.values())
        self.finding_index = {finding.id: n for n, finding in enumerate(self.findings)}
        self.totals = {g: sum(c.groups.get(g, 0.0) for c in self.conditions) for g in known.groups}
        self.severity = np.array([c.severity for c in self.conditions])  # (D, S)
        self.listed = self._listed()  # (F, D), nan where the condition does not name the finding
        self.graded = self._graded()  # (F, D, S)
        self.levels = self._levels()  # (K, D, S, C, L)
        self.comorbid = {
            LATENTS.index(finding.comorbidity): n for n, finding in enumerate(self.findings) if finding.comorbidity
        }
        self._results: dict[str, Array] = {}
        self._values: dict[str, tuple[Array, Array, Array]] = {}

    def results(self, exam: str) -> Array:
        """P(result | condition) of a categorical examination, (R, D)."""
        if exam not in self._results:
            columns = [self._column(exam, condition) for condition in self.conditions]
            self._results[exam] = np.array(columns).T
        return self._results[exam]

    def value(self, exam: str) -> tuple[Array, Array, Array]:
        """Offset from the healthy mean, slope per level, residual sd of a measured value, each (D,)."""
        if exam not in self._values:
            rows = [self._value(exam, condition, n) for n, condition in enumerate(self.conditions)]
            offset, slope, sd = (np.array(column) for column in zip(*rows, strict=True))
            self._values[exam] = offset, slope, sd
        return self._values[exam]

    def analyte(self, exam: str) -> Analyte:
        analyte = self.known.catalogue.exams[exam].analyte
        if analyte is None:
            raise KeyError(exam)
        return analyte

    def _listed(self) -> Array:
        table = np.full((len(self.findings), len(self.conditions)), np.nan)
        for d, condition in enumerate(self.conditions):
            for key, probability in condition.findings.items():
                table[self.finding_index[key], d] = probability.p
        return table

    def _graded(self) -> Array:
        """P(finding | D, S) whose mean over severity is the authored number."""
        p = np.repeat(self.listed[:, :, None], GRADES, axis=2)
        rows = [n for n, finding in enumerate(self.findings) if finding.graded]
        p[rows] = _tilt(self.listed[rows], self.severity)
        return p

    def _levels(self) -> Array:
        """P(level | D, severity, comorbidity) for each latent."""
        mean = np.array([[c.latents.get(k, 0.0) for c in self.conditions] for k in LATENTS])  # (K, D)
        centred = np.arange(GRADES) - (self.severity @ np.arange(GRADES))[:, None]  # (D, S)
        shift = SEVERITY_SHIFT * centred[None] * (mean[:, :, None] >= 0.5)  # (K, D, S)
        mu = mean[:, :, None, None] + shift[..., None] + np.arange(2.0)  # (K, D, S, C)
        sd = 0.42 + 0.15 * np.clip(mu, 0, 4)
        z = (np.arange(LEVELS) - mu[..., None]) / sd[..., None]
        weight = np.exp(-0.5 * z * z)
        return weight / weight.sum(axis=-1, keepdims=True)

    def comorbidity(self, latent: int, age: float, rows: NDArray[np.int_]) -> Array:
        """P(C | D) of a latent's comorbidity at an age, (len(rows), 2)."""
        if latent not in self.comorbid:
            return np.tile([1.0, 0.0], (len(rows), 1))
        n = self.comorbid[latent]
        finding = self.findings[n]
        rate = finding.rate(age) if finding.min_age <= age <= finding.max_age else 0.0
        p = np.where(np.isnan(self.listed[n, rows]), rate, self.listed[n, rows])
        return np.stack([1 - p, p], axis=1)

    def _column(self, exam: str, condition: Condition) -> list[float]:
        patterns = self.known.catalogue.exams[exam].results
        named = {key: probability.p for key, probability in condition.exams.get(exam, {}).items()}
        rest = max(1.0 - sum(named.values()), 0.0)
        spread = sum(p.background for p in patterns if p.id not in named) or 1.0
        return [named.get(p.id, rest * p.background / spread) for p in patterns]

    def _value(self, exam: str, condition: Condition, d: int) -> tuple[float, float, float]:
        analyte = self.analyte(exam)
        slope = scales.step(analyte)
        healthy = {sex: scales.healthy(analyte, condition.age_mean, sex) for sex in ("male", "female")}
        usual = condition.male * healthy["male"][1] + (1 - condition.male) * healthy["female"][1]
        told = condition.values.get(exam)
        if told is None:
            return 0.0, slope, usual
        level_mean, level_var = self._level_moments(analyte.latent, condition, d)
        q1, q3 = scales.forward(analyte, told.q1), scales.forward(analyte, told.q3)
        total = abs(q3 - q1) / (2 * scales.QUARTILE)
        if slope and level_var > 0:
            # The latent may explain at most 70 % of the authored variance, or the quartiles could not be met.
            slope = float(np.sign(slope) * min(abs(slope), total * np.sqrt(0.7 / level_var)))
        apart = healthy["male"][0] - healthy["female"][0]
        within = total**2 - slope**2 * level_var - condition.male * (1 - condition.male) * apart**2
        base = condition.male * healthy["male"][0] + (1 - condition.male) * healthy["female"][0]
        offset = scales.forward(analyte, told.median) - base - slope * level_mean
        return offset, slope, float(np.sqrt(max(within, (0.3 * total) ** 2)))

    def _level_moments(self, latent: str | None, condition: Condition, d: int) -> tuple[float, float]:
        if latent is None:
            return 0.0, 0.0
        k = LATENTS.index(latent)
        bit = self.comorbidity(k, condition.age_mean, np.array([d]))[0]  # (C,)
        p = np.einsum("s,c,scl->l", self.severity[d], bit, self.levels[k, d])
        mean = float(p @ np.arange(LEVELS))
        return mean, float(p @ np.arange(LEVELS) ** 2) - mean**2


def kinds(table: Array) -> Array:
    """(..., KINDS) repeated over severity: (..., STATES)."""
    return np.repeat(table, GRADES, axis=-1)


def blur(p: Array, crowd: Array) -> Array:
    """Results of a typical and an atypical presentation, (R, D, KINDS), from p (R, D) and others' results (R,).

    An atypical presentation shows each result as often as others do, or as often as the authored rate allows
    (it cannot have more of a result than there is); what remains goes where there is room. The mixture is p.
    """
    most = p / ATYPICAL
    atypical = np.minimum((1 - BLURRED) * p + BLURRED * crowd[:, None], most)
    room = most - atypical
    atypical = atypical + room * (1 - atypical.sum(axis=0)) / np.maximum(room.sum(axis=0), 1e-12)
    typical = (p - ATYPICAL * atypical) / (1 - ATYPICAL)
    return np.clip(np.stack([typical, atypical], axis=-1), 0.0, 1.0)


def _tilt(p: Array, severity: Array) -> Array:
    """Spread p (F, D) over severity with slope GRADED_SLOPE, keeping its mean; Newton on the intercept."""
    safe = np.clip(p, 1e-6, 1 - 1e-6)
    intercept = np.log(safe / (1 - safe))
    lift = GRADED_SLOPE * np.arange(GRADES)
    for _ in range(30):
        by_grade = 1 / (1 + np.exp(-(intercept[..., None] + lift)))
        slope = (severity * by_grade * (1 - by_grade)).sum(axis=-1)
        intercept = intercept - ((severity * by_grade).sum(axis=-1) - safe) / np.maximum(slope, 1e-9)
    return np.where(np.isnan(p)[..., None], np.nan, 1 / (1 + np.exp(-(intercept[..., None] + lift))))


@cache
def model() -> Model:
    """The compiled shipped knowledge."""
    return Model(knowledge())


def age_sex_weight(condition: Condition, age: float, sex: str) -> float:
    """P(whole year of age, sex | condition): the normal cut to the condition's ages, times the share of the sex."""
    share = condition.male if sex == "male" else 1 - condition.male
    if not condition.age_min <= age <= condition.age_max:
        return 0.0
    years = np.arange(int(condition.age_min), int(condition.age_max) + 1)
    density = np.exp(-0.5 * ((years - condition.age_mean) / condition.age_sd) ** 2)
    at = np.exp(-0.5 * ((int(age) - condition.age_mean) / condition.age_sd) ** 2)
    return float(share * at / density.sum())
