"""What differs between two snapshots: feedback, cases, weights, splits, exclusions, rows."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from training.models import Snapshot

SETTINGS = ("layout", "site", "knowledge", "cap", "validation_share", "near", "without")


@dataclass(frozen=True, slots=True)
class Diff:
    """From `a` to `b`; ids and keys are sorted, `(before, after)` where a value changed."""

    a: str
    b: str
    added: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    """Feedback."""
    why: dict[str, str] = field(default_factory=dict)
    """Removed feedback -> why `b` left it out, '' where it does not say."""
    reweighed: dict[str, tuple[str, str]] = field(default_factory=dict)
    cases_added: list[str] = field(default_factory=list)
    cases_removed: list[str] = field(default_factory=list)
    moved: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Cases that stand in another split."""
    rubrics_added: list[str] = field(default_factory=list)
    rubrics_removed: list[str] = field(default_factory=list)
    formats: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Rows of each format whose file differs."""
    excluded: dict[str, tuple[int, int]] = field(default_factory=dict)
    settings: dict[str, tuple[Any, Any]] = field(default_factory=dict)

    @property
    def same(self) -> bool:
        return self.a == self.b

    def as_dict(self) -> dict[str, Any]:
        return {**asdict(self), "same": self.same}


def diff(a: Snapshot, b: Snapshot) -> Diff:
    """Both of any site that the caller may see."""
    one, other = a.manifest, b.manifest
    weights = [{row["id"]: row["weight"] for row in told["feedback"]} for told in (one, other)]
    splits = [{row["key"]: row["split"] for row in told["cases"]} for told in (one, other)]
    rubrics = [{row["id"] for row in told["rubric_versions"]} for told in (one, other)]
    excluded = [{why: len(ids) for why, ids in told["excluded"].items()} for told in (one, other)]
    said = {id: why for why, ids in other["excluded"].items() for id in ids}
    gone = sorted(weights[0].keys() - weights[1].keys())
    return Diff(
        a=a.digest,
        b=b.digest,
        added=sorted(weights[1].keys() - weights[0].keys()),
        removed=gone,
        why={id: said.get(id, "") for id in gone},
        reweighed=_changed(*weights),
        cases_added=sorted(splits[1].keys() - splits[0].keys()),
        cases_removed=sorted(splits[0].keys() - splits[1].keys()),
        moved=_changed(*splits),
        rubrics_added=sorted(rubrics[1] - rubrics[0]),
        rubrics_removed=sorted(rubrics[0] - rubrics[1]),
        formats=_formats(one["formats"], other["formats"]),
        excluded=_counts(*excluded),
        settings={name: (one[name], other[name]) for name in SETTINGS if one[name] != other[name]},
    )


def _changed(one: dict[str, str], other: dict[str, str]) -> dict[str, tuple[str, str]]:
    return {key: (one[key], other[key]) for key in sorted(one.keys() & other.keys()) if one[key] != other[key]}


def _counts(one: dict[str, int], other: dict[str, int]) -> dict[str, tuple[int, int]]:
    pairs = {key: (one.get(key, 0), other.get(key, 0)) for key in sorted({*one, *other})}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _formats(one: dict[str, Any], other: dict[str, Any]) -> dict[str, tuple[int, int]]:
    names = sorted({*one, *other})
    return {
        name: (one.get(name, {}).get("rows", 0), other.get(name, {}).get("rows", 0))
        for name in names
        if one.get(name, {}).get("sha256") != other.get(name, {}).get("sha256")
    }
