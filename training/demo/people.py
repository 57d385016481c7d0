"""The scripted people of the demo loop: each part of it is played by another login, as the rules ask."""

from __future__ import annotations

from dataclasses import dataclass

from clinic.models import Role, Site, User
from clinic.services import audit, demo
from clinic.services.errors import Refused

SCRIPTED = (
    ("demo-physician-2", Role.ANNOTATOR, "Petra", "Scripted"),
    ("demo-physician-3", Role.ANNOTATOR, "Paulo", "Scripted"),
    ("demo-admin-2", Role.ADMIN, "Berta", "Scripted"),
)


@dataclass(frozen=True, slots=True)
class People:
    """`starter` starts the run and the gate; `promoter` signs and promotes, and is another person."""

    site: Site
    clinician: User
    physicians: tuple[User, ...]
    adjudicator: User
    starter: User
    promoter: User


def people() -> People:
    """The demo's published logins, and three more of the same kind; Refused where demo logins are not allowed."""
    seeded = demo.seed()
    known = {one.username: one for one in seeded.people}
    added = [_person(seeded.site, *one) for one in SCRIPTED]
    known |= {one.username: one for one in added}
    return People(
        site=seeded.site,
        clinician=known[demo.CLINICIAN],
        physicians=tuple(known[name] for name in ("demo-physician", "demo-physician-2", "demo-physician-3")),
        adjudicator=known[demo.ADJUDICATOR],
        starter=known["demo-admin"],
        promoter=known["demo-admin-2"],
    )


def _person(site: Site, username: str, role: str, first_name: str, last_name: str) -> User:
    found = User.objects.filter(username=username).first()
    if found is not None:
        if (found.role, found.site_id, found.is_active) != (str(role), site.pk, True):
            raise Refused(f"{username} is somebody else here. Play the demo loop on a home of its own.")
        return found
    made = User.objects.create_user(
        username,
        email=f"{username}@demo.invalid",
        password=demo.password_of(username),
        first_name=first_name,
        last_name=last_name,
        role=role,
        site=site,
        is_demo=True,
    )
    audit.record(by=None, action="person.created", noun="user", target=made.pk, site=site, data={"demo": True})
    return made
