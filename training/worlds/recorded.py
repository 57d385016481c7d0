"""Admissions from imported cases (MedR-Bench, AgentClinic): no times, so one step after the physical examination."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from agents import records
from agents.knowledge.catalogue import catalogue
from agents.records.base import Rejection
from agents.types import CaseRecord, RecordedResult
from agents.world.language_profile import presentation
from agents.world.plausibility.reading import asked
from training.worlds.admission import Admission, Result
from training.worlds.rows import Access


def read(format_name: str, path: Path, access: Access) -> Iterator[Admission | Rejection]:
    """Every record of the file; each stands for a patient of its own."""
    for record in records.read(format_name, path):
        yield record if isinstance(record, Rejection) else admission(record, access)


def admission(record: CaseRecord, access: Access) -> Admission:
    """A record without times as an admission."""
    body = [result for result in record.results if is_physical(result)]
    return Admission(
        id=record.id,
        patient=record.id,
        origin=record.origin,
        access=access,
        complaint=record.complaint,
        presentation=presentation(record),
        diagnosis=record.answer,
        physical=tuple(Result(one.examination, one.text) for one in body),
        results=tuple(Result(one.examination, one.text) for one in record.results if one not in body),
    )


def is_physical(result: RecordedResult) -> bool:
    """Whether a result belongs to the physical examination, by its name up to a colon."""
    exam = asked(result.examination.partition(":")[0])
    return exam is not None and catalogue().exams[exam.id].kind == "physical"
