"""Policies on the same cases side by side: one row each, with intervals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from training.models import Evaluation, EvaluationStatus, Protocol

MEASURES = ("accuracy", "accuracy_over_oracle", "f1_mean_per_case", "f1_of_means", "turns", "cost", "malformed")
SAME = ("case_set", "case_seed", "contents", "total", "limits", "judge")
"""What the rows of one table share, or they would not be on the same cases in the same way."""
MOST = 500
"""Evaluations looked at, newest first."""


@dataclass(frozen=True, slots=True)
class Number:
    """A measure and its 95 % interval; None where a policy has none."""

    value: float | None
    low: float | None = None
    high: float | None = None

    def as_dict(self) -> dict[str, Any]:
        return {"value": self.value, "ci": None if self.low is None else [self.low, self.high]}


@dataclass(frozen=True, slots=True)
class Standing:
    """One policy's newest finished evaluation on these cases."""

    evaluation: int
    policy: str
    version: str
    n: int
    scored: int
    numbers: Mapping[str, Number]

    @property
    def shares(self) -> list[Number]:
        return [self.numbers[name] for name in ("accuracy", "accuracy_over_oracle")]

    @property
    def f1(self) -> list[Number]:
        return [self.numbers[name] for name in ("f1_mean_per_case", "f1_of_means")]

    @property
    def amounts(self) -> list[Number]:
        return [self.numbers[name] for name in ("turns", "cost")]

    def as_dict(self) -> dict[str, Any]:
        told = {name: number.as_dict() for name, number in self.numbers.items()}
        return {"evaluation": self.evaluation, "policy": self.policy, "n": self.n, "scored": self.scored, **told}


@dataclass(frozen=True, slots=True)
class Standings:
    """Rows by accuracy, best first."""

    case_set: str
    case_seed: int
    n: int
    judge: str
    rows: list[Standing]


def standings(evaluations: QuerySet[Evaluation], *, case_set: str = "", total: int | None = None) -> Standings | None:
    """The table with the most policies (the newest of equals) on these cases, or on any; None without a row."""
    found = evaluations.filter(protocol=Protocol.END_TO_END, status=EvaluationStatus.SUCCEEDED)
    if case_set:
        found = found.filter(case_set=case_set)
    if total is not None:
        found = found.filter(total=total)
    columns = ("pk", "policy", "identity__version", "summary__n", "summary__scored", "summary__ci", *SAME)
    groups = _groups(found.values(*columns, *(f"summary__{name}" for name in MEASURES))[:MOST])
    if not groups:
        return None
    rows = max(groups, key=lambda group: (len(group), max(row["pk"] for row in group)))
    one = rows[0]
    table = sorted((_standing(row) for row in rows), key=_by_accuracy)
    return Standings(one["case_set"], one["case_seed"], one["total"], str(one["judge"].get("model", "")), table)


def _groups(rows: Iterable[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """Newest first; of each policy the newest."""
    found: dict[Hashable, dict[str, Mapping[str, Any]]] = defaultdict(dict)
    for row in rows:
        found[tuple(repr(row[name]) for name in SAME)].setdefault(row["policy"], row)
    return [list(group.values()) for group in found.values()]


def _standing(row: Mapping[str, Any]) -> Standing:
    intervals = row["summary__ci"] or {}
    numbers = {name: Number(row[f"summary__{name}"], *(intervals.get(name) or ())) for name in MEASURES}
    who = row["policy"], str(row["identity__version"] or "")
    return Standing(row["pk"], *who, row["summary__n"] or 0, row["summary__scored"] or 0, numbers)


def _by_accuracy(row: Standing) -> tuple[float, str]:
    return -(row.numbers["accuracy"].value or 0.0), row.policy
