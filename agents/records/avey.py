"""Avey vignettes (JSON Lines): physician-written common conditions with explicit absent findings."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from agents.records.base import Parsed, Rejection, age_in, json_objects, sex_in, text_of, unless_leaking
from agents.types import CaseRecord

LICENCE = "MIT"


def parse(lines: Iterable[str | bytes]) -> Iterator[Parsed]:
    """One case per line; the vignettes have no laboratory or imaging, only history."""
    for name, row in json_objects(lines):
        if isinstance(row, Rejection):
            yield row
            continue
        answer, story = text_of(row.get("correct_diagnosis")), text_of(row.get("presentation"))
        record = text_of(row.get("id")) or name
        if not (answer and story):
            yield Rejection(record, f"no {'presentation' if answer else 'diagnosis'}")
            continue
        who = text_of(row.get("demographics"))
        history = {
            "hpi": story,
            "review": text_of(row.get("absent_findings")),
            "past": text_of(row.get("physical_history")),
            "family": text_of(row.get("family_history")),
            "social": text_of(row.get("social_history")),
        }
        yield unless_leaking(
            CaseRecord(
                id=record,
                origin="avey",
                age_years=age_in(who),
                sex=sex_in(who),
                complaint=text_of(row.get("chief_complaints")) or story[:120],
                history={section: text for section, text in history.items() if text},
                answer=answer,
            )
        )
