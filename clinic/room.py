"""What the consultation room shows, read once for the page and for its live parts."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.db.models import Q
from django.utils.safestring import SafeString

from agents.knowledge.catalogue import catalogue
from clinic.differential import Differential, differential_of
from clinic.models import (
    Consultation,
    ConsultationStatus,
    Finding,
    SimulatedResult,
    Turn,
    TurnRole,
    TurnStatus,
    User,
)
from clinic.rendering import turn_html


@dataclass(slots=True)
class Room:
    consultation: Consultation
    turns: list[Turn]
    """All of them, the undone too, which are shown struck and count for nothing."""
    facts: list[Finding | SimulatedResult]
    """Newest first; a simulated result says so by its class."""
    missing: list[str]
    """Asked for, and not in this record."""
    differential: Differential
    steerable: bool
    pending: dict[str, Any] = field(default_factory=dict)
    """The agent's last action, if nothing has been done about it yet."""

    @property
    def html(self) -> list[SafeString]:
        return [turn_html(turn) for turn in self.turns]

    @property
    def live(self) -> list[Turn]:
        return [turn for turn in self.turns if turn.retracted_at is None]

    @property
    def last(self) -> Turn | None:
        return self.live[-1] if self.live else None

    @property
    def key(self) -> str:
        """Changes exactly when what can be done next changes."""
        paused = "paused" if self.consultation.paused_at else "on"
        return (
            f"{self.consultation.status}-{paused}-{self.consultation.clinician_id}-{len(self.turns)}-{len(self.live)}"
        )

    @property
    def thinking(self) -> bool:
        return self.consultation.status == ConsultationStatus.THINKING

    @property
    def suggested(self) -> str:
        """The agent's diagnosis, offered when the clinician closes; empty while there is none."""
        return str(self.pending.get("target", "")) if self.pending.get("action") == "diagnose" else ""

    @property
    def examinations(self) -> list[str]:
        return examination_names()


@cache
def examination_names() -> list[str]:
    return sorted(examination.name for examination in catalogue().exams.values())


def room_of(consultation: Consultation, user: User) -> Room:
    turns = list(consultation.turns.select_related("by", "retracted_by"))
    rows = _facts(consultation)
    _attach(turns, rows)
    facts = [row for row in rows if row.retracted_at is None]
    live = [turn for turn in turns if turn.retracted_at is None]
    shown = live if consultation.status != ConsultationStatus.THINKING else live[:-1]
    return Room(
        consultation=consultation,
        turns=turns,
        facts=facts,
        missing=list(dict.fromkeys(turn.matched or turn.request for turn in live if turn.source == "unavailable")),
        differential=differential_of(live),
        steerable=consultation.clinician_id == user.pk,
        pending=_pending(shown),
    )


def _facts(consultation: Consultation) -> list[Finding | SimulatedResult]:
    mine = Q(consultation=consultation) | Q(consultation=None)
    facts: list[Finding | SimulatedResult] = list(Finding.objects.filter(mine, case=consultation.case_id))
    facts += SimulatedResult.objects.filter(consultation=consultation)
    return sorted(facts, key=lambda fact: fact.at, reverse=True)


def _attach(turns: list[Turn], facts: list[Finding | SimulatedResult]) -> None:
    """Give every turn its rows, as prefetch_related would, without asking the database again."""
    found: dict[int | None, list[Finding]] = defaultdict(list)
    simulated: dict[int | None, list[SimulatedResult]] = defaultdict(list)
    for fact in reversed(facts):
        if isinstance(fact, Finding):
            found[fact.turn_id].append(fact)
        else:
            simulated[fact.turn_id].append(fact)
    for turn in turns:
        cached: dict[str, list[Any]] = {"findings": found[turn.pk], "simulated_results": simulated[turn.pk]}
        for name, rows in cached.items():
            manager = getattr(turn, name)
            queryset = manager.get_queryset()
            queryset._result_cache = rows
            vars(turn).setdefault("_prefetched_objects_cache", {})[name] = queryset


def _pending(turns: list[Turn]) -> dict[str, Any]:
    last = next((turn for turn in reversed(turns) if turn.role == TurnRole.AGENT), None)
    return (last.action or {}) if last and last.status == TurnStatus.COMPLETE else {}
