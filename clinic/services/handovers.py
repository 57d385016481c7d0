"""Gives a consultation to a colleague, with what the colleague must know; who had it keeps reading it."""

from __future__ import annotations

from django.db.models import QuerySet

from clinic.models import Consultation, Handover, Role, User
from clinic.services.errors import SENTENCES, Refused
from clinic.services.steering import steering


def colleagues(consultation: Consultation, by: User) -> QuerySet[User]:
    """Who may take it over: active people of its site who hold consultations."""
    people = User.objects.filter(site=consultation.site_id, is_active=True, role__in=(Role.CLINICIAN, Role.ADMIN))
    return people.exclude(pk=by.pk)


def hand_over(*, consultation: Consultation, by: User, to: User | None, note: str = "") -> Handover:
    """It moves to the receiver's list and is steered by the receiver alone from now on; a pause goes with it."""
    with steering(consultation, by, paused=True) as step:
        current = step.consultation
        receiver = colleagues(current, by).filter(pk=to.pk).first() if to else None
        if receiver is None:
            raise Refused(SENTENCES["no_colleague"])
        given = Handover.objects.create(consultation=current, sender=by, receiver=receiver, note=note.strip())
        current.clinician = receiver
        current.save(update_fields=["clinician"])
        step.state("handed_over")
        step.audit("handed_over", receiver=receiver.pk)
    return given
