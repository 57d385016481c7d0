"""Fills a fresh installation: a demo hospital, one published login per role, the demo cases, the agent."""

from __future__ import annotations

from dataclasses import dataclass, field

from django.conf import settings
from django.db import transaction

from clinic.demo import BadDemoCase, load_cases
from clinic.models import CaseKind, ModelVersion, Role, Site, User
from clinic.services import audit, cases, demo_annotation, versions
from clinic.services.errors import Refused

SITE = "demo-hospital"
CLINICIAN, ADJUDICATOR = "demo-clinician", "demo-adjudicator"
PASSWORD = f"rounds-{CLINICIAN}"
PEOPLE = (
    (CLINICIAN, Role.CLINICIAN, "Clara", "Demo"),
    ("demo-physician", Role.ANNOTATOR, "Pavel", "Demo"),
    (ADJUDICATOR, Role.ADJUDICATOR, "Amina", "Demo"),
    ("demo-researcher", Role.RESEARCHER, "Rosa", "Demo"),
    ("demo-admin", Role.ADMIN, "Adam", "Demo"),
)


@dataclass(slots=True)
class Seeded:
    """What is there now, whether made by this call or before."""

    site: Site
    people: list[User] = field(default_factory=list)
    cases: int = 0
    agent: ModelVersion | None = None


@transaction.atomic
def seed() -> Seeded:
    """Idempotent: makes what is missing, updates changed demo cases, and leaves everything else alone."""
    if settings.PRODUCTION or not settings.DEMO_LOGINS:
        raise Refused("Demo data is refused here: its passwords are published.")
    site, _ = Site.objects.get_or_create(slug=SITE, defaults={"name": "Demo hospital"})
    seeded = Seeded(site)
    seeded.people = [_person(site, *person) for person in PEOPLE]
    seeded.cases = _cases(site)
    seeded.agent = versions.follow_environment()
    demo_annotation.seed(site=site, by=next(one for one in seeded.people if one.username == ADJUDICATOR))
    return seeded


def password_of(username: str) -> str:
    return f"rounds-{username}"


def _person(site: Site, username: str, role: str, first_name: str, last_name: str) -> User:
    found = User.objects.filter(username=username).first()
    if found is not None:
        return found
    made = User.objects.create_user(
        username,
        email=f"{username}@demo.invalid",
        password=password_of(username),
        first_name=first_name,
        last_name=last_name,
        role=role,
        site=site,
        is_demo=True,
    )
    audit.record(by=None, action="person.created", noun="user", target=made.pk, site=site, data={"demo": True})
    return made


def _cases(site: Site) -> int:
    """The demo cases are virtual: invented, and marked so wherever they appear."""
    try:
        records = load_cases()
    except BadDemoCase as error:
        raise Refused(f"A demo case cannot be read: {error}") from error
    kept = [record for record in records if not site.cases.filter(key=record.id, deleted_at__isnull=False).exists()]
    outcomes = [cases.put(record=record, kind=CaseKind.VIRTUAL, site=site, by=None) for record in kept]
    if made := outcomes.count("accepted"):
        audit.record(
            by=None, action="cases.imported", noun="site", target=site.slug, site=site, data={"demo cases": made}
        )
    return len(records)
