"""What the consultation room shows, read once for the page and for its live parts: two queries, however long it is."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

from django.utils.safestring import SafeString

from agents.knowledge.catalogue import catalogue
from agents.knowledge.conditions import knowledge
from clinic.answers import leader
from clinic.confidence import Confidence, confidence_of
from clinic.differential import Differential, differential_of
from clinic.facts import Facts, Known, facts_of
from clinic.ledger_view import Entry, entries_of
from clinic.models import (
    Commitment,
    Consultation,
    ConsultationStatus,
    Feedback,
    Finding,
    FindingState,
    Handover,
    LedgerEntry,
    LedgerStatus,
    Outcome,
    RedFlagAlert,
    SimulatedResult,
    Turn,
    TurnDrafts,
    TurnRole,
    TurnStatus,
    User,
)
from clinic.next_step import Card, Warned, card_of, drug_warnings
from clinic.rendering import turn_html
from clinic.room_rows import rows_of, with_rows
from clinic.second_opinion import SecondOpinion, second_opinion
from clinic.services.independent import Compared, compare

NOTHING = "clinic/room/nothing.html"
PARTS = {
    name: (f"clinic/room/{name}.html", NOTHING)
    for name in ("commit", "confidence", "look_ahead", "second_opinion", "close", "outcome", "undo")
}
"""Parts of the page by name; one that has no template takes no room."""
ENDED = (ConsultationStatus.CLOSED, ConsultationStatus.THINKING)


@dataclass
class Room:
    """Rows as they were read, and what the page makes of them; every property costs no query."""

    consultation: Consultation
    user: User
    turns: list[Turn]
    findings: list[Finding]
    simulated: list[SimulatedResult]
    ledger: list[LedgerEntry]
    alerts: list[RedFlagAlert]
    feedback: list[Feedback]
    outcomes: list[Outcome]
    handovers: list[Handover]
    commitment: Commitment | None
    drafts: dict[int, TurnDrafts]
    """By the turn's primary key."""

    parts = PARTS

    @property
    def steerable(self) -> bool:
        return self.consultation.clinician_id == self.user.pk

    @property
    def hidden(self) -> bool:
        """The agent's differential is kept from the clinician until theirs is committed; never from a reader."""
        open_ = self.consultation.status != ConsultationStatus.CLOSED
        return self.consultation.independent_first and self.commitment is None and self.steerable and open_

    @cached_property
    def html(self) -> list[SafeString]:
        return [turn_html(turn) for turn in self.turns]

    @property
    def live(self) -> list[Turn]:
        """Without what was undone."""
        return [turn for turn in self.turns if turn.retracted_at is None]

    @property
    def last(self) -> Turn | None:
        return self.turns[-1] if self.turns else None

    @property
    def key(self) -> str:
        """Changes exactly when what can be done next changes."""
        paused = "-paused" if self.consultation.paused_at else ""
        held = self.consultation.clinician_id
        return f"{self.consultation.status}-{len(self.turns)}-{len(self.live)}-{held}{paused}"

    @property
    def thinking(self) -> bool:
        return self.consultation.status == ConsultationStatus.THINKING

    @cached_property
    def pending(self) -> dict[str, Any]:
        """The agent's last action, if nothing has been done about it yet."""
        shown = self.live if not self.thinking else self.live[:-1]
        last = next((turn for turn in reversed(shown) if turn.role == TurnRole.AGENT), None)
        return (last.action or {}) if last and last.status == TurnStatus.COMPLETE else {}

    @property
    def suggested(self) -> str:
        """The agent's diagnosis, offered when the clinician closes; empty while there is none."""
        said = self.pending.get("action") == "diagnose" and not self.hidden
        return str(self.pending.get("target", "")) if said else ""

    @property
    def examinations(self) -> list[str]:
        return examination_names()

    @cached_property
    def facts(self) -> Facts:
        return facts_of(self.consultation, self.findings, self.simulated, self.turns)

    @cached_property
    def results(self) -> list[Finding | SimulatedResult]:
        """Answers and results, newest first; a coded finding stands in the list of findings instead."""
        found = [row for row in self.findings if row.retracted_at is None and not (row.code and not row.values)]
        rows: list[Finding | SimulatedResult] = [*found, *(row for row in self.simulated if row.retracted_at is None)]
        return sorted(rows, key=lambda row: row.at, reverse=True)

    @property
    def states(self) -> list[tuple[str, str, list[Known]]]:
        """Findings present, absent, unknown, each by name."""
        groups: dict[str, list[Known]] = defaultdict(list)
        for fact in sorted(self.facts.coded.values(), key=lambda fact: fact.name):
            groups[fact.state].append(fact)
        return [(state.value, state.label, groups[state]) for state in FindingState if groups[state]]

    @cached_property
    def drug_warnings(self) -> list[Warned]:
        return drug_warnings(self.facts)

    @property
    def missing(self) -> list[str]:
        """Asked for, and not in this record."""
        return list(dict.fromkeys(turn.matched or turn.request for turn in self.live if turn.source == "unavailable"))

    @cached_property
    def differential(self) -> Differential:
        if self.hidden:
            return Differential()
        return differential_of(self.turns, self.facts, self.ledger)

    @cached_property
    def card(self) -> Card | None:
        """Of the examination that the agent recommends now."""
        waits = self.consultation.status not in ENDED and not self.hidden
        if not waits or self.pending.get("action") != "examine":
            return None
        return card_of(str(self.pending["target"]), self.facts, self.turns)

    @cached_property
    def entries(self) -> list[Entry]:
        """The rule-out ledger; what only the agent added waits with the rest of what it said."""
        return entries_of(self.ledger, self.facts, without_agent=self.hidden)

    @property
    def open_entries(self) -> list[Entry]:
        return [entry for entry in self.entries if entry.row.status == LedgerStatus.OPEN]

    @property
    def unseen_alerts(self) -> list[RedFlagAlert]:
        return [alert for alert in self.alerts if alert.acknowledged_at is None]

    @cached_property
    def answer(self) -> dict[str, Any]:
        """The agent's newest complete answer that names a diagnosis; empty while there is none, or it is hidden."""
        if self.hidden:
            return {}
        told = [turn.action for turn in self.live if turn.role == TurnRole.AGENT and leader(turn.action or {})]
        return dict(told[-1] or {}) if told else {}

    @cached_property
    def opinion(self) -> SecondOpinion:
        stated = {str(e["diagnosis"]): e.get("probability") for e in self.answer.get("differential") or []}
        return second_opinion(self.facts, stated)

    @cached_property
    def confidence(self) -> Confidence | None:
        spoken = [turn for turn in self.live if turn.role == TurnRole.AGENT and turn.status == TurnStatus.COMPLETE]
        return confidence_of(self.facts, self.answer, self.drafts.get(spoken[-1].pk) if spoken else None)

    @cached_property
    def compared(self) -> list[Compared]:
        """The clinician's committed differential against the agent's first one."""
        told = [
            turn.action for turn in self.live if turn.role == TurnRole.AGENT and (turn.action or {}).get("differential")
        ]
        return compare(self.commitment, told[0] or {}) if self.commitment and told else []

    @property
    def agent_turns(self) -> int:
        return sum(turn.role == TurnRole.AGENT for turn in self.live)

    @property
    def commit_rows(self) -> range:
        return range(1, 4)

    @property
    def condition_names(self) -> list[str]:
        return condition_names()

    @property
    def inside(self) -> bool:
        """Whether the knowledge has this complaint; outside of it the ledger is incomplete, and says so."""
        return self.facts.group is not None


