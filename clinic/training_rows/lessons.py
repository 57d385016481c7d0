"""What one row of feedback says about which turns of the agent: right, wrong, and what would have been right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from agents.answers import UNFIT
from agents.types import Action, ActionKind, Hypothesis, HypothesisGroup
from clinic.models import AnnotationStatus, CorrectionKind, Feedback, FeedbackKind, Turn, TurnRole, TurnStatus
from clinic.naming import condition_of


@dataclass(frozen=True, slots=True)
class Lesson:
    """One turn: `good` None where only part of it was corrected; `reason_from` is who gave the correction's reason."""

    feedback: Feedback
    turn: Turn
    good: bool | None
    corrected: Action | None = None
    reason_from: str = ""


def lessons_of(row: Feedback) -> list[Lesson]:
    """Nothing where the row says nothing about a single turn; turns that were undone teach nothing."""
    found = _BY_KIND.get(FeedbackKind(row.kind), _nothing)(row)
    return [lesson for lesson in found if _stands(lesson.turn)]


def action_of(turn: Turn) -> Action:
    """The parsed action of an agent's turn."""
    data = turn.action or {}
    return Action(ActionKind(data["action"]), data["target"], data.get("reason", ""), _hypotheses(data))


def _nothing(row: Feedback) -> Iterator[Lesson]:
    yield from ()


def _accepted(row: Feedback) -> Iterator[Lesson]:
    if row.turn:
        yield Lesson(row, row.turn, good=True)


def _rejected(row: Feedback) -> Iterator[Lesson]:
    if row.turn:
        yield Lesson(row, row.turn, good=False)


def _replaced(row: Feedback) -> Iterator[Lesson]:
    done = row.data.get("done") or []
    if row.turn and done:
        yield _correction(row, row.turn, ActionKind.EXAMINE, str(done[0]), row.reason)


def _differential(row: Feedback) -> Iterator[Lesson]:
    if row.turn and row.turn.action:
        said = action_of(row.turn)
        own = tuple(
            Hypothesis(entry["diagnosis"], entry.get("probability"), HypothesisGroup(entry.get("group") or "likely"))
            for entry in row.data.get("rows", ())
        )
        yield Lesson(row, row.turn, None, Action(said.kind, said.target, said.reason, own), "agent")


def _diagnosis(row: Feedback) -> Iterator[Lesson]:
    said = (row.turn.action if row.turn else None) or {}
    if row.turn and said.get("action") == ActionKind.DIAGNOSE:
        if _same_diagnosis(said["target"], row.target):
            yield Lesson(row, row.turn, good=True)
        else:
            yield _correction(row, row.turn, ActionKind.DIAGNOSE, row.target, row.reason)


def _rating(row: Feedback) -> Iterator[Lesson]:
    """Turns before the first wrong one were right, in that physician's eyes."""
    given = getattr(row, "annotation", None)
    if given is None or given.status != AnnotationStatus.SUBMITTED or given.first_wrong_turn is None:
        return
    for turn in row.consultation.turns.all():  # type: ignore[union-attr]
        if turn.number < given.first_wrong_turn:
            yield Lesson(row, turn, good=True)
        elif turn.number == given.first_wrong_turn:
            if given.correction_kind:
                examines = given.correction_kind == CorrectionKind.EXAMINATION
                kind = ActionKind.EXAMINE if examines else ActionKind.DIAGNOSE
                yield _correction(row, turn, kind, given.correction, "")
            else:
                yield Lesson(row, turn, good=False)


_BY_KIND: dict[FeedbackKind, Callable[[Feedback], Iterator[Lesson]]] = {
    FeedbackKind.ACCEPTED: _accepted,
    FeedbackKind.REPLACED: _replaced,
    FeedbackKind.REJECTED: _rejected,
    FeedbackKind.DIFFERENTIAL: _differential,
    FeedbackKind.DIAGNOSIS: _diagnosis,
    FeedbackKind.RATING: _rating,
}


def _stands(turn: Turn) -> bool:
    """Whether it is the agent's own word: a deferral that a rule made teaches nothing about the agent."""
    agents = turn.role == TurnRole.AGENT and turn.status == TurnStatus.COMPLETE and UNFIT not in turn.dropped
    return agents and turn.retracted_at is None and bool(turn.action)


def _correction(row: Feedback, turn: Turn, kind: ActionKind, target: str, reason: str) -> Lesson:
    """The physician's action with the agent's differential; their diagnosis is put first in it."""
    ranked = _hypotheses(turn.action or {})
    if kind == ActionKind.DIAGNOSE:
        ranked = put_first(ranked, target)
    said = reason.strip() or _plain_reason(kind, ranked)
    return Lesson(row, turn, False, Action(kind, target, said, ranked), "physician" if reason.strip() else "template")


def put_first(ranked: tuple[Hypothesis, ...], diagnosis: str) -> tuple[Hypothesis, ...]:
    """The same probabilities by rank, dealt to the names with this one first: nobody stated others."""
    named = [h for h in ranked if _same_diagnosis(h.diagnosis, diagnosis)]
    group = named[0].group if named else HypothesisGroup.LIKELY
    names = [(diagnosis, group), *((h.diagnosis, h.group) for h in ranked if h not in named)]
    chances = sorted((h.probability or 0.0 for h in ranked), reverse=True)
    dealt = zip(names, chances, strict=False)
    return tuple(Hypothesis(name, chance, group) for (name, group), chance in dealt)


def _plain_reason(kind: ActionKind, ranked: tuple[Hypothesis, ...]) -> str:
    """The wire needs a sentence, and nobody wrote one: it says no more than the action itself does."""
    if kind == ActionKind.DIAGNOSE or not ranked:
        return "Fits the findings best"
    names = [h.diagnosis for h in ranked[:2]]
    return f"Helps to decide between {' and '.join(names)}" if len(names) == 2 else f"Helps to decide on {names[0]}"


def _hypotheses(data: dict[str, Any]) -> tuple[Hypothesis, ...]:
    rows = data.get("differential") or ()
    return tuple(
        Hypothesis(row["diagnosis"], row.get("probability"), HypothesisGroup(row.get("group") or "likely"))
        for row in rows
    )


def _same_diagnosis(one: str, other: str) -> bool:
    if one.casefold().strip() == other.casefold().strip():
        return True
    known = condition_of(one)
    return known is not None and known == condition_of(other)
