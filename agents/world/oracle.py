"""The exact posterior over conditions after any set of findings and results, and what each of them argued."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.knowledge.conditions import LATENTS, Knowledge
from agents.world import scales
from agents.world.frame import Frame, frame
from agents.world.model import INCIDENTAL, KINDS, LEVELS, Model, kinds

Array = NDArray[np.float64]
FLOOR = 1e-12
"""No finding has probability 0: a record may contradict the knowledge, and must not break the oracle."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One observed fact: a finding (bool), a measured value (float) or a categorical result (its id)."""

    id: str
    value: bool | float | str

    def __str__(self) -> str:
        if isinstance(self.value, bool):
            return f"{'' if self.value else 'no '}{self.id}"
        return f"{self.id} {self.value}"


@dataclass(frozen=True, slots=True)
class Argument:
    """How one piece of evidence moved the log-odds of a condition, in bits, given all the rest."""

    evidence: Evidence
    bits: float


class Belief:
    """Posterior of one presentation; `add` is exact, its cost does not grow with the evidence so far."""

    def __init__(self, base: Frame) -> None:
        d, s = base.state.shape
        self.frame = base
        self.evidence: dict[str, Evidence] = {}
        self.direct = np.zeros((d, s))  # log P(evidence without latent | D, S)
        self.by_latent = np.zeros((len(LATENTS), d, KINDS, 2, LEVELS))  # log P(evidence | D, kind, C, L)
        self.latent = np.zeros((len(LATENTS), d, s))  # log P(evidence of a latent | D, S), summed over C and L

    def copy(self) -> Belief:
        other = Belief(self.frame)
        other.evidence = dict(self.evidence)
        other.direct, other.by_latent = self.direct.copy(), self.by_latent.copy()
        other.latent = self.latent.copy()
        return other

    def add(self, items: Iterable[Evidence]) -> Belief:
        """Take in evidence in place; a fact already known is skipped. Returns itself; raises KeyError."""
        touched = set()
        for item in items:
            if item.id not in self.evidence:
                self.evidence[item.id] = item
                touched.add(self._take(item))
        for k in touched - {None}:
            self.latent[k] = marginal(self.frame.joint[k], self.by_latent[k])
        return self

    def _take(self, item: Evidence) -> int | None:
        """Add one likelihood; the index of the latent it loads on, or None."""
        k, table = likelihood(self.frame, item)
        if k is None:
            self.direct += table
        else:
            self.by_latent[k] += table
        return k

    def log_joint(self) -> Array:
        """log P(D, S, evidence), (D, S)."""
        return np.log(self.frame.prior[:, None] * self.frame.state + 1e-300) + self.direct + self.latent.sum(axis=0)

    def grades(self) -> Array:
        """P(D, S | evidence), (D, S)."""
        joint = self.log_joint()
        weight = np.exp(joint - joint.max())
        return weight / weight.sum()

    def posterior(self) -> Array:
        """P(D | evidence), (D,), in the order of `frame.ids`."""
        return self.grades().sum(axis=1)

    def ranked(self) -> list[tuple[str, float]]:
        """Conditions with their probability, most probable first."""
        p = self.posterior()
        return [(self.frame.ids[n], float(p[n])) for n in np.argsort(-p, kind="stable")]

    def entropy(self) -> float:
        """Uncertainty about the condition, in bits."""
        return float(entropy(self.posterior()))

    def narrowed(self, least: float) -> Belief:
        """The belief about conditions of at least this probability (two or more of them): to plan faster."""
        p = self.posterior()
        keep = np.flatnonzero(p >= min(least, np.sort(p)[-2] if len(p) > 1 else 0.0))
        if len(keep) == len(p):
            return self
        other = Belief(self.frame.part(keep))
        other.evidence = self.evidence
        other.direct, other.by_latent = self.direct[keep].copy(), self.by_latent[:, keep].copy()
        other.latent = self.latent[:, keep].copy()
        return other

    def without(self, key: str) -> Belief:
        """The belief had this fact not been observed."""
        return Belief(self.frame).add(item for item in self.evidence.values() if item.id != key)

    def arguments(self, condition: str) -> list[Argument]:
        """What speaks for (bits above 0) and against a condition, strongest first.

        A fact's weight is the log-odds with it minus the log-odds without it, all other facts kept.
        """
        n = self.frame.ids.index(condition)
        now = _log_odds(self.posterior()[n])
        found = [
            Argument(item, (now - _log_odds(self.without(key).posterior()[n])) / np.log(2))
            for key, item in self.evidence.items()
        ]
        return sorted(found, key=lambda a: -abs(a.bits))


