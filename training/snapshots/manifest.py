"""What a snapshot says of itself, everything sorted; its digest names the snapshot."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from fractions import Fraction
from typing import Any
from uuid import UUID

from agents.world.model import model
from clinic.influence import CAP
from clinic.influence_of import snapshot_weights
from clinic.learnable import WHY_NOT
from clinic.models import RubricVersion, Site
from training.models import Split
from training.snapshots.files import canonical, lines, sha256
from training.snapshots.gather import Gathered
from training.snapshots.overlap import NEAR
from training.snapshots.persons import VALIDATION_SHARE, person_of

LAYOUT = 1


def contents(found: Gathered) -> dict[str, bytes]:
    """File name -> content, one file a format."""
    return {f"{name}.jsonl": lines(each.rows) for name, each in found.exports.items()}


def manifest(
    *, site: Site, found: Gathered, files: Mapping[str, bytes], without: list[str], rebuilt_from: str
) -> dict[str, Any]:
    given = snapshot_weights((row.id, row.by) for row in found.given)
    return {
        "layout": LAYOUT,
        "site": site.slug,
        "knowledge": model().known.version,
        "cap": str(CAP),
        "validation_share": VALIDATION_SHARE,
        "near": NEAR,
        "without": without,
        "rebuilt_from": rebuilt_from,
        "feedback": _feedback(found, given),
        "cases": _cases(found),
        "annotators": _annotators(found, given),
        "rubric_versions": _rubrics(found),
        "consent": {
            "given": len(found.given),
            "missing": len(found.excluded.get(WHY_NOT["no_consent"], ())),
        },
        "excluded": {why: sorted(map(str, ids)) for why, ids in sorted(found.excluded.items()) if ids},
        "removed": [one.as_dict() for one in sorted(found.removed, key=lambda one: one.case)],
        "formats": {name: _format(name, found, files) for name in sorted(found.exports)},
    }


def digest(told: Mapping[str, Any]) -> str:
    return sha256(canonical(told).encode())


def _feedback(found: Gathered, given: Mapping[UUID, Fraction]) -> list[dict[str, Any]]:
    rows = sorted(found.given, key=lambda row: str(row.id))
    return [{"id": str(row.id), "split": str(found.split(row.case)), "weight": str(given[row.id])} for row in rows]


def _cases(found: Gathered) -> list[dict[str, Any]]:
    number = Counter(case for row in found.given for case in row.cases)
    seen = defaultdict(set)
    for name, each in found.exports.items():
        for row in each.rows:
            seen[row["case"]].add(name)
    return [
        {
            "key": key,
            "person": person_of(found.cases[key]),
            "split": str(found.split(key)),
            "feedback": number[key],
            "formats": sorted(seen[key]),
        }
        for key in sorted(number)
    ]


def _annotators(found: Gathered, given: Mapping[UUID, Fraction]) -> list[dict[str, Any]]:
    """Nobody's name: a number at this site, how much they gave, and what one row of theirs weighs."""
    counts = Counter(row.by for row in found.given)
    weight = {row.by: given[row.id] for row in found.given}
    total = sum(given.values(), Fraction(0))
    return [
        {
            "annotator": sha256(f"annotator:{one}".encode())[:16],
            "rows": counts[one],
            "weight": str(weight[one]),
            "share": str(counts[one] * weight[one] / total),
        }
        for one in sorted(counts)
    ]


def _rubrics(found: Gathered) -> list[dict[str, Any]]:
    rows = (row for each in found.exports.values() for row in each.rows)
    used = sorted({row["rubric_version"] for row in rows if row.get("rubric_version")})
    known = RubricVersion.objects.in_bulk([UUID(one) for one in used])
    return [{"id": one, "rubric": str(known[UUID(one)].rubric_id), "number": known[UUID(one)].number} for one in used]


def _format(name: str, found: Gathered, files: Mapping[str, bytes]) -> dict[str, Any]:
    export, content = found.exports[name], files[f"{name}.jsonl"]
    splits = Counter(row["split"] for row in export.rows)
    return {
        "rows": len(export.rows),
        **{str(split): splits[str(split)] for split in Split},
        "sha256": sha256(content),
        "bytes": len(content),
        "feedback": sorted({one for row in export.rows for one in row["feedback"]}),
        "left_out": dict(sorted(export.left_out.items())),
        "annotators": export.annotators,
        "largest_share": str(export.share),
    }
