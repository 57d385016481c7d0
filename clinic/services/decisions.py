"""What a clinician thinks of what the agent said: not needed, another differential, a comment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django.db import transaction

from agents.types import ActionKind, HypothesisGroup
from clinic.facts import CORRECTED, DECLINED
from clinic.models import Consultation, DeclineReason, Feedback, FeedbackKind, Turn, TurnRole, User
from clinic.services import feedback
from clinic.services.errors import SENTENCES, Refused
from clinic.services.steering import recommendation, record, steering

MOST_HYPOTHESES = 10
GROUP_WORDS = {HypothesisGroup.CANT_MISS: " (can't miss)", HypothesisGroup.OTHER: " (other)"}


def decline(*, consultation: Consultation, by: User, reason_code: str, reason: str = "") -> Turn:
    """The recommended step is not needed, for a reason that can be counted; the agent is told and goes on."""
    about = recommendation(consultation)
    if about is None or about.kind == ActionKind.DEFER:
        raise Refused(SENTENCES["not_a_recommendation"])
    if reason_code not in DeclineReason.values:
        raise Refused(SENTENCES["why_declined"])
    if reason_code == DeclineReason.OTHER and not reason.strip():
        raise Refused(SENTENCES["words_for_other"])
    because = "" if reason_code == DeclineReason.OTHER else f" {DeclineReason(reason_code).label}."
    words = f"{DECLINED}{about.target}.{because} {reason.strip()}".strip()
    with steering(consultation, by, about=about) as step:
        feedback.give(
            kind=FeedbackKind.REJECTED,
            by=by,
            consultation=step.consultation,
            turn=about.turn,
            target=about.target,
            reason_code=reason_code,
            reason=reason,
            data={"action": str(about.kind)},
        )
        # `request` is what the agent said: no fact is read from it.
        turn = step.turn(TurnRole.CLINICIAN, text=words, request=about.target[:300])
        step.tell(turn)
        step.go_on()
        step.audit("declined", reason=reason_code)
    return turn


def correct_differential(*, consultation: Consultation, by: User, rows: Sequence[Mapping[str, Any]]) -> Turn:
    """The clinician's own differential in place of the agent's: kept beside it, and told to it.

    A row has `diagnosis`, and may have `probability` in 0..1 and a `group`; their order is the ranking.
    """
    wanted = list(_hypotheses(rows))[:MOST_HYPOTHESES]
    if not wanted:
        raise Refused(SENTENCES["no_differential"])
    if sum(row["probability"] or 0 for row in wanted) > 1.0001:
        raise Refused(SENTENCES["percent"])
    about = recommendation(consultation)
    with steering(consultation, by, about=about) as step:
        feedback.give(
            kind=FeedbackKind.DIFFERENTIAL,
            by=by,
            consultation=step.consultation,
            turn=about.turn if about else None,
            target=wanted[0]["diagnosis"],
            data={"rows": wanted, "agent": about.differential if about else []},
        )
        turn = step.turn(TurnRole.CLINICIAN, text=f"{CORRECTED}{'; '.join(map(_words, wanted))}.")
        step.tell(turn)
        step.go_on()
        step.audit("differential_corrected")
    return turn


@transaction.atomic
def comment(*, consultation: Consultation, by: User, text: str, turn: int | None = None) -> Feedback:
    """A remark that the agent is not told, on one turn or on the whole; also after the end."""
    if not text.strip():
        raise Refused(SENTENCES["needs_text"])
    current = Consultation.objects.visible_to(by).filter(pk=consultation.pk).select_related("case", "site").first()
    if current is None or not by.may_consult:
        raise Refused(SENTENCES["not_yours"])
    about = current.turns.filter(number=turn).first() if turn is not None else None
    given = feedback.give(kind=FeedbackKind.COMMENT, by=by, consultation=current, turn=about, reason=text)
    record(current, by, "commented", turns=[about.number] if about else [])
    return given


def _hypotheses(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    seen = set[str]()
    for row in rows:
        name = " ".join(str(row.get("diagnosis") or "").split())[:200]
        if not name or name.casefold() in seen:
            continue
        seen.add(name.casefold())
        p = row.get("probability")
        if p is not None and not 0 <= p <= 1:
            raise Refused(SENTENCES["percent"])
        yield {"diagnosis": name, "probability": p, "group": str(HypothesisGroup(row.get("group") or "likely"))}


def _words(row: Mapping[str, Any]) -> str:
    chance = "" if row["probability"] is None else f" {row['probability']:.0%}"
    return f"{row['diagnosis']}{chance}{GROUP_WORDS.get(row['group'], '')}"