def belief(
    group: str | None, age: float, sex: str, evidence: Iterable[Evidence] = (), *, using: Model | None = None
) -> Belief:
    """The belief about a presentation after `evidence`; raises UnknownPresentation, KeyError."""
    return Belief(frame(group, age, sex, using=using)).add(evidence)


def likelihood(base: Frame, item: Evidence) -> tuple[int | None, Array]:
    """(None, log P(item | D, S) (D, S)), or (latent, log P(item | D, kind, C, L) (D, KINDS, 2, L)).

    Raises KeyError for an unknown finding, examination or result.
    """
    if isinstance(item.value, bool):
        return _finding(base, item.id, item.value)
    if isinstance(item.value, str):
        patterns = [p.id for p in base.model.known.catalogue.exams[item.id].results]
        if item.value not in patterns:
            raise KeyError(f"{item.id}.{item.value}")
        return None, np.log(np.maximum(base.results(item.id)[patterns.index(item.value)], FLOOR))
    return value_likelihood(base, item.id, item.value)


def value_likelihood(base: Frame, exam: str, value: float) -> tuple[int | None, Array]:
    """As `likelihood`, for the number that was reported, incidental values included."""
    analyte = base.model.analyte(exam)
    mean, sd = base.value(exam)
    own = np.maximum(scales.log_cell(analyte, value, mean, sd), -300.0)  # (D, L)
    crowd = np.log(INCIDENTAL * (base.crowd_levels(exam) * np.exp(own)).sum() + 1e-300)
    table = np.logaddexp(own[:, None, :] + np.log(1 - INCIDENTAL)[:, None], crowd[:, None])  # (D, KINDS, L)
    if analyte.latent is None:
        return None, kinds(table[:, :, 0])
    return LATENTS.index(analyte.latent), np.repeat(table[:, :, None, :], 2, axis=2)


def _finding(base: Frame, key: str, present: bool) -> tuple[int | None, Array]:
    n = base.model.finding_index[key]
    latent = next((k for k, row in base.model.comorbid.items() if row == n), None)
    if latent is None:
        p = base.told([n])[0]
        return None, np.log(np.maximum(p if present else 1 - p, FLOOR))
    told = base.told_comorbidity(n)
    told = np.log(np.maximum(told if present else 1 - told, FLOOR))
    return latent, np.broadcast_to(told[None, :, :, None], (len(base.rows), KINDS, 2, LEVELS))


def marginal(joint: Array, log_table: Array) -> Array:
    """log sum over (C, L) of P(C, L | D, severity) exp(log_table).

    joint (D, GRADES, C, L) and log_table (..., D, KINDS, C, L) give (..., D, S).
    """
    top = log_table.max(axis=(-2, -1))  # (..., D, KINDS)
    weight = np.exp(log_table - top[..., None, None])
    flat = weight.reshape(*weight.shape[:-2], -1)
    total = np.einsum("dsx,...dkx->...dks", joint.reshape(*joint.shape[:2], -1), flat)
    log_total = np.log(np.maximum(total, 1e-300)) + top[..., None]
    return log_total.reshape(*log_total.shape[:-2], -1)


def entropy(p: Array) -> Array:
    """Entropy in bits over the last axis."""
    return -(p * np.log2(np.maximum(p, 1e-300))).sum(axis=-1)


def _log_odds(p: float) -> float:
    p = min(max(p, 1e-15), 1 - 1e-15)
    return float(np.log(p / (1 - p)))


def name_of(known: Knowledge, condition: str) -> str:
    return known.conditions[condition].name
