"""Which candidates a query takes: decided by the seed and each candidate's own id, so that others change nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeVar
from uuid import UUID

from clinic.queue_query import QueueQuery, Stratum

NO_GROUP = "outside the knowledge"
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One consultation, or for A/B two: `other` is the second policy's, and `ends` are those of either."""

    id: UUID
    case: UUID
    version: int
    policy: str
    clinician: str
    group: str = ""
    ends: frozenset[str] = frozenset()
    other: UUID | None = None

    def stratum(self, by: Sequence[str]) -> str:
        parts = {
            Stratum.COMPLAINT: self.group or NO_GROUP,
            Stratum.POLICY: self.policy,
            Stratum.CLINICIAN: self.clinician,
        }
        return " · ".join(parts[Stratum(name)] for name in by)[:120]


@dataclass(frozen=True, slots=True)
class Chosen:
    candidate: Candidate
    stratum: str
    sampled: bool
    """False: taken because its kind of end is taken whole."""


def draw(seed: int, use: str, key: object) -> bytes:
    """A number that looks random and is always the same for these three."""
    return sha256(f"{seed}:{use}:{key}".encode()).digest()


def choose(candidates: Iterable[Candidate], query: QueueQuery, seed: int) -> list[Chosen]:
    """All of the ends that are wanted whole, and the share of the rest from each stratum; in the order to judge in."""
    whole = frozenset(query.all_of)
    strata: dict[str, list[Candidate]] = defaultdict(list)
    chosen: list[Chosen] = []
    for one in candidates:
        stratum = one.stratum(query.strata)
        if one.ends & whole:
            chosen.append(Chosen(one, stratum, sampled=False))
        else:
            strata[stratum].append(one)
    wanted = shares({stratum: len(found) for stratum, found in strata.items()}, query.rest_percent)
    for stratum, found in strata.items():
        ranked = sorted(found, key=lambda one: draw(seed, "sample", one.id))
        chosen += [Chosen(one, stratum, sampled=True) for one in ranked[: wanted[stratum]]]
    return sorted(chosen, key=lambda one: draw(seed, "order", one.candidate.id))


def shares(sizes: Mapping[Key, int], percent: int) -> dict[Key, int]:
    """`percent` of the whole, rounded once, and divided by largest remainder: small strata are not rounded away."""
    total = (sum(sizes.values()) * percent + 50) // 100
    exact = {key: divmod(size * percent, 100) for key, size in sizes.items()}
    found = {key: whole for key, (whole, _) in exact.items()}
    by_remainder = sorted(exact, key=lambda key: (-exact[key][1], str(key)))
    for key in by_remainder[: total - sum(found.values())]:
        found[key] += 1
    return found


def some(rows: Sequence[Key], percent: int, seed: int, use: str) -> list[Key]:
    """That share of the rows, at least one where any share is asked for, in the rows' own order."""
    if not rows or not percent:
        return []
    count = max(1, (len(rows) * percent + 50) // 100)
    taken = set(sorted(rows, key=lambda row: draw(seed, use, row))[:count])
    return [row for row in rows if row in taken]


def pairs(candidates: Iterable[Candidate], first: int, second: int, seed: int) -> list[Candidate]:
    """One pair for each case that both policies have seen; of several consultations the seed draws one."""
    seen: dict[UUID, dict[int, list[Candidate]]] = defaultdict(lambda: {first: [], second: []})
    for one in candidates:
        if one.version in (first, second):
            seen[one.case][one.version].append(one)
    return [
        _pair(*(min(both[version], key=lambda one: draw(seed, "pair", one.id)) for version in (first, second)))
        for both in seen.values()
        if all(both.values())
    ]


def _pair(one: Candidate, other: Candidate) -> Candidate:
    policies = f"{one.policy} and {other.policy}"
    ends = one.ends | other.ends
    return Candidate(one.id, one.case, one.version, policies, one.clinician, one.group, ends, other.id)
