"""Rubrics: which one judges a consultation, and the life of a version from its first criterion to its end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from agents.knowledge.conditions import vocabulary
from agents.rubric_lints import Problem
from clinic.fact_texts import complaint_groups
from clinic.models import (
    AnnotationQueue,
    Case,
    Consultation,
    Rubric,
    RubricCriterion,
    RubricFlow,
    RubricOrigin,
    RubricPart,
    RubricScope,
    RubricStatus,
    RubricVersion,
    Site,
    User,
)
from clinic.rubric_access import Access
from clinic.rubric_lint_rows import problems
from clinic.services import audit
from clinic.services.errors import Refused
from clinic.services.rubric_words import SENTENCES

Place = tuple[str, str]
TITLE, LONGEST = 200, 20_000


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


@transaction.atomic
def create(
    *, by: User, title: str, scope: str, case: Case | None = None, group: str = "", flow: str = RubricFlow.SINGLE
) -> RubricVersion:
    """A rubric with its first, empty version; a panel's people are assigned next."""
    site = _writer_site(by)
    title = " ".join(title.split())[:TITLE]
    if not title:
        raise Refused(SENTENCES["no_title"])
    rubric = Rubric.objects.create(
        site=site, title=title, flow=_flow(flow), created_by=by, **_about(by, scope, case, group)
    )
    version = RubricVersion.objects.create(rubric=rubric, number=1, created_by=by)
    _record(version, by, "rubric.created", {"scope": rubric.scope, "flow": rubric.flow})
    return version


@transaction.atomic
def new_version(*, rubric: Rubric, by: User) -> RubricVersion:
    """What is in force, copied to be changed; the version it was copied from stays as it is."""
    _writer_site(by)
    if not Rubric.objects.visible_to(by).select_for_update(no_key=True).filter(pk=rubric.pk).exists():
        raise Refused(SENTENCES["not_yours"])
    versions = list(rubric.versions.order_by("-number"))
    if any(version.is_open for version in versions):
        raise Refused(SENTENCES["open_version"])
    last = next((v for v in versions if v.status in (RubricStatus.PUBLISHED, RubricStatus.RETIRED)), None)
    if last is None:
        raise Refused(SENTENCES["nothing_in_force"])
    version = RubricVersion.objects.create(
        rubric=rubric, number=versions[0].number + 1, guideline=last.guideline, created_by=by
    )
    RubricCriterion.objects.bulk_create(_copies(last, version))
    RubricPart.objects.bulk_create(RubricPart(version=version, role=p.role, by=p.by) for p in last.parts.all())
    _record(version, by, "rubric.version_begun", {"from": last.number})
    return version


@transaction.atomic
def set_guideline(*, version: RubricVersion, by: User, guideline: str) -> None:
    """How to judge with it; a published one stands."""
    locked = lock(version)
    if not Access(locked, by).may_guide:
        raise Refused(SENTENCES["not_yours" if locked.is_open else "stands"])
    locked.guideline = guideline.strip()[:LONGEST]
    locked.save(update_fields=["guideline"])
    version.guideline = locked.guideline
    _record(locked, by, "rubric.guideline_changed", {})


@transaction.atomic
def publish(*, version: RubricVersion, by: User, read: bool = False) -> RubricVersion:
    """In force from now, the one before it replaced. `read`: the person has read the problems, and a model's draft."""
    version = lock(version)
    access = Access(version, by)
    if not access.may_publish:
        raise Refused(SENTENCES[_why_not(version, access)])
    found = _checked(version, read)
    for replaced in version.rubric.versions.filter(status=RubricStatus.PUBLISHED):
        replaced.move_to(RubricStatus.RETIRED, by=by, reason=f"version {version.number} published")
    if access.part:
        RubricPart.objects.filter(pk=access.part.pk).update(done_at=timezone.now())
    version.move_to(RubricStatus.PUBLISHED, by=by, published_by=by, published_at=timezone.now())
    codes = sorted({problem.code for problem in found})
    _record(version, by, "rubric.published", {"criteria": version.criteria.filter(kept=True).count(), "lints": codes})
    return version


