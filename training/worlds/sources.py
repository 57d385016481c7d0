"""The sources a cohort can be built from, by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from agents.records import UnreadableFile
from agents.records.base import Rejection
from training.worlds import eicu, fhir, published, recorded, virtual
from training.worlds.admission import Admission, row
from training.worlds.rows import Access, Row, Split
from training.worlds.splits import split_of

ACCESS: dict[str, Access] = {
    "medrbench": "public",
    "agentclinic": "public",
    "eicu": "public",
    "fhir": "credentialed",
    "published": "credentialed",
    "admissions": "credentialed",
}
"""What may be done with the text where nobody says otherwise; a bundle may be anyone's patient."""
FIXED = frozenset(("published", "admissions"))
NAMES = ("virtual", *ACCESS)


class Unasked(ValueError):
    """What was asked of a source makes no sense; `str()` says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One request: a source, its file, and how to read it. `count` is of virtual patients, or the most records."""

    source: str
    path: Path | None = None
    count: int | None = None
    seed: int = 0
    access: Access | None = None
    split: Split | None = None


def rows(wanted: Wanted) -> Iterator[Row | Rejection]:
    """Every record of the source as a row or a rejection; raises Unasked, UnreadableFile."""
    found = _virtual(wanted) if wanted.source == "virtual" else _recorded(wanted)
    for one in found:
        yield replace(one, split=wanted.split) if wanted.split and isinstance(one, Row) else one


def _virtual(wanted: Wanted) -> Iterator[Row | Rejection]:
    if wanted.count is None or wanted.count < 1:
        raise Unasked("Say with --n how many virtual patients to draw.")
    if wanted.path or wanted.split or wanted.access:
        raise Unasked("Virtual patients come from no file, are public, and have the split of their case.")
    if not 0 <= wanted.seed < virtual.SEEDS:
        raise Unasked(f"A seed of virtual patients is a number from 0 to {virtual.SEEDS - 1}.")
    yield from virtual.draw(wanted.count, wanted.seed)


def _recorded(wanted: Wanted) -> Iterator[Row | Rejection]:
    for one in islice(_admissions(wanted), wanted.count):
        yield one if isinstance(one, Rejection) else row(one, split_of(one.patient, wanted.seed))


def _admissions(wanted: Wanted) -> Iterator[Admission | Rejection]:
    if wanted.path is None:
        raise Unasked(f"Say which file or folder of {wanted.source} to read.")
    if not wanted.path.exists():
        raise UnreadableFile(f"There is no file {wanted.path}.")
    if wanted.source in FIXED:
        if wanted.access == "public":
            raise Unasked("Text made from MIMIC is credentialed, whoever reads it.")
        return published.read(wanted.path, raw=wanted.source == "admissions")
    access = wanted.access or ACCESS[wanted.source]
    if wanted.source in ("eicu", "fhir"):
        return (eicu if wanted.source == "eicu" else fhir).read(wanted.path, access)
    return recorded.read(wanted.source, wanted.path, access)
