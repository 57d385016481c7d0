"""What must not be learned from although it is allowed: what measures, what is near to it, and what is there twice."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache

from agents.world.model import model
from agents.world.virtual import BANK, case_id, open_case
from clinic.learnable import PRACTISED
from clinic.models import Case
from training.gates import sealed
from training.models import EvaluatedEpisode, Gate
from training.snapshots.overlap import Index, Pieces, pieces
from training.snapshots.persons import person_of

GATE_CASES = 200
"""As many sealed patients as a gate plays at least (decisions.md 23)."""
MEASURING = ("validation", "test")
SEALED = "a sealed case of the gate"
WHY = {
    "same_person": "the same person is measured on",
    "near_measured": "nearly the same as a case that is measured on",
    "duplicate": "nearly the same as another case here",
}


@dataclass(frozen=True, slots=True)
class Removed:
    """A case that was taken out; `of` is what it repeats, never a sealed case's id."""

    case: str
    reason: str
    of: str

    def as_dict(self) -> dict[str, str]:
        return asdict(self)


def removed(cases: Iterable[Case]) -> list[Removed]:
    """By key, so that of two near-duplicates the first stays; a person's own further cases are no duplicates

    unless they read alike: the split keeps them together.
    """
    measured, persons, kept = _measured(), _measured_persons(), Index()
    found = []
    for case in sorted(cases, key=lambda one: one.key):
        said = pieces(case.complaint, case.history)
        reason = _why(case, said, measured, persons, kept)
        if reason:
            found.append(reason)
        else:
            kept.add(case.key, said)
    return found


def _why(case: Case, said: Pieces, measured: Sequence[Index], persons: frozenset[str], kept: Index) -> Removed | None:
    if person_of(case) in persons:
        return Removed(case.key, WHY["same_person"], "")
    for index in measured:
        if name := index.near(said):
            return Removed(case.key, WHY["near_measured"], _shown(name))
    if name := kept.near(said):
        return Removed(case.key, WHY["duplicate"], name)
    return None


def _shown(name: str) -> str:
    return SEALED if name.startswith("virtual:sealed:") else name


def _measured() -> tuple[Index, ...]:
    rows = EvaluatedEpisode.objects.exclude(case__startswith=PRACTISED).order_by("case").distinct("case")
    openings = rows.values_list("case", "opening")
    played = Index((case, pieces(str(told.get("complaint", "")), told.get("history") or {})) for case, told in openings)
    seeds = tuple(sorted({0, *Gate.objects.values_list("seed", flat=True).distinct()}))
    return (_kept_apart(model().known.version, seeds), played)


def _measured_persons() -> frozenset[str]:
    """Of evaluations' record cases: another case of such a person would tell the answer."""
    keys = EvaluatedEpisode.objects.exclude(case__startswith="virtual:").values_list("case", flat=True).distinct()
    return frozenset(person_of(case) for case in Case.objects.filter(key__in=list(keys)))


@lru_cache(maxsize=2)
def _kept_apart(knowledge: str, seeds: tuple[int, ...]) -> Index:
    """The virtual patients that measure: only their pieces are looked at, and nothing of them is written anywhere.

    Sealed ones come through the gate's own door, those of every seed that a gate has played.
    """
    ids = [case_id(split, number) for split in MEASURING for number in range(BANK[split])]
    records = [(name, open_case(name).record()) for name in ids]
    records += [(case.id, case.record) for seed in seeds for case in sealed.cases(GATE_CASES, seed=seed)]
    return Index((name, pieces(record.complaint, record.history)) for name, record in records)