@transaction.atomic
def discard(*, version: RubricVersion, by: User) -> None:
    """A version that never was in force is put away; the rubric keeps what is in force."""
    version = lock(version)
    allowed = by.site_id == version.rubric.site_id and (by.may_run_queues or version.created_by_id == by.pk)
    if not (allowed and version.is_open):
        raise Refused(SENTENCES["not_yours" if version.is_open else "stands"])
    version.move_to(RubricStatus.DISCARDED, by=by)
    _record(version, by, "rubric.version_discarded", {})


@transaction.atomic
def archive(*, rubric: Rubric, by: User, away: bool = True) -> None:
    """Judges nothing new from now, or again; a physician's decision like publishing. What it judged stays."""
    if not (by.may_annotate and by.site_id == rubric.site_id):
        raise Refused(SENTENCES["not_yours"])
    rubric.archived_at = timezone.now() if away else None
    rubric.save(update_fields=["archived_at"])
    action = "rubric.archived" if away else "rubric.restored"
    audit.record(by=by, action=action, noun="rubric", target=rubric.pk, site=rubric.site)


def lock(version: RubricVersion) -> RubricVersion:
    """The row as it stands, held until the transaction ends."""
    return (
        RubricVersion.objects.select_for_update(no_key=True, of=("self",))
        .select_related("rubric__case")
        .get(pk=version.pk)
    )


def _checked(version: RubricVersion, read: bool) -> list[Problem]:
    """The lints of what is about to be published; raises Refused where it cannot be, or nobody has read them."""
    kept = list(version.criteria.filter(kept=True))
    if not kept:
        raise Refused(SENTENCES["empty"])
    unweighed = [str(row) for row in kept if row.points == 0]
    if unweighed:
        raise Refused(SENTENCES["unweighed"].format(texts="; ".join(unweighed[:3])))
    found = problems(version, kept)
    serious = sum(problem.serious for problem in found)
    if serious and not read:
        raise Refused(SENTENCES["lints"].format(count=serious))
    if version.origin == RubricOrigin.GENERATED and not read:
        raise Refused(SENTENCES["generated"])
    return found


def _why_not(version: RubricVersion, access: Access) -> str:
    if not version.is_open:
        return "stands"
    return "by_panel" if access.is_panel else "not_yours"


def _copies(last: RubricVersion, version: RubricVersion) -> Iterable[RubricCriterion]:
    """Of a panel's version nobody is the author of what was there before, so that both authors see it."""
    panel = version.rubric.flow == RubricFlow.PANEL
    for row in last.criteria.filter(kept=True):
        row.pk, row.version, row.by = None, version, None if panel else row.by
        yield row


def _about(by: User, scope: str, case: Case | None, group: str) -> dict[str, Any]:
    if scope not in RubricScope.values:
        raise Refused(SENTENCES["no_scope"])
    if scope == RubricScope.CASE:
        if case is None or not Case.objects.visible_to(by).filter(pk=case.pk).exists():
            raise Refused(SENTENCES["no_case"])
        return {"scope": scope, "case": case}
    if scope == RubricScope.COMPLAINT:
        if group not in vocabulary().groups:
            raise Refused(SENTENCES["no_group"])
        return {"scope": scope, "complaint_group": group}
    return {"scope": scope}


def _flow(flow: str) -> str:
    return flow if flow in RubricFlow.values else str(RubricFlow.SINGLE)


def _writer_site(by: User) -> Site:
    """Where this person makes rubrics; raises Refused for who makes none."""
    if by.site is None or not (by.may_annotate or by.may_run_queues):
        raise Refused(SENTENCES["not_yours"])
    return by.site


def _record(version: RubricVersion, by: User | None, action: str, data: dict[str, Any]) -> None:
    facts = {"rubric": str(version.rubric_id), "number": version.number, **data}
    audit.record(by=by, action=action, noun="rubric_version", target=version.pk, data=facts, site=version.rubric.site)
