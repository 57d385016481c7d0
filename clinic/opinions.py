"""In which of many consultations the knowledge's own opinion disagrees with the agent's last word, read in bulk."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from clinic.facts import facts_of
from clinic.models import Consultation, Finding, SimulatedResult, Turn, TurnRole, TurnStatus
from clinic.second_opinion import second_opinion


def disagreeing(consultations: Sequence[UUID]) -> frozenset[UUID]:
    """Those with at least one disagreement; four queries, and some milliseconds for each consultation."""
    found = Consultation.objects.filter(pk__in=consultations).select_related("case").defer("case__sheet")
    rows = {one.pk: one for one in found}
    cases = {one.case_id for one in rows.values()}
    findings = _by("case_id", Finding.objects.filter(case__in=cases, retracted_at=None).select_related("turn"))
    simulated = SimulatedResult.objects.filter(consultation__in=rows, retracted_at=None).select_related("turn")
    results = _by("consultation_id", simulated)
    turns = _by("consultation_id", Turn.objects.filter(consultation__in=rows))
    return frozenset(
        key for key, one in rows.items() if _disagrees(one, findings[one.case_id], results[key], turns[key])
    )


def _disagrees(
    consultation: Consultation, findings: list[Finding], results: list[SimulatedResult], turns: list[Turn]
) -> bool:
    stated = _stated(turns)
    mine = [row for row in findings if row.consultation_id in (None, consultation.pk)]
    return bool(stated) and bool(second_opinion(facts_of(consultation, mine, results, turns), stated).disagreements)


def _stated(turns: list[Turn]) -> Mapping[str, float | None]:
    """The agent's diagnoses in its last answer that named any."""
    answers = [turn for turn in turns if turn.role == TurnRole.AGENT and turn.status == TurnStatus.COMPLETE]
    for turn in reversed([turn for turn in answers if turn.retracted_at is None]):
        entries = (turn.action or {}).get("differential") or []
        if named := {str(e["diagnosis"]): e.get("probability") for e in entries if e.get("diagnosis")}:
            return named
    return {}


def _by(name: str, rows: Iterable[Any]) -> defaultdict[Any, list[Any]]:
    found: defaultdict[Any, list[Any]] = defaultdict(list)
    for row in rows:
        found[getattr(row, name)].append(row)
    return found
