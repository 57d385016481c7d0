"""Takes back the clinician's last step: everything of it stays on record, struck, and nobody is told it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from clinic.models import (
    Consultation,
    ConsultationStatus,
    FeedbackKind,
    Finding,
    LedgerStatus,
    ModelOutput,
    SimulatedResult,
    StaleStatus,
    Turn,
    TurnRole,
    TurnStatus,
    User,
)
from clinic.services import feedback
from clinic.services.errors import SENTENCES, Refused
from clinic.services.steering import Step, live, numbers, steering


@dataclass(frozen=True, slots=True)
class Undoable:
    """The last step of a clinician, and what the agent said since."""

    step: list[Turn]
    since: list[Turn]

    @property
    def turns(self) -> list[Turn]:
        return sorted([*self.step, *self.since], key=lambda turn: turn.number)


def last_step(turns: Sequence[Turn]) -> Undoable | None:
    """Of turns in their order; None where there is nothing left to undo. The turns of one step share its moment."""
    standing = [turn for turn in turns if turn.retracted_at is None]
    mine = [turn for turn in standing if turn.role != TurnRole.AGENT]
    if not mine:
        return None
    last = mine[-1]
    step = [turn for turn in mine if turn is last or (turn.finished_at and turn.finished_at == last.finished_at)]
    since = [turn for turn in standing if turn.role == TurnRole.AGENT and turn.number > step[0].number]
    return Undoable(step, since)


def undo(*, consultation: Consultation, by: User, seen: int | None = None) -> list[Turn]:
    """The step's turns, findings and simulated results and the agent's later turns are retracted, by whom and when.

    `seen` is the number of the step's first turn where it was offered: another step is not undone in its place.
    """
    with steering(consultation, by) as step:
        found = last_step(live(step.consultation))
        if found is None:
            raise Refused(SENTENCES["nothing_to_undo"])
        if seen is not None and found.step[0].number != seen:
            raise StaleStatus(SENTENCES["stale"])
        _retract(step, found.turns)
        _take_back_decision(step, found)
        _open_ledger_again(step, numbers(found.turns))
        if step.consultation.status != ConsultationStatus.WAITING:
            step.consultation.move_to(ConsultationStatus.WAITING, by=by, reason="undone")
        _show_struck(step, found.turns)
        step.audit("undone", turns=numbers(found.turns))
    return found.turns


def _retract(step: Step, turns: list[Turn]) -> None:
    rows = [turn.pk for turn in turns]
    Turn.objects.filter(pk__in=rows).update(retracted_at=step.at, retracted_by=step.by)
    Finding.objects.filter(turn__in=rows).update(retracted_at=step.at)
    SimulatedResult.objects.filter(turn__in=rows).update(retracted_at=step.at)
    for turn in turns:
        turn.retracted_at, turn.retracted_by = step.at, step.by


def _take_back_decision(step: Step, found: Undoable) -> None:
    spoken = [turn for turn in live(step.consultation) if turn.role == TurnRole.AGENT]
    before = [turn for turn in spoken if turn.status == TurnStatus.COMPLETE and turn.number < found.step[0].number]
    if before:
        feedback.undo_decision(step.consultation, before[-1], step.by)
    feedback.give(
        kind=FeedbackKind.UNDONE,
        by=step.by,
        consultation=step.consultation,
        turn=found.step[0],
        data={"turns": numbers(found.turns)},
    )


def _open_ledger_again(step: Step, undone: list[int]) -> None:
    """What was excluded by a fact that was undone is not excluded any more."""
    for entry in step.consultation.ledger.filter(status=LedgerStatus.EXCLUDED):
        if any(fact.get("turn") in undone for fact in entry.evidence):
            entry.move_to(LedgerStatus.OPEN, by=step.by, reason="", evidence=[], decided_by=None, decided_at=None)


def _show_struck(step: Step, turns: list[Turn]) -> None:
    """The same turns once more, as they look now, for open pages and for the replay; then everything else redraws."""
    said = dict(ModelOutput.objects.filter(turn__in=turns, complete=True).values_list("turn_id", "text"))
    for turn in turns:
        turn.consultation = step.consultation
        step.tell(turn, said.get(turn.pk, turn.text))
    step.state("undone", turns=numbers(turns))
