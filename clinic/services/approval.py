"""What becomes training data: an adjudicating physician approves, quarantines or releases, never their own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.db import transaction

from clinic.models import Feedback, FeedbackStatus, User
from clinic.services import audit
from clinic.services.errors import Refused

MOST = 500
"""Rows decided upon at once."""
SAYS = {
    "only_adjudicators": "Only an adjudicating physician decides what is learned from. Nothing was changed.",
    "nothing_chosen": "Choose at least one row. Nothing was changed.",
    "too_many": f"That is more than {MOST} rows at once. Narrow the list first; nothing was changed.",
    "reason": "Say why. It is kept, and shown to who gave it; nothing was changed.",
}
FROM = {
    "approved": (FeedbackStatus.PROPOSED,),
    "quarantined": (FeedbackStatus.PROPOSED, FeedbackStatus.APPROVED),
    "released": (FeedbackStatus.QUARANTINED,),
}


@dataclass(frozen=True, slots=True)
class Decided:
    """How many rows moved, and how many stayed because of what they are."""

    done: int
    own: int = 0
    withdrawn: int = 0
    already: int = 0
    without_consent: int = 0
    """Of those done: approved, and never exported before their giver consents."""

    @property
    def stayed(self) -> list[str]:
        said = (
            (self.own, "your own, which a colleague decides on"),
            (self.withdrawn, "withdrawn, which is final"),
            (self.already, "decided already"),
        )
        return [f"{number} {words}" for number, words in said if number]


def approve(*, ids: Sequence[UUID], by: User, reason: str = "") -> Decided:
    """Proposed rows become training data; of those without consent none is exported until there is one."""
    return _decide(ids, by, "approved", reason)


def quarantine(*, ids: Sequence[UUID], by: User, reason: str) -> Decided:
    """Proposed or approved rows are kept away from training, for a reason that their giver reads."""
    return _decide(ids, by, "quarantined", _given(reason))


def release(*, ids: Sequence[UUID], by: User, reason: str) -> Decided:
    """Quarantined rows are approved after all."""
    return _decide(ids, by, "released", _given(reason))


def quarantine_all_of(*, annotator: int, by: User, reason: str) -> Decided:
    """Everything of one person at this site that is not decided against yet."""
    rows = Feedback.objects.visible_to(by).filter(by=annotator, status__in=FROM["quarantined"])
    return quarantine(ids=list(rows.order_by("at").values_list("pk", flat=True)[:MOST]), by=by, reason=reason)


@transaction.atomic
def _decide(ids: Sequence[UUID], by: User, what: str, reason: str) -> Decided:
    if not by.may_adjudicate:
        raise Refused(SAYS["only_adjudicators"])
    if not ids:
        raise Refused(SAYS["nothing_chosen"])
    if len(ids) > MOST:
        raise Refused(SAYS["too_many"])
    rows = list(
        Feedback.objects.visible_to(by).select_for_update(no_key=True, of=("self",)).filter(pk__in=ids).order_by("pk")
    )
    own = [row for row in rows if row.by_id == by.pk]
    others = [row for row in rows if row.by_id != by.pk]
    movable = [row for row in others if row.status in FROM[what]]
    for row in movable:
        row.move_to(_target(what), by=by, reason=reason.strip())
    if movable:
        _audit(movable, by, what)
    return Decided(
        done=len(movable),
        own=len(own),
        withdrawn=sum(row.status == FeedbackStatus.WITHDRAWN for row in others),
        already=len([row for row in others if row not in movable and row.status != FeedbackStatus.WITHDRAWN]),
        without_consent=0 if what == "quarantined" else sum(not row.consent for row in movable),
    )


def _target(what: str) -> FeedbackStatus:
    return FeedbackStatus.QUARANTINED if what == "quarantined" else FeedbackStatus.APPROVED


def _given(reason: str) -> str:
    if not reason.strip():
        raise Refused(SAYS["reason"])
    return reason


def _audit(rows: Iterable[Feedback], by: User, what: str) -> None:
    # The reason is in the row's own history: it may speak of a patient, and never gets into the log.
    ids = [str(row.pk) for row in rows]
    facts = {"count": len(ids), "feedback": ids}
    audit.record(by=by, action=f"feedback.{what}", noun="site", target=by.site_id, data=facts, site=by.site)
