"""The cases of an evaluation: virtual splits, and what was imported here, by its origin."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from agents.rollout import ROLLOUT_PRIORITY
from agents.types import CaseRecord
from agents.world.model import model
from agents.world.virtual import UnknownCase
from clinic.models import Case, CaseKind, Site
from clinic.models.case import CaseQuerySet
from clinic.services import language_world
from clinic.services.errors import Refused
from clinic.services.records import case_record
from training.evaluation.cases import VIRTUAL, EvaluationCase, UnknownCaseSet, case_set, on_language_world

ON, LANGUAGE = " on ", "language"
"""`virtual:test on language`: the same cases, their examinations answered by the world model."""
MAY_BE_READ = (CaseKind.RECORD, CaseKind.VIRTUAL)


@dataclass(frozen=True, slots=True)
class CaseSet:
    """`contents` changes with what the cases say, so that results on other contents are never mixed in."""

    cases: list[EvaluationCase]
    contents: str


def open_cases(*, name: str, site: Site, limit: int | None = None, case_seed: int = 0) -> CaseSet:
    """`virtual:test`, `virtual:validation`, one virtual case, or an origin of this site's cases; raises Refused."""
    name, _, world = name.partition(ON)
    origins = _readable(site).exclude(origin=VIRTUAL).values_list("origin", flat=True).order_by("origin").distinct()
    loaders = {origin: lambda origin=origin: _records(site, origin) for origin in origins}
    try:
        cases = case_set(name, limit=limit, case_seed=case_seed, loaders=loaders)
    except (UnknownCaseSet, UnknownCase, ValueError) as error:
        raise Refused(f"These cases cannot be evaluated on: {' '.join(str(error).split())}.") from error
    if not cases:
        raise Refused(f"No case of {name} has a recorded diagnosis to compare with.")
    found = CaseSet(cases, model().known.version if name.startswith(f"{VIRTUAL}:") else _contents(site, name))
    return _on_language(found, name, site, case_seed) if world == LANGUAGE else found


def _on_language(found: CaseSet, name: str, site: Site, seed: int) -> CaseSet:
    """The same cases on the world model that serves; another version of it is another content."""
    credentialed = _readable(site).filter(origin=name, credentialed=True).exists()
    engine = language_world.rollout_engine(cases=name, site=site, credentialed=credentialed, priority=ROLLOUT_PRIORITY)
    contents = hashlib.sha256(f"{found.contents} {engine.version} {engine.temperature}".encode()).hexdigest()
    return CaseSet([on_language_world(case, engine, seed=seed) for case in found.cases], contents)


def _readable(site: Site) -> CaseQuerySet:
    return Case.objects.filter(site=site, kind__in=MAY_BE_READ, deleted_at=None).order_by("key")


def _records(site: Site, origin: str) -> Iterator[CaseRecord]:
    for case in _readable(site).filter(origin=origin).exclude(answer=""):
        record = case_record(case)
        # Nobody measured what an invented case answers.
        yield replace(record, extra={**record.extra, "synthetic": True}) if case.is_virtual else record


def _contents(site: Site, origin: str) -> str:
    rows = _readable(site).filter(origin=origin).values_list("key", "content_hash")
    return hashlib.sha256(repr(list(rows)).encode()).hexdigest()
