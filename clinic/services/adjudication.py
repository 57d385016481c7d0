"""What stands for an item: the judgement that all agree in, or the one an adjudicator settles with a reason."""

from __future__ import annotations

from django.db import transaction

from clinic.models import Annotation, AnnotationOrigin, AnnotationStatus, QueueItem, User
from clinic.services.errors import Refused


@transaction.atomic
def settle(*, item: QueueItem) -> Annotation | None:
    """The authoritative annotation, marked where all wanted judgements are in and agree in every criterion.

    None while some are missing, or where they disagree: then an adjudicator settles it. What an adjudicator settled
    stands, and so does what was known of a gold item beforehand.
    """
    QueueItem.objects.select_for_update().get(pk=item.pk)
    standing = item.annotations.filter(authoritative=True).first()
    if standing and (item.gold or standing.origin == AnnotationOrigin.ADJUDICATION):
        return standing
    agreed = _agreed(item)
    if standing and standing != agreed:
        item.annotations.filter(pk=standing.pk).update(authoritative=False)
    if agreed and standing != agreed:
        item.annotations.filter(pk=agreed.pk).update(authoritative=True)
        agreed.authoritative = True
    return agreed


def adjudicate(*, item: QueueItem, by: User, sheet: dict[str, object], reason: str) -> Annotation:
    raise Refused("Adjudication is not open yet.")


def _agreed(item: QueueItem) -> Annotation | None:
    """The first of the judgements, if they say the same."""
    rows = item.annotations.filter(origin=AnnotationOrigin.PERSON, status=AnnotationStatus.SUBMITTED)
    judgements = list(rows.prefetch_related("ratings", "preferences").order_by("submitted_at", "pk"))
    if not judgements or len(judgements) < item.wanted:
        return None
    said = [_said(judgement) for judgement in judgements]
    return judgements[0] if said[0] and all(one == said[0] for one in said) else None


def _said(annotation: Annotation) -> dict[tuple[object, ...], str]:
    ratings = {(rating.criterion_id, rating.turn): rating.verdict for rating in annotation.ratings.all()}
    preferred = {(row.dimension,): row.choice for row in annotation.preferences.all()}
    return {**ratings, **preferred}
