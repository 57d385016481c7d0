"""A cohort: its rows, what was rejected and why, and the summary that says what it is."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from agents.records.base import Rejection
from training.worlds import overlap
from training.worlds.rows import SPLITS, Access, Row, access_of, digest, read, write

_DETAIL = re.compile(r"\s*\(.*\)|[\"'].*[\"']|\d[\d,]*", re.S)


class UnusableCohort(ValueError):
    """These rows may not be one cohort; `str()` says why."""


@dataclass
class Cohort:
    rows: list[Row] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)

    @property
    def seen(self) -> int:
        """Records read: each was accepted or rejected."""
        return len(self.rows) + len(self.rejected)

    @property
    def access(self) -> Access:
        return access_of(self.rows)


def collect(found: Iterable[Row | Rejection]) -> Cohort:
    """Rows and rejections apart; a row whose id came before is rejected."""
    cohort, ids = Cohort(), set()
    for one in found:
        if isinstance(one, Row) and one.id in ids:
            one = Rejection(one.id, "the same record was read before")
        if isinstance(one, Row):
            ids.add(one.id)
            cohort.rows.append(one)
        else:
            cohort.rejected.append(one)
    return cohort


def check(cohort: Cohort) -> None:
    """Raises UnusableCohort for an empty cohort and for a patient who stands in two splits."""
    if not cohort.rows:
        raise UnusableCohort("No row was accepted.")
    across = overlap.patients(cohort.rows)
    if across:
        raise UnusableCohort(f"{len(across)} patients are in more than one split, first {across[0]}.")


def summary(cohort: Cohort, told: Mapping[str, Any]) -> dict[str, Any]:
    """What a manifest says; `told` (source, seed ...) stands first."""
    rows = cohort.rows
    return {
        **told,
        "hash": digest(rows),
        "access": cohort.access,
        "seen": cohort.seen,
        "accepted": len(rows),
        "rejected": len(cohort.rejected),
        "reasons": dict(Counter(kind_of(one.reason) for one in cohort.rejected).most_common()),
        "splits": {split: sum(row.split == split for row in rows) for split in SPLITS},
        "origins": dict(Counter(row.origin for row in rows)),
        "patients": len({row.patient for row in rows}),
        "diagnoses": len({row.diagnosis for row in rows}),
        "examinations": sum(len(row.events) for row in rows),
        "overlap": overlap.report(rows),
    }


def kind_of(reason: str) -> str:
    """A reason without its particulars, so that rejections can be counted."""
    return " ".join(_DETAIL.sub(" ", reason).split())


def save(cohort: Cohort, path: Path, manifest: Mapping[str, Any]) -> None:
    """The rows, and beside them `.manifest.json` and `.rejected.jsonl`; credentialed files are for their owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    files = [path, path.with_suffix(".manifest.json"), path.with_suffix(".rejected.jsonl")]
    for file in files:
        file.touch(mode=0o600)
        os.chmod(file, 0o600 if cohort.access == "credentialed" else 0o644)
    write(files[0], cohort.rows)
    files[1].write_text(json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
    with files[2].open("w") as out:
        out.writelines(
            json.dumps({"record": r.record, "reason": r.reason}, ensure_ascii=False) + "\n" for r in cohort.rejected
        )


def joined(paths: Iterable[Path]) -> Cohort:
    """Several cohort files as one."""
    return collect(row for path in paths for row in read(path))
