"""A rubric by a panel, as in the published study: two authors, a reviewer, a weigher, four different physicians."""

from __future__ import annotations

from collections.abc import Mapping

from django.db import transaction
from django.utils import timezone

from clinic.models import RubricFlow, RubricPart, RubricRole, RubricStatus, RubricVersion, User
from clinic.rubric_access import Access
from clinic.services import audit
from clinic.services.errors import Refused
from clinic.services.rubric_words import SENTENCES
from clinic.services.rubrics import lock


@transaction.atomic
def assign(*, version: RubricVersion, by: User, people: Mapping[str, User]) -> None:
    """Who does which part, by role; a part that is done keeps its person. All four must be named and different."""
    version = lock(version)
    if not (version.is_open and version.rubric.flow == RubricFlow.PANEL and _may_assign(version, by)):
        raise Refused(SENTENCES["not_yours"])
    if set(people) != set(RubricRole.values) or len({person.pk for person in people.values()}) != len(RubricRole):
        raise Refused(SENTENCES["panel_four"])
    if any(person.site_id != version.rubric.site_id or not person.may_annotate for person in people.values()):
        raise Refused(SENTENCES["panel_site"])
    begun = {part.role: part for part in version.parts.all()}
    changed = {role: person for role, person in people.items() if role not in begun or begun[role].by_id != person.pk}
    if any(role in begun and _has_begun(begun[role]) for role in changed):
        raise Refused(SENTENCES["part_done"])
    version.parts.filter(role__in=changed).delete()
    RubricPart.objects.bulk_create(RubricPart(version=version, role=role, by=who) for role, who in changed.items())
    names = {role: person.username for role, person in people.items()}
    _record(version, by, "rubric.panel_assigned", names)


@transaction.atomic
def done(*, version: RubricVersion, by: User, note: str = "") -> RubricVersion:
    """This person's part is finished; the step ends when everybody of it is. The weigher publishes instead."""
    version = lock(version)
    access = Access(version, by)
    if not (access.is_on and access.part) or version.status == RubricStatus.WEIGHING:
        raise Refused(SENTENCES["not_your_turn"])
    _require_work(access)
    RubricPart.objects.filter(pk=access.part.pk).update(done_at=timezone.now(), note=note.strip()[:2000])
    here = [part for part in access.parts if part.role in _roles_here(version)]
    if all(part.done_at or part.pk == access.part.pk for part in here):
        version.move_to(RubricStatus.REVIEW if version.status == RubricStatus.WRITING else RubricStatus.WEIGHING, by=by)
    _record(version, by, "rubric.part_done", {"role": access.part.role, "status": str(version.status)})
    return version


@transaction.atomic
def send_back(*, version: RubricVersion, by: User, note: str = "") -> RubricVersion:
    """The weigher finds the review wanting: it goes back to the reviewer, what is there stays."""
    version = lock(version)
    access = Access(version, by)
    if not (access.is_on and version.status == RubricStatus.WEIGHING):
        raise Refused(SENTENCES["not_your_turn"])
    version.parts.filter(role=RubricRole.REVIEWER).update(done_at=None)
    version.move_to(RubricStatus.REVIEW, by=by, reason=note.strip()[:2000])
    _record(version, by, "rubric.sent_back", {"note": note.strip()[:2000]})
    return version


def _require_work(access: Access) -> None:
    """An author has written something, or the version starts from one that was in force; a reviewer kept something."""
    if access.version.status == RubricStatus.WRITING and not access.criteria().exists():
        raise Refused(SENTENCES["nothing_written"])
    if access.version.status == RubricStatus.REVIEW and not access.version.criteria.filter(kept=True).exists():
        raise Refused(SENTENCES["nothing_kept"])


def _roles_here(version: RubricVersion) -> tuple[str, ...]:
    writing = version.status == RubricStatus.WRITING
    return (RubricRole.AUTHOR, RubricRole.SECOND_AUTHOR) if writing else (RubricRole.REVIEWER,)


def _has_begun(part: RubricPart) -> bool:
    """An author who has written stays the author: another would read what was written."""
    return bool(part.done_at) or part.version.criteria.filter(by=part.by_id).exists()


def _may_assign(version: RubricVersion, by: User) -> bool:
    return by.site_id == version.rubric.site_id and (by.may_run_queues or version.created_by_id == by.pk)


def _record(version: RubricVersion, by: User, action: str, data: dict[str, str]) -> None:
    facts = {"number": version.number, **data}
    audit.record(by=by, action=action, noun="rubric_version", target=version.pk, data=facts, site=version.rubric.site)