@cache
def condition_names() -> list[str]:
    return sorted(condition.name for condition in knowledge().conditions.values())


@cache
def examination_names() -> list[str]:
    return sorted(examination.name for examination in catalogue().exams.values())


def room_of(consultation: Consultation, user: User) -> Room:
    """From a consultation of `with_rows`; any other is read again."""
    if not hasattr(consultation, "room_findings"):
        consultation = with_rows(Consultation.objects.filter(pk=consultation.pk)).get()
    turns = list(consultation.turns.select_related("by", "retracted_by"))
    commitments = rows_of(consultation, "commitments")
    room = Room(
        consultation=consultation,
        user=user,
        turns=turns,
        findings=rows_of(consultation, "findings"),
        simulated=rows_of(consultation, "simulated"),
        ledger=rows_of(consultation, "ledger"),
        alerts=rows_of(consultation, "alerts"),
        feedback=rows_of(consultation, "feedback"),
        outcomes=rows_of(consultation, "outcomes"),
        handovers=rows_of(consultation, "handovers"),
        commitment=commitments[0] if commitments else None,
        drafts={row.turn_id: row for row in rows_of(consultation, "drafts")},
    )
    _attach(room)
    return room


def _attach(room: Room) -> None:
    """Give every turn its rows, and every row its turn, as prefetching would, without asking the database again."""
    by_id = {turn.pk: turn for turn in room.turns}
    found: dict[int, list[Finding]] = defaultdict(list)
    simulated: dict[int, list[SimulatedResult]] = defaultdict(list)
    for finding in room.findings:
        if finding.turn_id in by_id:
            finding.turn = by_id[finding.turn_id]
            found[finding.turn_id].append(finding)
    for result in room.simulated:
        result.turn = by_id[result.turn_id]
        simulated[result.turn_id].append(result)
    for turn in room.turns:
        _prefetched(turn, findings=found[turn.pk], simulated_results=simulated[turn.pk])


def _prefetched(turn: Turn, **related: list[Any]) -> None:
    for name, rows in related.items():
        queryset = getattr(turn, name).get_queryset()
        queryset._result_cache = rows
        vars(turn).setdefault("_prefetched_objects_cache", {})[name] = queryset
