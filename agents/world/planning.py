"""What to do next: information, expected value, cost and shift of each candidate, and when to stop.

Value of a belief: the best diagnosis' expected utility, 1 if right, MISSED less for a can't-miss condition that is
named otherwise. `greedy` takes the best one-step gain; where no single step pays, a short look-ahead decides
whether two do. Outcomes of one categorical item are summed exactly, of several by Monte Carlo with fixed draws.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from agents.knowledge.catalogue import Examination
from agents.world.model import GRADES
from agents.world.oracle import Belief, entropy
from agents.world.outcomes import Outcomes, Parts, latent_state

Array = NDArray[np.float64]
DRAWS = 64
LEAST = 0.001
"""Conditions less probable than this are left out of planning (never out of the posterior)."""
MISSED = 0.5
"""Utility lost when a can't-miss condition is named as something else; authors' choice."""


@dataclass(frozen=True, slots=True)
class CostModel:
    """Prices in units of one correct diagnosis; authors' choice, part of every reported number."""

    per_turn: float = 0.004
    per_dollar: float = 0.00003
    per_hour: float = 0.0008
    per_invasiveness: float = 0.006
    per_msv: float = 0.0008
    question: float = 0.002

    def price(self, exam: Examination) -> float:
        """Cost of one examination; long delays count up to two days."""
        hours = min(exam.delay / 60, 48.0)
        return (
            self.per_turn
            + self.per_dollar * exam.cost
            + self.per_hour * hours
            + self.per_invasiveness * max(exam.invasiveness - 1, 0)
            + self.per_msv * exam.radiation
        )


@dataclass(frozen=True, slots=True)
class Candidate:
    """One possible next step and what it promises."""

    id: str
    kind: str
    """"ask" or "examine"."""
    bits: float
    """Expected information gain."""
    gain: float
    """Expected rise of the value of the belief, cost not yet taken off."""
    shift: float
    """Expected total variation distance between the differential before and after."""
    cost: float

    @property
    def net(self) -> float:
        return self.gain - self.cost


class Planner:
    """Candidates and choices under one cost model; stateless but for tables that it shares between turns."""

    def __init__(self, cost: CostModel | None = None, *, draws: int = DRAWS, missed: float = MISSED) -> None:
        self.cost = cost or CostModel()
        self.draws = draws
        self.missed = missed

    def utility(self, belief: Belief) -> Array:
        """U[named, true], (D, D)."""
        conditions = [belief.frame.model.conditions[n] for n in belief.frame.rows]
        missed = np.array([self.missed if c.cant_miss else 0.0 for c in conditions])
        return np.where(np.eye(len(conditions), dtype=bool), 1.0, -missed[None, :])

    def value(self, belief: Belief) -> float:
        """Expected utility of stopping now."""
        return float((self.utility(belief) @ belief.posterior()).max())

    def diagnosis(self, belief: Belief) -> str:
        """The diagnosis with the best expected utility."""
        return belief.frame.ids[int((self.utility(belief) @ belief.posterior()).argmax())]

    def candidates(self, belief: Belief, exams: Iterable[str] | None = None, *, ask: bool = True) -> list[Candidate]:
        """Every step that could still tell something, best net gain first."""
        belief = belief.narrowed(LEAST)
        found = self._questions(belief) if ask else []
        for exam in exams if exams is not None else orderable(belief):
            candidate = self.examination(belief, exam)
            if candidate is not None:
                found.append(candidate)
        return sorted(found, key=lambda c: (-c.net, c.cost, c.id))

    def examination(self, belief: Belief, exam: str) -> Candidate | None:
        """What one examination promises; None if all of it is known or impossible. Raises KeyError."""
        belief = belief.narrowed(LEAST)
        parts = Parts(belief, exam)
        if not parts.any:
            return None
        outcomes = parts.exact() if parts.single else parts.sampled(self.draws)
        price = self.cost.price(belief.frame.model.known.catalogue.exams[exam])
        return self._candidate(belief, exam, "examine", outcomes, price)

    def _candidate(self, belief: Belief, key: str, kind: str, outcomes: Outcomes, cost: float) -> Candidate:
        now = belief.posterior()
        after, weight = outcomes.posterior, outcomes.weight
        utility = self.utility(belief)
        # Gain against the mean of the sampled posteriors, not of `now`: the noise of sampling cancels.
        mean = weight @ after
        bits = float(entropy(mean) - weight @ entropy(after))
        gain = float(weight @ (after @ utility.T).max(axis=1) - (utility @ mean).max())
        shift = float(weight @ (0.5 * np.abs(after - now).sum(axis=1)))
        return Candidate(key, kind, max(bits, 0.0), max(gain, 0.0), shift, cost)

    def _questions(self, belief: Belief) -> list[Candidate]:
        """All findings that can be asked for, at once: each has two outcomes."""
        base = belief.frame
        rows = [
            n
            for n, f in enumerate(base.model.findings)
            if f.kind != "sign" and f.id not in belief.evidence and f.possible_for(base.age, base.sex)
        ]
        if not rows:
            return []
        now = belief.posterior()
        yes = _rates(belief, rows)  # (Q, D)
        joint = np.stack([now * yes, now * (1 - yes)], axis=1)  # (Q, 2, D)
        weight = joint.sum(axis=2)
        after = joint / np.maximum(weight, 1e-300)[..., None]
        utility = self.utility(belief)
        bits = belief.entropy() - (weight * entropy(after)).sum(axis=1)
        gain = (weight * (after @ utility.T).max(axis=2)).sum(axis=1) - (utility @ now).max()
        shift = (weight * 0.5 * np.abs(after - now).sum(axis=2)).sum(axis=1)
        price = self.cost.per_turn + self.cost.question
        return [
            Candidate(base.model.findings[n].id, "ask", max(float(i), 0.0), max(float(g), 0.0), float(t), price)
            for n, i, g, t in zip(rows, bits, gain, shift, strict=True)
        ]

    def choose(
        self, belief: Belief, *, lookahead: int = 0, exams: Iterable[str] | None = None, ask: bool = True
    ) -> Candidate | None:
        """The next step, or None: stop and name `diagnosis`. `lookahead`: how many first steps to look behind."""
        ranked = self.candidates(belief, exams, ask=ask)
        if not ranked:
            return None
        if not lookahead:
            return ranked[0] if ranked[0].net > 0 else _promising(ranked)
        firsts = list(dict.fromkeys([*ranked[:lookahead], *sorted(ranked, key=_worth)[:lookahead]]))
        best = max(firsts, key=lambda c: self._two_steps(belief, c, ranked))
        return best if self._two_steps(belief, best, ranked) > 0 else None

    def _two_steps(self, belief: Belief, first: Candidate, ranked: Sequence[Candidate]) -> float:
        """Net gain of `first` followed by the best of a few second steps in each of its outcomes, or by none."""
        if first.kind == "ask":
            return max(first.net, 0.0) if first.net > 0 else first.bits * 0.02 - first.cost
        total = first.net
        seconds = [c for c in ranked if c.id != first.id and c.kind == "examine"][:4]
        parts = Parts(belief, first.id)
        if not parts.single or not seconds:
            return total
        for weight, after in parts.branches():
            step = self.candidates(after, [c.id for c in seconds], ask=False)
            total += weight * max(step[0].net if step else 0.0, 0.0)
        return total


