"""Who holds a consultation: its row, locked, for the one clinician who may move it."""

from __future__ import annotations

from clinic.models import Consultation, ConsultationStatus, User
from clinic.services.errors import SENTENCES, Refused


def locked(consultation: Consultation, by: User) -> Consultation:
    """The consultation as it is now, for the clinician who holds it; closed ones too."""
    # NO KEY UPDATE does not make the agent's event inserts wait, which refer to this row.
    rows = Consultation.objects.steerable_by(by).select_for_update(no_key=True, of=("self",))
    current = rows.select_related("case", "site").filter(pk=consultation.pk).first()
    if current is None:
        raise Refused(SENTENCES["not_yours"])
    return current


def held(consultation: Consultation, by: User) -> Consultation:
    """As `locked`; a closed consultation stays as it was."""
    current = locked(consultation, by)
    if current.status == ConsultationStatus.CLOSED:
        raise Refused(SENTENCES["closed"])
    return current
