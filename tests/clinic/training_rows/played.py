"""A consultation with what the model wrote, turn by turn, and feedback on it that is approved."""

from __future__ import annotations

from typing import Any

from agents.codecs import StructuredCodec
from agents.types import Action, ActionKind, Hypothesis, HypothesisGroup
from clinic.models import Case, Consultation, Feedback, FeedbackStatus, ModelOutput, Role, Turn, User
from clinic.services import approval, feedback
from tests.clinic import factories as make
from tests.clinic.annotation import factories as judged

RANKED = (
    Hypothesis("Pneumonia", 0.6, HypothesisGroup.LIKELY),
    Hypothesis("Pulmonary embolism", 0.2, HypothesisGroup.CANT_MISS),
)
ORDERS = Action(ActionKind.EXAMINE, "Chest X-ray", "Fever and cough", RANKED)
REPEATS = Action(ActionKind.EXAMINE, "Sputum culture", "Names the germ", RANKED)
NAMES = Action(ActionKind.DIAGNOSE, "Pneumonia", "Consolidation on the film", RANKED)
IDENTITY = {"version": "dx-spoke", "base": "b", "adapter": None, "prompt": "p", "engine": "fake", "sampling": {}}


def speak(held: Consultation, action: Action) -> Turn:
    """The agent's next turn, as it would have been produced."""
    turn = make.make_turn(
        held, "agent", status="complete", action=action.as_dict(), text=action.reason, policy=IDENTITY
    )
    ModelOutput.objects.create(turn=turn, attempt=1, text=StructuredCodec().encode(action), complete=True)
    return turn


def played(*actions: Action, case: Case | None = None, **fields: Any) -> Consultation:
    """The agent's actions with a result after each but the last."""
    held = make.make_consultation(case=case or make.make_case(key=f"demo:{Case.objects.count()}"), **fields)
    actions = actions or (ORDERS, REPEATS, NAMES)
    for number, action in enumerate(actions):
        speak(held, action)
        if number < len(actions) - 1:
            make.make_turn(
                held, "environment", text=f"{action.target}: seen", request=action.target, source="simulated"
            )
    return held


def approved(row: Feedback, by: User | None = None) -> Feedback:
    approval.approve(ids=[row.pk], by=by or make.make_user(Role.ADJUDICATOR, site=row.site))
    row.refresh_from_db()
    assert row.status == FeedbackStatus.APPROVED
    return row


def said(held: Consultation, number: int, kind: str, **fields: Any) -> Feedback:
    """Approved feedback of the clinician on one turn of the agent."""
    turn = held.turns.get(number=number)
    fields = {"target": (turn.action or {}).get("target", ""), "by": held.clinician, **fields}
    return approved(feedback.give(kind=kind, consultation=held, turn=turn, **fields))


def rated(
    held: Consultation, verdicts: dict[str, str], by: User | None = None, version=None, **fields: Any
) -> Feedback:
    """Approved feedback of a physician who judged the whole by rubric."""
    version = version or judged.make_rubric(site=held.site)
    item = judged.make_item(consultation=held, rubric_version=version)
    annotation = judged.make_annotation(item, by, verdicts, **fields)
    row = feedback.give(
        kind="rating", consultation=held, by=annotation.annotator, data={"annotation": str(annotation.pk)}
    )
    annotation.feedback = row
    annotation.save(update_fields=["feedback"])
    return approved(row)
