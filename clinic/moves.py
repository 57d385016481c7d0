"""What the clinician can do next, for the page: computed from the room's rows, without asking the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from django.http import QueryDict

from clinic.models import (
    Certainty,
    ConsultationStatus,
    DeclineReason,
    Handover,
    LedgerEntry,
    LedgerStatus,
    Outcome,
    TurnRole,
    TurnStatus,
)
from clinic.result_rows import Row, read_rows, rows_for
from clinic.room import Room
from clinic.services.undo import Undoable, last_step

SPARE_HYPOTHESES = 2
HYPOTHESES = 8
NOTE = ("clinic/room/note.html", "clinic/room/nothing.html")
EXPORTS = ("clinic/room/exports.html", "clinic/room/nothing.html")
ROLES = {TurnRole.CLINICIAN: "your message", TurnRole.PATIENT: "the answer", TurnRole.ENVIRONMENT: "the result"}


@dataclass(slots=True)
class Hypothesis:
    """One line of the form in which the differential is corrected."""

    diagnosis: str = ""
    percent: str = ""
    group: str = "likely"


@dataclass
class Moves:
    """`typed` is what a refused form held, and `refused` the name of its address; both empty otherwise."""

    room: Room
    typed: QueryDict
    refused: str = ""
    asked_for: str = ""

    note_templates = NOTE
    export_templates = EXPORTS
    decline_reasons = DeclineReason.choices
    certainties = Certainty.choices

    @property
    def pending(self) -> dict[str, Any]:
        """What the agent recommends, once this clinician may see it."""
        return {} if self.room.hidden else self.room.pending

    @property
    def outcomes(self) -> Sequence[Outcome]:
        return self.room.outcomes

    @property
    def owes(self) -> bool:
        """The agent failed, was stopped or lost its answer to an undo: it can be asked once more."""
        if self.room.consultation.status in (ConsultationStatus.FAILED, ConsultationStatus.STOPPED):
            return True
        spoken = [turn for turn in self.room.live if turn.role == TurnRole.AGENT]
        return self.room.consultation.agent_called and not (spoken and spoken[-1].status == TurnStatus.COMPLETE)

    @property
    def declinable(self) -> bool:
        return self.pending.get("action") in ("ask", "examine", "diagnose")

    @cached_property
    def undoable(self) -> Undoable | None:
        return last_step(self.room.turns)

    @property
    def undo_words(self) -> str:
        """What an undo takes back, as far as one line says it."""
        if self.undoable is None:
            return ""
        first, turns = self.undoable.step[0], self.undoable.turns
        numbers = f"turn {first.number}" if len(turns) == 1 else f"turns {first.number} to {turns[-1].number}"
        return f"{ROLES[TurnRole(first.role)]} of {numbers}".capitalize()

    @property
    def open_entries(self) -> list[LedgerEntry]:
        """With the reason that was typed for each, if the form came back."""
        found = [entry for entry in self.room.ledger if entry.status == LedgerStatus.OPEN]
        for entry in found:
            entry.reason = self.typed.get(f"reason-{entry.pk}", "")
        return found

    @property
    def examination(self) -> str:
        """Whose result is entered: as typed, as asked for, or as recommended."""
        if self.refused == "consultation_result":
            return self.typed.get("examination", "")
        recommended = str(self.pending.get("target", "")) if self.pending.get("action") == "examine" else ""
        return self.asked_for or recommended

    @cached_property
    def result_rows(self) -> list[Row]:
        if self.refused == "consultation_result":
            return read_rows(self.typed) or [Row()]
        return rows_for(self.examination, self.room.consultation.case, self.room.user)

    @property
    def hypotheses(self) -> list[Hypothesis]:
        """The agent's differential to be corrected, with room for others."""
        if self.refused == "consultation_differential":
            columns = (self.typed.getlist(name) for name in ("diagnosis", "percent", "group"))
            return [Hypothesis(*row) for row in zip(*columns, strict=False)]
        known = [_hypothesis(entry) for entry in self._differential]
        return [*known, *[Hypothesis() for _ in range(SPARE_HYPOTHESES)]][:HYPOTHESES]

    @property
    def outcome(self) -> Outcome | None:
        """The latest counts."""
        return max(self.outcomes, key=lambda outcome: outcome.pk, default=None)

    @property
    def handover(self) -> Handover | None:
        return max(self.room.handovers, key=lambda given: given.pk, default=None)

    @property
    def mine_before(self) -> bool:
        """This person handed it over to somebody else."""
        return any(given.sender_id == self.room.user.pk for given in self.room.handovers)

    @property
    def _differential(self) -> list[dict[str, Any]]:
        """The agent's, unless it is still kept from this clinician."""
        actions = [turn.action for turn in self.room.live if turn.action and turn.action.get("differential")]
        return list(actions[-1]["differential"]) if actions and not self.room.hidden else []


def _hypothesis(entry: dict[str, Any]) -> Hypothesis:
    p = entry.get("probability")
    percent = "" if p is None else f"{p * 100:.0f}"
    return Hypothesis(str(entry.get("diagnosis", "")), percent, str(entry.get("group") or "likely"))
