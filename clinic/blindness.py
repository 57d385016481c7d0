"""What a judge may not yet know: what the others said, and which policy it was."""

from __future__ import annotations

from django.db.models import Exists, F, OuterRef, Q

from clinic.models import Annotation, AnnotationOrigin, User
from clinic.services.queues import IN_WORK


def readable_by(person: User) -> Q:
    """Annotations that cannot sway this person: their own, those of open queues, and in a blind queue those of a

    complete item that is not in their own work. Who judges nothing, an administrator, need not wait for the last one.
    """
    in_work = Annotation.objects.filter(
        item=OuterRef("item"), annotator=person, origin=AnnotationOrigin.PERSON, status__in=IN_WORK
    )
    complete = Q(item__submitted__gte=F("item__wanted")) if person.may_annotate else Q()
    return Q(annotator=person) | Q(item__queue__blind=False) | (complete & Q(~Exists(in_work)))


def judged_blindly(person: User, consultation: str = "pk") -> Exists:
    """Whether this person has it in work in a blind queue, or as one of two: the policy's name would sway them."""
    its = Q(item__consultation=OuterRef(consultation)) | Q(item__other=OuterRef(consultation))
    unnamed = Q(item__queue__blind=True) | Q(item__other__isnull=False)
    own = Annotation.objects.filter(annotator=person, origin=AnnotationOrigin.PERSON, status__in=IN_WORK)
    return Exists(own.filter(its, unnamed))