def _promising(ranked: Sequence[Candidate]) -> Candidate | None:
    """Where no step changes the diagnosis by itself: the best information for its price, if it is cheap enough.

    A bit is priced at 0.03, found by comparing with exhaustive search on small models (benchmarks.oracle).
    """
    best = min(ranked, key=_worth)
    return best if best.bits * BIT_PRICE > best.cost else None


BIT_PRICE = 0.03


def _worth(candidate: Candidate) -> float:
    return candidate.cost - BIT_PRICE * candidate.bits - candidate.gain


def _rates(belief: Belief, rows: Sequence[int]) -> Array:
    """P(told yes | D, evidence so far) of each finding, (Q, D)."""
    base = belief.frame
    by_grade = belief.grades()
    share = by_grade / np.maximum(by_grade.sum(axis=1, keepdims=True), 1e-300)
    found = np.einsum("ds,qds->qd", share, base.told(rows))
    for k, row in base.model.comorbid.items():
        if row in rows:
            state = latent_state(belief, k).sum(axis=3)  # (D, S, C)
            bit = state / np.maximum(state.sum(axis=2, keepdims=True), 1e-300)
            told = np.repeat(base.told_comorbidity(row), GRADES, axis=0)  # (S, C)
            found[list(rows).index(row)] = (share[..., None] * bit * told).sum(axis=(1, 2))
    return np.clip(found, 0.0, 1.0)


def orderable(belief: Belief) -> list[str]:
    """Examinations that a clinician orders by name: panels, and single ones that no panel contains."""
    base = belief.frame
    return [
        exam
        for exam in stand_alone(base.model.known.catalogue.exams)
        if base.model.known.catalogue.exams[exam].possible_for(base.age, base.sex)
    ]


BUNDLES = frozenset({"physical_examination", "cmp"})
"""Panels of panels, not offered: their parts are."""
ALSO_ALONE = frozenset({"lactate", "glucose", "ferritin"})
"""Parts that are ordered by themselves."""


def stand_alone(exams: dict[str, Examination]) -> list[str]:
    """Ids without the parts of panels (a panel costs little more), without hidden ratios."""
    inside = {part for entry in exams.values() if entry.id not in BUNDLES for part in entry.parts}
    inside |= {source for entry in exams.values() if entry.analyte for source in entry.analyte.sources}
    return [key for key in exams if key not in inside - ALSO_ALONE and key not in BUNDLES]


def cheaper(cost: CostModel, factor: float) -> CostModel:
    """The same prices times a factor, to trace accuracy against cost."""
    return replace(cost, **{name: getattr(cost, name) * factor for name in cost.__slots__})


__all__ = ["Candidate", "CostModel", "Outcomes", "Planner", "cheaper", "orderable"]
