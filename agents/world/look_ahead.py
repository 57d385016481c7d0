"""What an examination might show and how that would move the differential: k simulated results, never a finding."""

from __future__ import annotations

from dataclasses import dataclass

from agents.world.model import model
from agents.world.oracle import Belief
from agents.world.outcomes import Parts
from agents.world.planning import LEAST, Planner

DRAWS = 12
FOLLOWED = 4
"""Conditions whose movement is shown: those that are probable now, or would be."""


@dataclass(frozen=True, slots=True)
class Moved:
    """One condition: its probability now, and after each simulated result, (k,)."""

    condition: str
    now: float
    after: tuple[float, ...]

    @property
    def low(self) -> float:
        return min(self.after)

    @property
    def high(self) -> float:
        return max(self.after)


@dataclass(frozen=True, slots=True)
class Ahead:
    """`bits`: expected information of the examination; `usd` and `minutes` are the catalogue's estimates."""

    exam: str
    name: str
    bits: float
    usd: float
    minutes: float
    settles: float
    """Share of the simulated results after which one condition has at least 80 %."""
    moved: tuple[Moved, ...]
    draws: int
    version: str
    """Of the knowledge that simulated."""

    @property
    def bits_per_100_usd(self) -> float | None:
        """Expected information per cost; None where the examination costs nothing."""
        return self.bits / self.usd * 100 if self.usd else None


def look_ahead(belief: Belief, exam: str, *, draws: int = DRAWS) -> Ahead | None:
    """Simulated by the virtual clinic's own posterior predictive; None if all of it is known or impossible.

    Raises KeyError for an examination that the catalogue does not have.
    """
    narrow = belief.narrowed(LEAST)
    entry = narrow.frame.model.known.catalogue.exams[exam]
    parts = Parts(narrow, exam)
    promised = Planner().examination(narrow, exam)
    if promised is None or not parts.any:
        return None
    after = parts.sampled(draws).posterior  # (k, D)
    now = narrow.posterior()  # (D,)
    prominence = (after.max(axis=0) + now).argsort()[::-1][:FOLLOWED]
    return Ahead(
        exam=exam,
        name=entry.name,
        bits=promised.bits,
        usd=entry.cost,
        minutes=entry.delay,
        settles=float((after.max(axis=1) >= 0.8).mean()),
        moved=tuple(
            Moved(narrow.frame.ids[n], float(now[n]), tuple(float(p) for p in sorted(after[:, n]))) for n in prominence
        ),
        draws=draws,
        version=model().known.version,
    )


def candidates(belief: Belief, *, first: str | None = None, most: int = 3) -> list[str]:
    """`first` (the agent's choice), then the examinations with most expected information for their price."""
    ranked = Planner().candidates(belief, ask=False)
    best = sorted(ranked, key=lambda candidate: (candidate.cost - 0.03 * candidate.bits, candidate.id))
    chosen = [first] if first else []
    chosen += [candidate.id for candidate in best if candidate.bits > 0.01 and candidate.id != first]
    return chosen[:most]
