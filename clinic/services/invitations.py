"""Invites people: a single-use link with an end date, of which only a hash is kept."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from clinic.models import Invitation, Role, Site, User
from clinic.services import audit
from clinic.services.errors import Refused

LIFETIME = timedelta(days=7)
GONE = "This invitation is no longer valid. Ask your administrator for a new one."


@dataclass(frozen=True, slots=True)
class Invited:
    """`token` is shown once, inside the link to hand over; nobody can read it again."""

    invitation: Invitation
    token: str


@transaction.atomic
def invite(
    *, by: User | None, email: str, role: str, site: Site | None = None, lifetime: timedelta = LIFETIME
) -> Invited:
    """Invite to the administrator's site; `by` None is a command on the server, which names the `site`."""
    site = site if by is None else by.site
    if site is None or (by is not None and not by.is_site_admin):
        raise Refused("Only an administrator invites people.")
    if role not in Role.values:
        raise Refused(f"{role} is not a role; choose one of {', '.join(Role.values)}.")
    email = _free_email(email)
    open_invitations(site=site).filter(email__iexact=email).update(withdrawn_at=timezone.now())
    token = secrets.token_urlsafe(32)
    invitation = Invitation.objects.create(
        email=email,
        role=role,
        site=site,
        token_hash=hash_of(token),
        invited_by=by,
        expires_at=timezone.now() + lifetime,
    )
    data = {"email": email, "role": role}
    audit.record(by=by, action="person.invited", noun="invitation", target=invitation.pk, site=site, data=data)
    return Invited(invitation, token)


def _free_email(email: str) -> str:
    email = email.strip()
    try:
        validate_email(email)
    except ValidationError as error:
        raise Refused("That is not a complete e-mail address.") from error
    if User.objects.filter(email__iexact=email).exists():
        raise Refused("A person with this e-mail address already has an account.")
    return email


def open_invitations(*, site: Site | None) -> QuerySet[Invitation]:
    """Not accepted, not withdrawn, not expired."""
    return Invitation.objects.filter(
        site=site, accepted_at=None, withdrawn_at=None, expires_at__gt=timezone.now()
    ).select_related("invited_by")


def pending(*, token: str) -> Invitation:
    """The open invitation behind a link."""
    found = Invitation.objects.filter(token_hash=hash_of(token)).select_related("site").first()
    if found is None or found.accepted_at or found.withdrawn_at or found.expires_at <= timezone.now():
        raise Refused(GONE)
    return found


@transaction.atomic
def accept(*, token: str, username: str, password: str, first_name: str = "", last_name: str = "") -> User:
    """Make the invited person's account; the link works once, also when two windows try at the same time."""
    invitation = pending(token=token)
    user = User(
        username=username.strip(),
        email=_free_email(invitation.email),
        first_name=first_name.strip(),
        last_name=last_name.strip(),
        role=invitation.role,
        site=invitation.site,
    )
    try:
        validate_password(password, user)
        user.set_password(password)
        user.full_clean()
    except ValidationError as error:
        raise Refused(" ".join(error.messages)) from error
    user.save(force_insert=True)
    taken = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, withdrawn_at=None)
    if not taken.update(accepted_at=timezone.now(), accepted_by=user):
        raise Refused(GONE)
    data = {"invitation": invitation.pk, "role": user.role}
    audit.record(by=user, action="person.joined", noun="user", target=user.pk, data=data)
    return user


@transaction.atomic
def withdraw(*, invitation: Invitation, by: User) -> None:
    if not (by.is_site_admin and by.site_id == invitation.site_id):
        raise Refused("Only an administrator of the site withdraws an invitation.")
    if not open_invitations(site=invitation.site).filter(pk=invitation.pk).update(withdrawn_at=timezone.now()):
        raise Refused("This invitation is no longer open.")
    audit.record(by=by, action="invitation.withdrawn", noun="invitation", target=invitation.pk)


def hash_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
