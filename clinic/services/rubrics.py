"""Which rubric judges a consultation: the queue's own, else the case's, its complaint's, or the general one."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from django.db.models import Q

from clinic.fact_texts import complaint_groups
from clinic.models import AnnotationQueue, Case, Consultation, RubricScope, RubricStatus, RubricVersion

Place = tuple[str, str]


def for_consultation(*, consultation: Consultation, queue: AnnotationQueue | None = None) -> RubricVersion | None:
    """The version that judges it; None where none is in force for it."""
    return for_consultations(consultations=[consultation], queue=queue)[consultation.pk]


def for_consultations(
    *, consultations: Iterable[Consultation], queue: AnnotationQueue | None = None
) -> dict[UUID, RubricVersion | None]:
    """The same for many of one site, in one query; their cases should have been selected with them."""
    asked = list(consultations)
    if queue and queue.rubric_version_id:
        return dict.fromkeys((one.pk for one in asked), queue.rubric_version)
    places = {one.pk: places_of(one.case) for one in asked}
    in_force = _in_force(asked, places.values())
    return {key: next((in_force[place] for place in found if place in in_force), None) for key, found in places.items()}


def places_of(case: Case) -> list[Place]:
    """Where a rubric may stand that judges this case, the most particular first."""
    groups = [(str(RubricScope.COMPLAINT), group) for group in groups_of(case)]
    return [(str(RubricScope.CASE), str(case.pk)), *groups, (str(RubricScope.GENERAL), "")]


def groups_of(case: Case) -> tuple[str, ...]:
    """The complaint groups of the knowledge that a case comes with, the leading one first."""
    return complaint_groups(case.complaint, str(case.extra.get("group") or ""), str(case.history.get("hpi") or ""))


def _in_force(asked: list[Consultation], places: Iterable[list[Place]]) -> dict[Place, RubricVersion]:
    """The newest published version at each place; a site may have made two rubrics for one complaint."""
    groups = {name for found in places for scope, name in found if scope == RubricScope.COMPLAINT}
    about = Q(rubric__case__in={one.case_id for one in asked}) | Q(rubric__complaint_group__in=groups)
    versions = RubricVersion.objects.filter(
        about | Q(rubric__scope=RubricScope.GENERAL),
        status=RubricStatus.PUBLISHED,
        rubric__site__in={one.site_id for one in asked},
        rubric__archived_at=None,
    )
    return {_place(version): version for version in versions.select_related("rubric").order_by("published_at")}


def _place(version: RubricVersion) -> Place:
    rubric = version.rubric
    return rubric.scope, str(rubric.case_id) if rubric.case_id else rubric.complaint_group
