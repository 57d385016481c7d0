"""The model as it stands for one presentation: complaint, age and sex known, nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from agents.knowledge.conditions import LATENTS
from agents.world import scales
from agents.world.model import (
    ATYPICAL,
    KINDS,
    LEVELS,
    MISLEADING,
    Model,
    age_sex_weight,
    blur,
    kinds,
    model,
)

Array = NDArray[np.float64]


class UnknownPresentation(ValueError):
    """No condition of the knowledge fits this complaint, age and sex."""


@dataclass
class Frame:
    """Tables of one presentation. D counts only the conditions that are possible in it."""

    model: Model
    group: str | None
    age: float
    sex: str
    rows: NDArray[np.int_]  # (D,) into model.conditions
    prior: Array  # (D,)
    severity: Array  # (D, GRADES)
    findings: Array  # (F, D, GRADES): P(finding) were it this patient's own
    crowd: Array  # (F,): P(finding) in patients with this complaint
    joint: Array  # (K, D, GRADES, C, L): P(comorbidity, level | D, severity)
    bit: dict[int, Array] = field(default_factory=dict)  # P(C | D), (D, C)
    whole: tuple[Frame, NDArray[np.int_]] | None = None  # the frame this is a part of, and which of its rows
    _results: dict[str, Array] = field(default_factory=dict)
    _means: dict[str, tuple[Array, Array]] = field(default_factory=dict)

    @cached_property
    def state(self) -> Array:
        """P(kind of presentation, severity | D), (D, S)."""
        return np.concatenate([(1 - ATYPICAL) * self.severity, ATYPICAL * self.severity], axis=1)

    def told(self, rows: Sequence[int]) -> Array:
        """P(told or seen | D, S) of findings, misleading channel included, (len(rows), D, S)."""
        own = np.concatenate([self.findings[rows]] * KINDS, axis=-1)
        share = kinds(MISLEADING)
        return (1 - share) * own + share * self.crowd[rows, None, None]

    @property
    def ids(self) -> list[str]:
        return [self.model.conditions[n].id for n in self.rows]

    def value(self, exam: str) -> tuple[Array, Array]:
        """Mean (D, L) and residual sd (D, 1) of a measured value on its scale."""
        if exam not in self._means:
            analyte = self.model.analyte(exam)
            offset, slope, sd = (column[self.rows] for column in self.model.value(exam))
            centre, _ = scales.healthy(analyte, self.age, self.sex)
            mean = centre + offset[:, None] + slope[:, None] * np.arange(LEVELS)
            self._means[exam] = mean, sd[:, None]
        return self._means[exam]

    def crowd_levels(self, exam: str) -> Array:
        """P(D, L of the value's latent) in patients with this complaint, (D, L)."""
        latent = self.model.analyte(exam).latent
        if latent is None:
            only = np.zeros((len(self.rows), LEVELS))
            only[:, 0] = self.prior
            return only
        return self._crowd_levels[LATENTS.index(latent)]

    @cached_property
    def _crowd_levels(self) -> Array:
        if self.whole:
            return self.whole[0]._crowd_levels[:, self.whole[1]]
        return np.einsum("d,ds,kdscl->kdl", self.prior, self.severity, self.joint)

    def results(self, exam: str) -> Array:
        """P(result | D, S), (R, D, S)."""
        if self.whole:
            return self.whole[0].results(exam)[:, self.whole[1]]
        if exam not in self._results:
            p = self.model.results(exam)[:, self.rows]
            self._results[exam] = kinds(blur(p, p @ self.prior))
        return self._results[exam]

    def part(self, keep: NDArray[np.int_]) -> Frame:
        """The frame of some of its conditions; what other patients are like stays that of the whole."""
        return replace(
            self,
            rows=self.rows[keep],
            prior=self.prior[keep],
            severity=self.severity[keep],
            findings=self.findings[:, keep],
            joint=self.joint[:, keep],
            bit={k: table[keep] for k, table in self.bit.items()},
            whole=(self, keep),
            _results={},
            _means={},
        )

    def told_comorbidity(self, finding: int) -> Array:
        """P(told yes | kind of presentation, C), (KINDS, 2), misleading channel included."""
        return MISLEADING[:, None] * self.crowd[finding] + (1 - MISLEADING[:, None]) * np.array([0.0, 1.0])


def frame(group: str | None, age: float, sex: str, *, using: Model | None = None) -> Frame:
    """The frame of a complaint group (None: all groups alike), age in years, sex "male" | "female".

    Raises UnknownPresentation.
    """
    if using is None:
        return _cached(model(), group, int(age), sex)
    return _build(using, group, int(age), sex)


@lru_cache(maxsize=256)
def _cached(using: Model, group: str | None, age: int, sex: str) -> Frame:
    return _build(using, group, age, sex)


def _build(using: Model, group: str | None, age: int, sex: str) -> Frame:
    weight = np.array([_weight(using, n, group) for n in range(len(using.conditions))])
    fits = np.array([age_sex_weight(condition, age, sex) for condition in using.conditions])
    prior = weight * fits
    rows = np.flatnonzero(prior > 0)
    if not len(rows):
        raise UnknownPresentation(f"no condition with complaint {group!r} at age {age}, {sex}")
    prior = prior[rows] / prior.sum()
    severity = using.severity[rows]
    findings = _findings(using, group, age, sex, rows)
    crowd = np.einsum("d,ds,fds->f", prior, severity, findings)
    bits = {k: using.comorbidity(k, age, rows) for k in range(len(LATENTS))}
    joint = np.stack([bits[k][:, None, :, None] * using.levels[k, rows] for k in range(len(LATENTS))])
    return Frame(using, group, age, sex, rows, prior, severity, findings, crowd, joint, bits)


def _weight(using: Model, n: int, group: str | None) -> float:
    """P(condition | complaint), up to the sum over the complaint."""
    mine = using.conditions[n].groups
    if group is not None:
        return mine.get(group, 0.0) / group_total(using, group)
    return sum(weight / group_total(using, key) for key, weight in mine.items())


def group_total(using: Model, group: str) -> float:
    """The sum of the authored weights of a complaint."""
    total = using.totals.get(group, 0.0)
    if total <= 0:
        raise UnknownPresentation(f"unknown complaint {group!r}")
    return total


def _findings(using: Model, group: str | None, age: float, sex: str, rows: NDArray[np.int_]) -> Array:
    """P(finding | D, severity) in this presentation, (F, D, GRADES); the complaint itself is certain."""
    background = np.array([finding.rate(age) for finding in using.findings])
    p = using.graded[:, rows]
    p = np.where(np.isnan(p), background[:, None, None], p)
    possible = np.array([finding.possible_for(age, sex) for finding in using.findings])
    p = np.where(possible[:, None, None], p, 0.0)
    for key in using.known.groups[group].presents_with if group else ():
        p[using.finding_index[key]] = 1.0
    return p
