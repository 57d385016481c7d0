"""What leaves the product about one consultation, read once: the note, the PDF and the FHIR bundle say the same.

Nothing simulated is in it: results that nobody measured are only counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q

from agents.types import ActionKind
from clinic.answers import ranked
from clinic.models import (
    Case,
    CaseKind,
    Consultation,
    Finding,
    LedgerEntry,
    Outcome,
    RedFlagAlert,
    SimulatedResult,
    Turn,
    TurnRole,
    TurnStatus,
)

SECTION_NAMES = {
    "hpi": "History of present illness",
    "past": "Past history",
    "drugs": "Medication",
    "allergies": "Allergies",
    "family": "Family history",
    "social": "Social history",
    "review": "Review of systems",
}


@dataclass(slots=True)
class Summary:
    """Rows in the order in which they came; retracted ones are left out."""

    consultation: Consultation
    case: Case
    sections: list[tuple[str, str, str]]
    """(key, name, text) of the history."""
    findings: list[Finding]
    """Coded findings and vital signs that came with the case or were entered without an examination."""
    results: list[Finding]
    turns: list[Turn]
    ledger: list[LedgerEntry]
    red_flags: list[RedFlagAlert]
    outcome: Outcome | None
    left_out: int
    """Simulated results, which are never exported."""
    made_at: datetime
    agent_turns: list[Turn] = field(default_factory=list)

    @property
    def is_real(self) -> bool:
        return self.case.kind == CaseKind.PATIENT

    @property
    def measured(self) -> list[Finding]:
        """Results: with numbers, of a turn, or in words without a code."""
        return [row for row in [*self.findings, *self.results] if row.values or row.turn_id or not row.code]

    @property
    def last_answer(self) -> Turn | None:
        """The agent's newest complete turn with a differential."""
        told = [turn for turn in self.agent_turns if (turn.action or {}).get("differential")]
        return told[-1] if told else None

    @property
    def deferred(self) -> bool:
        """Whether the agent's last word was that it cannot decide."""
        return bool(self.agent_turns) and (self.agent_turns[-1].action or {}).get("action") == ActionKind.DEFER

    @property
    def differential(self) -> list[dict[str, Any]]:
        last = self.last_answer
        return ranked(last.action or {}) if last else []


def evidence_words(entry: LedgerEntry) -> list[str]:
    """What excluded a hypothesis, in the words of the facts; simulated ones are counted and not quoted."""
    real = [fact for fact in entry.evidence if fact.get("source") != "simulated"]
    left = len(entry.evidence) - len(real)
    words = [str(fact.get("text") or fact.get("name") or "") for fact in real]
    return [*words, *([f"{left} simulated fact{'s' if left > 1 else ''}, left out"] if left else [])]


def summary_of(consultation: Consultation, *, at: datetime) -> Summary:
    """Of a consultation with its case, patient, clinician and model version in memory (six queries)."""
    case = consultation.case
    mine = Q(consultation=consultation) | Q(consultation=None)
    rows = list(Finding.objects.filter(mine, case=case, retracted_at=None).select_related("by"))
    turns = list(consultation.turns.filter(retracted_at=None).select_related("by"))
    return Summary(
        consultation=consultation,
        case=case,
        sections=[(key, name, str(case.history[key])) for key, name in SECTION_NAMES.items() if case.history.get(key)],
        findings=[row for row in rows if row.turn_id is None],
        results=[row for row in rows if row.turn_id is not None],
        turns=turns,
        ledger=list(consultation.ledger.select_related("decided_by")),
        red_flags=list(consultation.red_flags.all()),
        outcome=consultation.outcomes.select_related("by").first(),
        left_out=SimulatedResult.objects.filter(consultation=consultation, retracted_at=None).count(),
        made_at=at,
        agent_turns=[turn for turn in turns if turn.role == TurnRole.AGENT and turn.status == TurnStatus.COMPLETE],
    )
