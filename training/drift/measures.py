"""What is watched, each against its reference window: mixes by PSI, shares by Fisher's test, means by Welch's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from training.drift.reading import Held, mix
from training.drift.statistics import (
    CHANCE,
    FEWEST,
    PSI_ALARM,
    means_differ,
    proportions_differ,
    psi,
    psi_by_chance,
)

SHARE, MEAN, MIX = "share", "mean", "mix"


@dataclass(frozen=True, slots=True)
class Found:
    """One measure now and before; `alarm` only where it differs by more than chance and more than `tolerance`."""

    name: str
    title: str
    kind: str
    now: float | None
    before: float | None
    n: int
    m: int
    tolerance: float
    p: float | None = None
    psi: float | None = None
    alarm: bool = False
    now_mix: Counter[str] | None = None
    before_mix: Counter[str] | None = None

    @property
    def too_few(self) -> bool:
        return min(self.n, self.m) < FEWEST

    @property
    def words(self) -> str:
        """What an alarm says."""
        if self.kind == MIX:
            return f"{self.title} changed: stability index {self.psi or 0:.2f} ({self.n} now, {self.m} before)."
        form = ".0%" if self.kind == SHARE else ".2f"
        now, before = (format(value or 0, form) for value in (self.now, self.before))
        return f"{self.title}: {now}, and {before} before ({self.n} and {self.m} counted, p {self.p:.1g})."


@dataclass(frozen=True, slots=True)
class Share:
    """(hits, n) of one consultation; of a window their sums."""

    name: str
    title: str
    tolerance: float
    of: Callable[[Held], tuple[int, int]]

    def counts(self, rows: Sequence[Held]) -> tuple[int, int]:
        pairs = [self.of(row) for row in rows]
        return sum(hits for hits, _ in pairs), sum(n for _, n in pairs)

    def value(self, rows: Sequence[Held]) -> float | None:
        hits, n = self.counts(rows)
        return hits / n if n else None

    def compare(self, now: Sequence[Held], before: Sequence[Held]) -> Found:
        pairs = self.counts(now), self.counts(before)
        (_, n), (_, m) = pairs
        values = self.value(now), self.value(before)
        p = proportions_differ(*pairs) if min(n, m) >= FEWEST else None
        sure = p is not None and p < CHANCE
        far = abs((values[0] or 0) - (values[1] or 0)) >= self.tolerance
        return Found(self.name, self.title, SHARE, *values, n, m, self.tolerance, p=p, alarm=sure and far)


@dataclass(frozen=True, slots=True)
class Mean:
    """One number of a consultation, None where it has none."""

    name: str
    title: str
    tolerance: float
    of: Callable[[Held], float | None]

    def values(self, rows: Sequence[Held]) -> list[float]:
        return [value for row in rows if (value := self.of(row)) is not None]

    def value(self, rows: Sequence[Held]) -> float | None:
        found = self.values(rows)
        return fmean(found) if found else None

    def compare(self, now: Sequence[Held], before: Sequence[Held]) -> Found:
        one, other = self.values(now), self.values(before)
        n, m = len(one), len(other)
        values = self.value(now), self.value(before)
        p = means_differ(one, other) if min(n, m) >= FEWEST else None
        sure = p is not None and p < CHANCE
        far = abs((values[0] or 0) - (values[1] or 0)) >= self.tolerance
        return Found(self.name, self.title, MEAN, *values, n, m, self.tolerance, p=p, alarm=sure and far)


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares of groups among those who came."""

    name: str
    title: str
    of: str

    def compare(self, now: Sequence[Held], before: Sequence[Held]) -> Found:
        one, other = mix(now, self.of), mix(before, self.of)
        n, m = len(now), len(before)
        index = psi(one, other) if n and m else None
        limit = max(PSI_ALARM, psi_by_chance(one, other)) if index is not None else PSI_ALARM
        alarm = index is not None and min(n, m) >= FEWEST and index >= limit
        found = Found(self.name, self.title, MIX, None, None, n, m, limit, psi=index, alarm=alarm)
        return replace(found, now_mix=one, before_mix=other)


def _squared(row: Held) -> float | None:
    return None if row.stated is None or row.right is None else (row.stated - row.right) ** 2


MIXES = (
    Mix("complaint", "Complaints", "complaint"),
    Mix("age", "Ages", "age"),
    Mix("sex", "Sexes", "sex"),
)
BEHAVIOUR: tuple[Share | Mean, ...] = (
    Share(
        "deferred", "Consultations that the agent deferred", 0.1, lambda r: (bool(r.deferred), r.deferred is not None)
    ),
    Share("overridden", "Recommendations that were overridden", 0.1, lambda r: (r.overrode, r.overrode + r.followed)),
    Share("malformed", "Answers that could not be read", 0.05, lambda r: (r.malformed, r.asked)),
    Mean("turns", "Turns of the agent", 1.0, lambda r: float(r.turns) if r.turns else None),
    Share("right", "Named what it turned out to be", 0.1, lambda r: (bool(r.right), r.right is not None)),
    Mean("brier", "Squared error of the stated probability", 0.05, _squared),
)
