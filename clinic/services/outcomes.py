"""What it turned out to be, weeks later: recorded as often as it is known better; the latest counts."""

from __future__ import annotations

from django.db import transaction

from agents.matching import ontology
from clinic.models import Certainty, Consultation, FeedbackKind, Outcome, User
from clinic.services import feedback
from clinic.services.errors import SENTENCES, Refused
from clinic.services.holding import locked
from clinic.services.redraw import redraw
from clinic.services.steering import record


@transaction.atomic
def record_outcome(
    *,
    consultation: Consultation,
    by: User,
    diagnosis: str,
    certainty: str = Certainty.CONFIRMED,
    harm: str = "",
    note: str = "",
) -> Outcome:
    """By the clinician who holds it, before or after it is closed."""
    if not diagnosis.strip() or certainty not in Certainty.values:
        raise Refused(SENTENCES["needs_text"])
    current = locked(consultation, by)
    known = ontology().resolve(diagnosis)
    outcome = Outcome.objects.create(
        consultation=current,
        diagnosis=diagnosis.strip()[:300],
        condition=known.condition if known else "",
        certainty=certainty,
        harm=harm.strip()[:300],
        note=note.strip(),
        by=by,
    )
    data = {"outcome": outcome.pk, "condition": outcome.condition, "certainty": certainty}
    feedback.give(kind=FeedbackKind.OUTCOME, by=by, consultation=current, target=outcome.diagnosis, data=data)
    redraw(current, "outcome")
    record(current, by, "outcome_recorded", outcome=outcome.pk)
    return outcome
