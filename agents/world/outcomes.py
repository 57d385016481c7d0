"""What an examination may show, given what is known: posteriors after each outcome, exact or by Monte Carlo."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from agents.knowledge.conditions import LATENTS
from agents.world.draw import signs_of
from agents.world.model import GRADES, INCIDENTAL, LEVELS, kinds
from agents.world.oracle import FLOOR, Belief, marginal

Array = NDArray[np.float64]
Index = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Possible outcomes of a step: their weights (N,) and the posterior over conditions after each, (N, D)."""

    weight: Array
    posterior: Array


class Parts:
    """The still unknown items of one examination, and the posteriors after their outcomes."""

    def __init__(self, belief: Belief, exam: str) -> None:
        self.belief = belief
        self.base = belief.frame
        exams = self.base.model.known.catalogue
        leaves = [exams.exams[leaf] for leaf in exams.measured(exam)]
        leaves = [leaf for leaf in leaves if leaf.possible_for(self.base.age, self.base.sex)]
        fresh = [leaf for leaf in leaves if leaf.id not in belief.evidence]
        self.values = [leaf.id for leaf in fresh if leaf.analyte]
        self.results = [leaf.id for leaf in fresh if leaf.results]
        signs = [
            s
            for leaf in leaves
            if not leaf.analyte and not leaf.results
            for s in signs_of(self.base.model, leaf.id, self.base.age, self.base.sex)
        ]
        self.signs = [self.base.model.finding_index[s] for s in signs if s not in belief.evidence]

    @property
    def any(self) -> bool:
        return bool(self.values or self.results or self.signs)

    @property
    def single(self) -> bool:
        """Whether the outcomes can be summed exactly."""
        return not self.values and len(self.results) + len(self.signs) == 1

    @cached_property
    def table(self) -> Array:
        """P(outcome | D, S) of a single item, (R, D, S)."""
        if self.results:
            return np.maximum(self.base.results(self.results[0]), FLOOR)
        p = self.base.told(self.signs[:1])[0]
        return np.stack([p, 1 - p])

    def exact(self) -> Outcomes:
        joint = np.einsum("rds,ds->rd", self.table, self.belief.grades())
        weight = joint.sum(axis=1)
        return Outcomes(weight, joint / np.maximum(weight, 1e-300)[:, None])

    def branches(self) -> Iterable[tuple[float, Belief]]:
        """Weight and belief of each outcome of a single item."""
        for row, weight in zip(self.table, self.exact().weight, strict=True):
            if weight > 1e-4:
                after = self.belief.copy()
                after.direct += np.log(np.maximum(row, FLOOR))
                after.evidence = {**after.evidence, **dict.fromkeys(self.results)}  # type: ignore[dict-item]
                yield float(weight), after

    def sampled(self, draws: int) -> Outcomes:
        """Equally weighted draws from the posterior predictive, each with its exact posterior."""
        rng = np.random.default_rng(20240229)
        by_grade = self.belief.grades()
        flat = _stratified(by_grade.ravel(), draws, rng)
        d, s = np.divmod(flat, by_grade.shape[1])
        direct = np.zeros((draws, *by_grade.shape))
        for exam in self.results:
            table = np.maximum(self.base.results(exam), FLOOR)  # (R, D, S)
            direct += np.log(table[_choose(table[:, d, s].T, rng)])
        for n in self.signs:
            p = self.base.told([n])[0]
            seen = rng.random(draws) < p[d, s]
            direct += np.log(np.maximum(np.where(seen[:, None, None], p, 1 - p), FLOOR))
        return Outcomes(np.full(draws, 1 / draws), self._with_values(direct, d, s, rng))

    def _with_values(self, direct: Array, d: Index, s: Index, rng: np.random.Generator) -> Array:
        """Posterior (N, D) after the direct terms (N, D, S) and drawn values."""
        total = direct + self.belief.log_joint()
        levels = {k: self._draw_levels(k, d, s, rng) for k in self._latents()}
        tables: dict[int | None, Array] = {}
        for exam in self.values:
            latent = self.base.model.analyte(exam).latent
            k = LATENTS.index(latent) if latent else None
            level = levels[k] if k is not None else np.zeros(len(d), dtype=int)
            tables[k] = tables.get(k, 0.0) + self._value_table(exam, d, level, s // GRADES, rng)
        for k, table in tables.items():
            if k is None:
                total += kinds(table[..., 0])
            else:
                extra = self.belief.by_latent[k] + table[:, :, :, None, :]  # (N, D, KINDS, C, L)
                total += marginal(self.base.joint[k], extra) - self.belief.latent[k]
        weight = np.exp(total - total.max(axis=(1, 2), keepdims=True)).sum(axis=2)
        return np.asarray(weight / weight.sum(axis=1, keepdims=True))

    def _latents(self) -> set[int]:
        found = (self.base.model.analyte(exam).latent for exam in self.values)
        return {LATENTS.index(latent) for latent in found if latent}

    def _draw_levels(self, k: int, d: Index, s: Index, rng: np.random.Generator) -> Index:
        """Levels of latent k from its posterior given (D, S), (N,)."""
        return _choose(latent_state(self.belief, k).sum(axis=2)[d, s], rng)

    def _value_table(self, exam: str, d: Index, level: Index, kind: Index, rng: np.random.Generator) -> Array:
        """Draw a value for each draw; its log density up to a constant in every (D, KINDS, L), (N, D, KINDS, L)."""
        mean, sd = self.base.value(exam)
        crowd = self.base.crowd_levels(exam)
        other = _choose(np.tile(crowd.ravel(), (len(d), 1)), rng)
        row, at = np.where(
            rng.random(len(d)) < INCIDENTAL[kind], np.stack(np.divmod(other, LEVELS)), np.stack([d, level])
        )
        x = mean[row, at] + sd[row, 0] * rng.standard_normal(len(d))
        z = (x[:, None, None] - mean) / sd
        own = np.exp(-0.5 * z * z) / sd
        common = (own * crowd).sum(axis=(1, 2))[:, None, None, None]
        share = INCIDENTAL[:, None]
        return np.asarray(np.log((1 - share) * own[:, :, None, :] + share * common + 1e-300))


def _choose(weight: Array, rng: np.random.Generator) -> Index:
    """One index per row of (N, X) weights."""
    total = weight.cumsum(axis=1)
    return (total < rng.random((len(weight), 1)) * total[:, -1:]).sum(axis=1)


def _stratified(weight: Array, draws: int, rng: np.random.Generator) -> Index:
    """Indices drawn by weight with one draw per equal slice: less noise than independent draws."""
    total = weight.cumsum() / weight.sum()
    u = (np.arange(draws) + rng.random(draws)) / draws
    return np.minimum(np.searchsorted(total, u), len(weight) - 1)


def latent_state(belief: Belief, k: int) -> Array:
    """P(C, L of latent k, its evidence | D, S) up to a factor per (D, S), (D, S, C, L)."""
    table = belief.by_latent[k]
    weight = np.exp(table - table.max(axis=(2, 3), keepdims=True))  # (D, KINDS, C, L)
    by_kind = belief.frame.joint[k][:, None] * weight[:, :, None]  # (D, KINDS, GRADES, C, L)
    return np.asarray(by_kind.reshape(len(table), -1, *table.shape[2:]))
